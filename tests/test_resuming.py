"""Going on as people do: the same command again, blindly, after text and cache have moved, and with a shorter block."""

import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import SMALL
from networks import loud_model

import train
from cli.run_text import RunText
from common.progress import silent
from data.text.tokenizers import byte_tokenizer
from model import GPTConfig
from report.training_page import write_training_page
from storage import checkpoint, run
from storage.metrics import read_rows
from storage.weights import fit_block, get_parameters
from training import Trainer
from training.world import ALONE

TEXT = "She sells sea shells by the sea shore, and the shells she sells are sea shells for sure. " * 40
COMMAND = ("data=files", "data.path=one.txt", "tokenizer=bytes", "wandb.mode=disabled", "tokens_per_step=128", *SMALL)
COMMAND = (*COMMAND, "max_steps=2", "eval_every=2", "checkpoint_every=2")


@pytest.fixture
def text(tmp_path) -> Path:
    path = tmp_path / "one.txt"
    path.write_text(TEXT)
    return path


def test_a_run_that_another_process_trains_is_left_alone(script, error_of, text):
    job = ("run=runs/one", *COMMAND)
    script("train", *job)
    before = read_rows(Path("runs/one/metrics.jsonl"))
    holds = f"is being trained by another process, which holds {Path('runs/.one.lock').absolute()}"
    with run.held(Path("runs/one")):
        for ask in ("resume=true", "resume=auto", "overwrite=true"):
            message = error_of("train", *job, ask, "max_steps=4")
            assert message == f"error: run=runs/one: {holds}; wait until it has ended, or give another name"
        # Another process has begun a new run, and the earlier one waits until that has a checkpoint.
        with run.begin(Path("runs/one"), True, "name: new", byte_tokenizer()):
            assert "is being trained" in error_of("train", *job, "resume=auto")
            assert read_rows(Path("runs/.one.replaced-run/metrics.jsonl")) == before
    script("train", *job, "overwrite=true")
    assert [path.name for path in Path("runs").iterdir()] == ["one"]


def test_a_job_script_can_be_started_blindly_again_and_again(script, text, capsys, monkeypatch):
    job = ("run=run", "resume=auto", *COMMAND)
    script("train", *job)
    assert checkpoint.saved_steps(Path("run")) == [2]
    shutil.rmtree("run/checkpoints/step_000002")  # as if killed before it
    script("train", *job)
    assert [row["step"] for row in read_rows(Path("run/metrics.jsonl"))] == [0, 2]
    script("train", *job, "max_steps=3")
    assert checkpoint.saved_steps(Path("run")) == [2, 3]
    before = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*")}
    text.unlink()  # nothing of it is needed any more
    capsys.readouterr()
    monkeypatch.setattr(train, "Start", None)
    script("train", *job, "max_steps=3")
    assert capsys.readouterr().out == "done   run has used up its budget at step 3; to continue, give a larger one\n"
    assert {path: path.stat().st_mtime_ns for path in Path("run").rglob("*")} == before
    assert [path.name for path in Path.cwd().iterdir() if path.name.startswith(".")] == []


def test_a_checkpoint_that_comes_after_auto_has_looked_is_not_replaced(script, error_of, text, monkeypatch):
    job = ("run=run", *COMMAND)
    script("train", *job)
    aside = Path("run/checkpoints/step_000002").rename("aside")

    def save_meanwhile(_: str) -> torch.device:
        aside.rename("run/checkpoints/step_000002")
        return torch.device("cpu")

    monkeypatch.setattr(train, "pick_device", save_meanwhile)
    message = error_of("train", *job, "resume=auto")
    assert message == "error: run=run: has a checkpoint now, of another process; give the same command again"
    assert checkpoint.saved_steps(Path("run")) == [2]


@pytest.mark.parametrize("step", [1, 2])
def test_an_earlier_run_is_replaced_once_the_first_step_is_in_the_record(script, error_of, text, monkeypatch, step):
    script("train", "run=run", *COMMAND)
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    take = Trainer.train_step

    def failing(self) -> dict:
        if self.step + 1 == step:
            raise RuntimeError("CUDA out of memory")
        return take(self)

    monkeypatch.setattr(Trainer, "train_step", failing)
    message = error_of("train", "run=run", *COMMAND, "overwrite=true", "log_every=1", "seed=1")
    assert "out of memory with 2 x 64 tokens" in message
    assert [path.name for path in Path.cwd().iterdir() if path.name.startswith(".")] == []
    if step == 1:
        assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before
    else:
        assert [row["step"] for row in read_rows(Path("run/metrics.jsonl"))] == [0, 1]
        assert b"Training failed after step 1" in Path("run/report.html").read_bytes()
        assert checkpoint.saved_steps(Path("run")) == []


def test_a_checkpoint_that_is_saved_is_kept_however_rarely_the_record_is_written(script, error_of, text, monkeypatch):
    take = Trainer.train_step

    def failing(self) -> dict:
        if self.step + 1 == 3:
            raise RuntimeError("CUDA out of memory")
        return take(self)

    monkeypatch.setattr(Trainer, "train_step", failing)
    rarely = ("log_every=100", "eval_every=100", "checkpoint_every=2", "max_steps=5")
    error_of("train", "run=run", *COMMAND, *rarely)
    assert checkpoint.saved_steps(Path("run")) == [2]


def test_a_run_that_fails_before_its_first_step_leaves_nothing(script, error_of, text, monkeypatch):
    def full(run: Path, row: dict) -> None:
        raise OSError(ENOSPC, "No space left on device", "samples")

    monkeypatch.setattr("train.save_sample", full)
    message = error_of("train", "run=new/run", *COMMAND)
    assert message.endswith("there is no checkpoint yet. Put that right, then give the same command again")
    assert not Path("new").exists()


def test_too_little_space_for_checkpoints_is_noted_before_the_first_step(script, text, capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1_000))
    script("train", "run=run", *COMMAND)
    out = " ".join(capsys.readouterr().out.split())
    noted = r"note checkpoints take up to ([\d.]+) MB more, and 0\.0 MB are free in run; make room there .* step 0 "
    (needed,) = re.findall(noted, out)
    written = sum(path.stat().st_size for path in Path("run/checkpoints/step_000002").glob("*.safetensors"))
    assert float(needed) == pytest.approx(4 * written / 1e6, rel=0.1)


@pytest.mark.parametrize("name", run.FILLED[1:])
def test_a_run_whose_folders_cannot_be_written_is_not_trained(script, error_of, text, name):
    script("train", "run=run", *COMMAND, "snapshots=1")
    shutil.rmtree(f"run/{name}")
    Path("run", name).touch()
    message = error_of("train", "run=run", "resume=true", "max_steps=4")
    assert message.startswith(f"error: run/{name} cannot be written (Not a directory)")
    assert read_rows(Path("run/metrics.jsonl"))[-1]["step"] == 2


def test_a_run_whose_budget_is_not_evaluated_yet_is_not_finished(script, text):
    script("train", "run=run", *COMMAND)
    lines = Path("run/metrics.jsonl").read_text().splitlines()
    Path("run/metrics.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    script("train", "run=run", "resume=true")
    assert read_rows(Path("run/metrics.jsonl"))[-1].keys() >= {"val_loss", "seconds"}


@pytest.mark.parametrize("name", ["state.json", *checkpoint.FILES])
def test_a_finished_run_whose_last_checkpoint_is_damaged_is_not_done(script, error_of, text, name):
    script("train", "run=run", *COMMAND)
    script("train", "run=run", "resume=true", "max_steps=4")
    script("train", "run=run", "resume=true")
    Path("run/checkpoints/step_000004", name).write_bytes(b"\xff")
    message = error_of("train", "run=run", "resume=true")
    assert message.startswith(f"error: run/checkpoints/step_000004 is damaged: {name}")
    good = "the newest good one is run/checkpoints/step_000002: delete the damaged folder to go on from there"
    assert message.endswith(good)
    Path("run/checkpoints/step_000004", name).unlink()
    assert error_of("train", "run=run", "resume=auto").endswith(good)


def test_a_run_that_was_killed_before_its_last_page_gets_it(script, text):
    script("train", "run=run", *COMMAND)
    page, curves = Path("run/report.html"), Path("run/curves.png")
    for _ in range(2):
        assert b"Training ended at step 2" in page.read_bytes()
        page.unlink()
        curves.unlink()
        script("train", "run=run", "resume=true")
    write_training_page(Path("run"), "training")
    os.utime(page, (0, 0))  # of an evaluation before the last checkpoint
    script("train", "run=run", "resume=true")
    assert b"Training ended at step 2" in page.read_bytes()
    assert curves.exists()


def test_text_and_cache_may_move_and_another_text_is_refused(script, error_of, text, monkeypatch):
    script("train", "run=run", *COMMAND)
    rows = Path("run/metrics.jsonl").read_bytes()
    shutil.move(text, "moved.txt")
    shutil.move("cache", "kept")
    longer = ("run=run", "resume=true", "max_steps=3")
    message = error_of("train", *longer)
    assert message.endswith("one.txt: there is no such file or folder; if it has moved, give data.path=... as well")
    Path("other.txt").write_text(TEXT[1:])
    message = error_of("train", *longer, "data.path=other.txt")
    assert "run=run: this is not the text that it was trained on, or not its tokenizer (the hash" in message
    assert Path("run/metrics.jsonl").read_bytes() == rows
    assert f"path: {text}" in Path("run/config.yaml").read_text()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    script("train", "run=../run", *longer[1:], "data.path=../moved.txt", "cache=../kept")
    assert checkpoint.saved_steps(Path("../run"))[-1] == 3
    monkeypatch.chdir("/")
    script("train", f"run={text.parent}/run", "resume=true", "max_steps=4")
    assert checkpoint.saved_steps(text.parent / "run")[-1] == 4


@pytest.mark.parametrize("change", ["edited", "gone"])
@pytest.mark.parametrize("mixed", [False, True])
def test_a_text_that_has_changed_since_does_not_end_its_run(script, text, capsys, change, mixed):
    parts = ("mix.stories.share=0.5", "mix.stories.n_train=50", "mix.stories.n_val=20") if mixed else ()
    script("train", "run=run", *COMMAND, *parts)
    tokens = sorted(Path("cache/tokens").iterdir())
    if change == "edited":
        text.write_text(TEXT + "A line that was not there before.")
    else:
        text.unlink()
    capsys.readouterr()
    script("train", "run=run", "resume=true", "max_steps=3")
    assert checkpoint.saved_steps(Path("run"))[-1] == 3
    assert "note   the files in data.path have changed since, or are gone: the run goes on" in capsys.readouterr().out
    script("train", "run=run", *COMMAND, *parts, "resume=auto", "max_steps=4")
    assert checkpoint.saved_steps(Path("run"))[-1] == 4
    assert sorted(Path("cache/tokens").iterdir()) == tokens, "nothing was tokenized anew"
    state, _ = checkpoint.load(Path("run"), "latest", names=())
    assert len(RunText(Path("run")).validation(state["dataset"], silent).ids) > 100


def test_the_tokens_of_a_run_are_made_anew_with_its_own_tokenizer(script, text, monkeypatch):
    learned = [setting for setting in COMMAND if setting != "tokenizer=bytes"]
    script("train", "run=run", *learned, "tokenizer.vocab_size=280")
    shutil.rmtree("cache")
    monkeypatch.setattr("data.text.building.make_tokenizer", None)
    script("train", "run=run", "resume=true", "max_steps=3")
    assert checkpoint.saved_steps(Path("run"))[-1] == 3


@pytest.mark.parametrize("key", ["data.path", "data.val_path"])
def test_only_text_of_which_nothing_is_found_may_have_moved(script, error_of, text, key):
    for folder in ("t", "v"):
        Path(folder).mkdir()
        shutil.copy(text, f"{folder}/a.txt")
    begun = (*COMMAND, "data.path=t/*.txt", "data.val_path=v/*.txt")
    script("train", "run=run", *begun)
    shutil.rmtree("cache")
    longer = ("run=run", "resume=true", "max_steps=3")
    path = Path("t" if key == "data.path" else "v", "a.txt")
    path.write_bytes(b"\xff" * 2_000)
    assert "moved" not in error_of("train", *longer)
    path.unlink()
    assert error_of("train", *longer).endswith(f"; if it has moved, give {key}=... as well")
    path.parent.rmdir()
    assert f"there is no folder {path.parent.absolute()}; if it has moved, give {key}=" in error_of("train", *longer)


def test_a_project_that_has_moved_uses_its_default_cache_and_a_note_says_so(script, tmp_path, monkeypatch, capsys):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "one.txt").write_text(TEXT)
    monkeypatch.chdir(old)
    script("train", "run=run", *COMMAND)
    shutil.rmtree("cache")
    script("train", "run=run", *COMMAND, "resume=true", "max_steps=3")
    assert Path("cache").is_dir()
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(old / "cache")
    script("train", "run=old/run", "resume=true", "max_steps=4")
    assert (old / "cache").is_dir(), "which was only deleted"
    assert "note   cache" not in capsys.readouterr().err
    old.rename(new)
    monkeypatch.chdir(new)
    script("train", "run=run", *COMMAND, "resume=true", "max_steps=5")
    assert not old.exists()
    assert capsys.readouterr().err == f"note   cache={old}/cache is gone; cache=cache is used instead\n"
    assert f"cache: {new}/cache\n" in Path("run/config.yaml").read_text(encoding="utf-8")


def test_all_processes_do_what_the_first_has_decided(monkeypatch, tmp_path):
    class Second:
        rank, size, first = 1, 2, False

        def broadcast(self, value):
            return replace(value, seed=7) if isinstance(value, train.TrainCommand) else value

    @contextmanager
    def join(device):
        yield Second()

    def stop(start):
        raise InterruptedError(start.command.seed)

    monkeypatch.setattr(train, "join", join)
    monkeypatch.setattr(train.Start, "make_trainer", stop)
    own = train.cli.read("train", train.TrainCommand, ["run=x", "seed=1"])
    with pytest.raises(InterruptedError, match="7"):
        train.main(own)
    assert ALONE.broadcast(own) is own


def test_weights_begin_with_a_shorter_block_where_the_message_says_so(script, error_of, text):
    script("train", "run=first", *COMMAND, "model.position=learned")
    Path("short.txt").write_text(TEXT[:150])
    tuned = (
        "run=second",
        "init_from=first",
        "data=files",
        "data.path=short.txt",
        "data.val_fraction=0.7",
        "max_steps=1",
    )
    tuned = (*tuned, "wandb.mode=disabled", "tokens_per_step=64")
    assert "too few for model.block_size=64; give more text or a shorter block" in error_of("train", *tuned)
    message = error_of("train", *tuned, "model.block_size=128")
    assert message == "error: model.block_size=128: init_from brings 64 learned positions; give at most that"
    assert not Path("second").exists()
    script("train", *tuned, "model.block_size=16")
    assert checkpoint.load(Path("second"), "best")[0]["model"]["block_size"] == 16
    script("train", "run=second", "resume=true", "max_steps=2")


def test_weights_whose_best_are_gone_are_the_latest_and_a_note_says_so(script, text, capsys):
    script("train", "run=first", *COMMAND)
    path = Path("first/checkpoints/step_000002/state.json")
    state = json.loads(path.read_text()) | {"best_step": 1}
    path.write_text(json.dumps(state | {"check": checkpoint.digest(state)}))
    tuned = ("data=files", "data.path=one.txt", "wandb.mode=disabled", "tokens_per_step=128", "max_steps=1")
    script("train", "run=second", "init_from=first", *tuned)
    assert "weights from first, step 2; its best are gone" in capsys.readouterr().out


@pytest.mark.parametrize("position", ["learned", "rope"])
@pytest.mark.parametrize("block_size", [8, 16, 32])
def test_a_fitted_block_computes_the_same(position, block_size):
    model = loud_model(GPTConfig(50, block_size=16, n_embd=16, n_head=2, position=position))
    if (position, block_size) == ("learned", 32):
        with pytest.raises(ValueError, match=r"model\.block_size=32: init_from brings 16 learned positions"):
            fit_block(model, block_size)
        return
    fitted = fit_block(model, block_size).eval()
    assert fitted.config.block_size == block_size
    assert get_parameters(fitted).keys() == get_parameters(model).keys()
    tokens = torch.arange(8)[None]
    torch.testing.assert_close(fitted(tokens), model(tokens), rtol=0, atol=0)


def test_runs_may_lie_inside_the_folder_that_they_train_on(script, text, capsys):
    here = (*COMMAND, "data.path=.", "cache=cache")
    script("train", "run=runs/x", *here)
    Path("runs/x/samples/step_000000.jsonl").write_text('{"text": "a sample"}')
    script("train", "run=runs/x", *here, "max_steps=3", "resume=true")
    script("export", "run=runs/x", "to=out")
    capsys.readouterr()
    script("train", "run=runs/y", *here)
    assert re.search(r"1 file is read \(1 \.txt\); .* of runs, .* of exports, .* of the cache", capsys.readouterr().out)
    assert len(list(Path("cache/tokens").iterdir())) == 1


@pytest.mark.parametrize("name", ["run=.", "run=/", "run=.."])
def test_the_folder_that_one_stands_in_is_no_name_for_a_run(error_of, text, name):
    assert f"{name}: holds the folder that this was started in" in error_of("train", name, *COMMAND)
    assert not Path("cache").exists()


def test_advice_on_a_run_that_exists_is_never_refused_afterwards(script, error_of, text):
    script("train", "run=run", *COMMAND)
    Path("run/notes.txt").touch()
    message = error_of("train", "run=run", *COMMAND)
    assert message == "error: run=run: exists; resume=true continues it, give another name to keep notes.txt"
    Path("run/notes.txt").unlink()
    shutil.rmtree("run/checkpoints/step_000002")
    assert "resume=auto begins it again, overwrite=true replaces it" in error_of("train", "run=run", *COMMAND)


def test_names_that_are_no_utf8_work_from_the_text_to_the_pages(script, capfd):
    name = os.fsdecode(b"b\xff")
    Path(f"{name}.txt").write_text(TEXT)
    begun = [argument for argument in COMMAND if not argument.startswith("data.path")]
    script("train", f"run={name}", f"data.path={name}.txt", *begun)
    script("train", f"run={name}", "resume=auto", f"data.path={name}.txt", *begun, "max_steps=3")
    script("sample", f"run={name}", "prompt=She", "max_new_tokens=2")
    script("export", f"run={name}", f"to={name}.out")
    assert json.loads(Path(f"{name}.out", "export.json").read_text())["run"] == name
    assert "run b\\udcff" in Path(name, "report.html").read_text(encoding="utf-8")
    assert "run    b" in capfd.readouterr().out
