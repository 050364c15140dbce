"""What a command takes from an earlier run: which settings go on with it, which are refused, and what auto comes to."""

import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from errno import EACCES
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from test_commands import refusal, train

import cli
import huggingface
from cli.composing import FOLDER, leaves
from cli.resuming import BUDGETS, CHANGEABLE, resolve_resume
from cli.schema import TrainCommand
from common.atomic import waiting_path
from common.errors import InputError
from common.folders import HF_SCHEME
from storage import run
from training.world import ProcessLostError

FILES = ("data=files", "data.path=x.txt")


def make_run(folder: Path, *arguments: str, steps: tuple[int, ...] = (4,)) -> TrainCommand:
    """A folder that has what tells a run, of the command that these arguments make."""
    command = train(*arguments)
    for step in steps:
        (folder / "checkpoints" / f"step_{step:06d}").mkdir(parents=True)
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").touch()
    (folder / "config.yaml").write_text(cli.to_yaml(command))
    return command


@pytest.mark.parametrize(
    "arguments",
    [
        ("seed=5", *FILES, "tokenizer=bytes", "model=small", "optimizer=adamw", "data.val_fraction=0.2"),
        ("experiment=race_cpu", "max_minutes=2", "optimizer.betas=[0.5,0.6]"),
        ("model.n_kv_head=null", "max_steps=1e3", "snapshots=null", "data.tasks=[cue,recall]", "init_from=null"),
        ("data=shakespeare", "optimizer=finetune", "++seed=3"),
        ("data=answers", "data.path=qa.jsonl", "data.template=Q: {prompt}\nA: {answer}"),
    ],
)
@pytest.mark.parametrize("resume", ["true", "auto"])
def test_the_same_command_again_goes_on(tmp_path, monkeypatch, arguments, resume):
    monkeypatch.chdir(tmp_path)
    make_run(Path("run"), *arguments)
    stored = train("run=run", "resume=true")
    assert train("run=run", f"resume={resume}", *arguments) == stored
    assert train("run=run", f"resume={resume}", *arguments, "patience=7") == replace(stored, patience=7)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("seed=6", "seed=6: the run has 5, which cannot change when it is resumed; leave it out, or begin another run"),
        ("model=small", "model=small: model.block_size=256: the run has 128, which cannot change"),
        ("model.n_kv_head=2", "model.n_kv_head=2: the run has 4, which cannot change"),
        ("data=stories", "data=stories: data.name=stories: the run has files, which cannot change"),
        ("data.val_fraction=0.2", "data.val_fraction=0.2: the run has 0.1, which cannot change"),
        ("data.field=${x", "data.field=${x: the run has text, which cannot change"),
        ("optimizer.betas=[0.8,0.9]", "optimizer.betas=[0.8,0.9]: the run has [0.8,0.95], which cannot change"),
        ("init_from=other", "the run has null, which cannot change"),
        ("experiment=race_cpu", "experiment=race_cpu: data.name=shakespeare: the run has files, which cannot change"),
        ("data.n_train=3", "data.n_train: there is no such key"),
    ],
)
def test_only_what_differs_is_refused_and_both_values_are_named(tmp_path, argument, message):
    make_run(tmp_path / "run", "seed=5", *FILES)
    assert message in refusal("train", TrainCommand, f"run={tmp_path}/run", "resume=true", argument)


CHANGES = {
    "max_steps": "9",
    "max_tokens": "900",
    "max_minutes": "9",
    "patience": "9",
    "micro_batch": "256",
    "eval_every": "9",
    "checkpoint_every": "9",
    "log_every": "9",
    "snapshots": "9",
    "probe_every": "9",
    "device": "cpu",
    "precision": "fp32",
    "compile": "true",
    "wandb": "disabled",
    "cache": "elsewhere",
    "data.path": "y.txt",
    "data.val_path": "w.txt",
}


@pytest.mark.parametrize("key", CHANGEABLE)
def test_what_leaves_a_run_what_it_is_may_change(tmp_path, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    make_run(Path("run"), *FILES, "data.val_path=v.txt")
    setting = f"{'wandb.mode' if key == 'wandb' else key}={CHANGES[key]}"
    stored, again = (dict(leaves(asdict(train("run=run", "resume=true", *more)))) for more in ((), (setting,)))
    changed = {name for name in stored if again[name] != stored[name]}
    assert setting.partition("=")[0] in changed
    assert len(changed) == 1 or changed <= {*BUDGETS}, "one budget replaces another"


@pytest.mark.parametrize("resume", ["resume=true", "resume=True", "++resume=true", "resume=auto"])
def test_a_text_and_a_cache_that_moved_can_be_given_alone(tmp_path, resume):
    make_run(tmp_path / "run", *FILES, "data.val_fraction=0.2")
    moved = train(f"run={tmp_path}/run", resume, "data.path=y.txt", "cache=elsewhere")
    assert moved.data == replace(train(*FILES, "data.val_fraction=0.2").data, path=str(Path("y.txt").absolute()))
    assert moved.cache == str(Path("elsewhere").absolute())


def test_auto_begins_where_there_is_no_checkpoint_and_goes_on_where_there_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    auto = ("run=run", "resume=auto", *FILES)
    assert (train(*auto).resume, train(*auto).overwrite) == (False, False)
    make_run(Path("run"), *FILES, steps=())
    assert (train(*auto).resume, train(*auto).overwrite) == (False, True), "which a run of other settings allows, too"
    assert train(*auto, "seed=7").seed == 7
    make_run(Path("run"), *FILES)
    assert (train(*auto).resume, train(*auto).overwrite) == (True, False)
    assert "seed=7: the run has 0" in refusal("train", TrainCommand, *auto, "seed=7")


def test_auto_replaces_neither_what_is_no_run_nor_a_record_whose_checkpoints_are_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").touch()
    assert not train("run=thesis", "resume=auto").overwrite
    make_run(Path("run"), "checkpoint_every=5", steps=())
    early, diverged = {"step": 2, "val_loss": 1.0}, {"step": 2, "val_loss": None}
    for rows in ([5], [diverged, 5], [early], [{"step": 0, "val_loss": 2.0}, early]):
        record(rows)
        assert train("run=run", "resume=auto").overwrite, "killed before the first checkpoint"
    for rows in ([6], [diverged, 6], [early, 3], [early, {"step": 3, "val_loss": 2.0}]):
        record(rows)
        message = f"its checkpoints are gone, and metrics.jsonl goes on to step {6 if 6 in rows else 3}"
        assert message in refusal("train", TrainCommand, "run=run", "resume=auto")


def locked(read: Callable, path: str | Path) -> object:
    """What ``read`` reads in ``path``, unless that is the folder of the checkpoints."""
    if Path(path).name == "checkpoints":
        raise PermissionError(EACCES, "Permission denied", str(path))
    return read(path)


def record(rows: Iterable[dict | int]) -> None:
    """Writes run/metrics.jsonl; of a row that is not an evaluation, the step alone."""
    lines = [json.dumps({"step": row} if isinstance(row, int) else row) for row in rows]
    Path("run/metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))


def test_auto_replaces_no_run_whose_checkpoints_cannot_be_read(tmp_path, monkeypatch):
    make_run(tmp_path)
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, partial(locked, getattr(os, name)))
    message = refusal("train", TrainCommand, f"run={tmp_path}", "resume=auto")
    assert message == f"error: Permission denied: {tmp_path}/checkpoints"


@pytest.mark.parametrize("content", [b"a: [", b"- a", b"text", b"\xff: 1", b"checkpoint_every: often"])
def test_auto_says_in_a_line_that_the_settings_of_a_run_without_a_checkpoint_are_damaged(tmp_path, content):
    make_run(tmp_path, steps=())
    (tmp_path / "config.yaml").write_bytes(content)
    message = refusal("train", TrainCommand, f"run={tmp_path}", "resume=auto")
    assert message.startswith(f"error: {tmp_path}/config.yaml is damaged: ")


@pytest.mark.parametrize("cache", ["3", "null", "[a]"])
def test_a_run_whose_cache_is_no_path_is_damaged(tmp_path, cache):
    make_run(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(re.sub("^cache:.*", f"cache: {cache}", config.read_text(), flags=re.MULTILINE))
    message = refusal("train", TrainCommand, f"run={tmp_path}", "resume=true")
    assert message == f"error: {config} is damaged: cache={cache}: must be a folder; put it right"


@pytest.mark.parametrize("group", ["model", "mix"])
def test_a_run_of_which_a_group_of_keys_is_empty_is_damaged(tmp_path, group):
    make_run(tmp_path)
    config = tmp_path / "config.yaml"
    stored = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(stored | {group: None}))
    message = refusal("train", TrainCommand, f"run={tmp_path}", "resume=true")
    assert message == f"error: {config} is damaged: {group}=null: must be a group of keys"


def test_other_processes_wait_until_the_first_has_brought_an_earlier_run_back(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    earlier = waiting_path(tmp_path / "run", run.KIND)
    make_run(earlier)
    back = threading.Timer(0.2, earlier.rename, [tmp_path / "run"])
    back.start()
    assert resolve_resume("auto", str(tmp_path / "run"), False)["resume"]
    back.join()


def test_other_processes_do_not_wait_for_ever_for_a_first_that_has_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    make_run(waiting_path(tmp_path / "run", run.KIND))
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr("storage.run.time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None))
    with pytest.raises(ProcessLostError, match="another of the 2 processes has ended or does not answer"):
        resolve_resume("auto", str(tmp_path / "run"), False)


@pytest.mark.parametrize("name", ["a", "a/", "./a", "b/../a", "a/.", "link"])
def test_a_path_is_the_stored_one_however_it_is_spelled(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make_run(Path("a"))
    Path("b").mkdir()
    Path("link").symlink_to("a")
    make_run(Path("run"), "init_from=a", "data=files", "data.path=b/")
    stored = train("run=run", "resume=true")
    assert train("run=run", "resume=true", f"init_from={name}", "data.path=./b") == stored
    assert "init_from" in refusal("train", TrainCommand, "run=run", "resume=true", "init_from=b")


def test_what_is_brought_along_is_named_as_it_was_typed(tmp_path, monkeypatch):
    """And a run that is not there is called that, whatever else is wrong."""
    monkeypatch.chdir(tmp_path)
    ids = ("data=tokens", "data.path=moves.bin", "data.names=my names.txt")
    message = refusal("train", TrainCommand, "init_from=hf:theirs", *ids)
    assert message.startswith("error: data.names=my names.txt: init_from=hf:theirs brings its model")
    missing = refusal("train", TrainCommand, "init_from=nowhere", "model.n_layer=2", "data=files", "data.path=x.txt")
    assert missing.startswith("error: init_from=nowhere: there is no such run")
    Path("theirs/x.bin").mkdir(parents=True)
    folder = refusal("train", TrainCommand, "init_from=theirs", "max_steps=0")
    assert folder.startswith("error: init_from=theirs: is no run")


@pytest.mark.parametrize("setting", ["names: moves.txt", "end: 0", "vocab_size: 9"])
def test_what_is_brought_along_is_no_other_through_an_experiment(tmp_path, monkeypatch, setting):
    shutil.copytree(FOLDER, tmp_path / "configs")
    monkeypatch.setattr("cli.composing.FOLDER", tmp_path / "configs")
    experiment = "# @package _global_\ndefaults:\n  - override /data: tokens\ndata:\n  path: moves.bin\n"
    (tmp_path / "configs" / "experiment" / "plain.yaml").write_text(experiment)
    (tmp_path / "configs" / "experiment" / "moves.yaml").write_text(f"{experiment}  {setting}\n")
    plain = train("init_from=hf:theirs", "experiment=plain")
    assert plain.data.path == "moves.bin"
    assert "experiment=moves: init_from=hf:theirs brings its model and tokenizer along" in refusal(
        "train", TrainCommand, "init_from=hf:theirs", "experiment=moves"
    )
    null = f"data.{setting.partition(':')[0]}=null"
    assert train("init_from=hf:theirs", "experiment=moves", null).data == plain.data


@pytest.mark.parametrize("command", [("run=run", "resume=true"), ("run=run", "resume=auto"), ("init_from=run",)])
def test_a_run_that_lacks_its_config_is_not_called_gone(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    make_run(Path("run"))
    make_run(Path("other"))
    Path("run/config.yaml").unlink()
    key = command[0].partition("=")[0]
    assert refusal("train", TrainCommand, *command) == f"error: {key}=run: lacks config.yaml; put it back"
    if key == "run":
        message = refusal("train", TrainCommand, "run=rum", "resume=true")
        assert message == "error: run=rum: there is no such run; . has other"


def test_auto_needs_a_name_and_contradicts_overwriting():
    assert "resume=auto: say which run, with run=runs/NAME" in refusal("train", TrainCommand, "resume=auto")
    message = refusal("train", TrainCommand, "resume=auto", "run=x", "overwrite=true")
    assert "resume=auto and overwrite=true contradict each other" in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "gpt2",
            "init_from=gpt2: there is no such run; a model of the Hugging Face Hub is written init_from=hf:gpt2",
        ),
        ("theirs", "init_from=theirs: is a model of transformers; write init_from=hf:theirs"),
        ("theirs/model.safetensors", "is a model of transformers; write init_from=hf:theirs"),
        ("hf:theirs/model.safetensors", "is a file; give the folder that has config.json"),
        ("out/ckpt.pt", "is a pickled checkpoint; if it is nanoGPT's, write init_from=nanogpt:out/ckpt.pt"),
        ("out", "init_from=out: is a pickled checkpoint; if it is nanoGPT's, write init_from=nanogpt:out/ckpt.pt"),
        ("mine/x.pt", "write init_from=nanogpt:mine/x.pt; else save it with save_pretrained"),
        ("theirs/sub/y.bin", "init_from=theirs/sub/y.bin: is a pickled checkpoint"),
        ("theirs/pytorch_model.bin", "is a model of transformers; write init_from=hf:theirs"),
        ("run/checkpoints/step_000004", "is a part of a run; write init_from=run, which takes its best checkpoint"),
        ("hf:run", "hf:run: is a run of this project; give init_from=run, without hf:"),
        ("notes", "init_from=notes: is no run"),
        ("empty/../rum", "there is no such run"),
    ],
)
def test_what_is_no_run_is_named_with_what_to_write(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    make_run(Path("run"))
    theirs = ("theirs/config.json", "theirs/model.safetensors", "theirs/pytorch_model.bin", "theirs/sub/y.bin")
    for file in (*theirs, "config.json", "mine/config.json", "mine/x.pt", "out/ckpt.pt", "notes/a.txt"):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).touch()
    if name.startswith(HF_SCHEME):  # is read when the run begins
        with pytest.raises(InputError, match=re.escape(message)):
            huggingface.read(name)
    else:
        assert message in refusal("train", TrainCommand, f"init_from={name}")


def test_a_command_line_is_read_without_reading_or_downloading_a_model(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("asked the Hub"))
    command = cli.read("train", TrainCommand, ["init_from=hf:someone/a-model", "model.dropout=0.1", "max_steps=0"])
    assert command.init_changes == {"dropout": 0.1}
