"""The door: what is accepted, what is refused, and that every refusal is one line that helps."""

import dataclasses
import os
import sys
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

import cli
from cli.paths import FREE_TEXT, PATHS, decode_text, encode_text
from cli.schema import SNAPSHOTS, ProbeCommand, SampleCommand, TrainCommand
from common.errors import InputError
from data import Named, TokenizerConfig
from data.stories import TASKS, Stories
from data.text.catalog import CATALOG
from model import GPT, GPTConfig
from training import OptimizerConfig, TrainConfig


def command(name: str, schema: type, *arguments: str):
    """The typed configuration of a command line."""
    received = []
    before = sys.argv
    sys.argv = [f"{name}.py", *arguments]
    GlobalHydra.instance().clear()
    try:
        cli.launch(received.append, name, schema)
    finally:
        sys.argv = before
    return received[0]


def train(*arguments: str) -> TrainCommand:
    return command("train", TrainCommand, *arguments)


def refusal(name: str, schema: type, *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        command(name, schema, *arguments)
    assert isinstance(caught.value.code, str)
    assert "\n" not in caught.value.code
    return caught.value.code


def test_the_defaults_are_stories_and_tiny():
    defaults = train()
    assert defaults.data.name == "stories"
    assert (defaults.model.n_layer, defaults.model.n_head, defaults.model.n_embd) == (3, 4, 128)
    assert defaults.optimizer.name == "muon"
    assert defaults.max_steps == 2_500
    assert defaults.wandb.mode == "offline"


def test_stories_pose_every_task_that_is_registered(monkeypatch):
    assert train().data.tasks == tuple(TASKS)
    monkeypatch.setitem(TASKS, "gifts", dataclasses.replace(TASKS["cue"], name="gifts"))
    assert train().data.tasks[-1] == "gifts"
    assert train("data.tasks=[cue]").data.tasks == ("cue",)


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        train().seed = 3


def test_the_gpt2_preset_has_gpt2s_parameters():
    """124,439,808, as published."""
    shape = dataclasses.replace(train("model=gpt2").model, vocab_size=50257)
    with torch.device("meta"):  # shapes without numbers
        assert GPT(shape).n_parameters() == 124_439_808


@pytest.mark.parametrize("preset", ["tiny", "small", "base", "gpt2"])
def test_every_preset_is_a_network(preset):
    assert train(f"model={preset}").model.attention_types


def test_a_budget_given_replaces_the_default_budget():
    assert train("max_minutes=2").max_steps is None
    assert train("max_steps=1e3").max_steps == 1000


SLIPS = [
    ("model.n_layr=3", "model.n_layr: there is no such key; did you mean model.n_layer?"),
    ("+model.n_layr=3", "model.n_layr: there is no such key; did you mean model.n_layer?"),
    ("max_step=3", "max_step: there is no such key; did you mean max_steps?"),
    ("learning_rate=3", "learning_rate: there is no such key; here it is optimizer.matrix_lr"),
    ("optimizer.lr=3", "optimizer.lr: there is no such key; here it is optimizer.matrix_lr"),
    ("dropout=0.1", "dropout: there is no such key; did you mean model.dropout?"),
    ("mx.stories=0.1", "mx.stories: there is no such key; --help shows the keys there are"),
    ("data=my/book.txt", "data=my/book.txt: there is no such data; known are answers, "),
    ("data=my/book.txt", "and a text of yours is data=files data.path=my/book.txt"),
    ("model=tinny", "model=tinny: there is no such model; known are base, gpt2, small, tiny"),
    (
        "data=shakespear",
        "known are answers, enwik8, files, fineweb_edu, openwebtext, shakespeare, stories, tinystories, ",
    ),
    ("tokenizer=word", "known are bpe, bytes, gpt2"),
    ("max_steps", "'max_steps': settings are written KEY=VALUE"),
    ("max_steps=many", "max_steps=many: must be a whole number"),
    ("max_steps=1.5", "max_steps=1.5: must be a whole number"),
    ("seed=[1,2", "seed=[1,2: the value cannot be read; a list is written seed=[A,B]"),
    ("model.norm=batchnorm", "model.norm=batchnorm: must be 'rmsnorm', 'layernorm' or 'none'"),
    ("model.mlp=swiglu", "model.mlp=swiglu: must be 'relu2', 'gelu', 'gelu_exact', 'relu' or 'none'"),
    ("wandb=disabled", "wandb=disabled: is a group of keys; give them one by one, as in wandb.KEY=..."),
    ("model=tiny,small", "model=tiny,small: takes one of base, gpt2, small, tiny; a sweep over several begins with -m"),
    ("model.n_head=3", "model.n_embd=128 does not divide into n_head=3"),
    ("+model.vocab_size=7", "model.vocab_size: there is no such key"),
    ("optimizer.betas=[0.9]", "optimizer.betas"),
    (
        "data.tasks=[agrement]",
        "data.tasks=[agrement]: no task of stories is called 'agrement'; they are agreement, verb_bias, cue",
    ),
    ("data=files", "data.path is missing; give data.path=..."),
    (
        "data.n_files=2",
        "data.n_files: there is no such key; it belongs to data=fineweb_edu or data=openwebtext: add that",
    ),
    ("max_minutes=0", "max_minutes=0"),
    ("resume=true", "say which run"),
    ("resume=yes", "resume=yes: must be true, false or auto"),
    ("seed=-1", "seed=-1: must be at least 0"),
    ("seed=99999999999999999999", "seed=99999999999999999999: must be"),
    ("max_minutes=nan", "max_minutes=nan"),
    ("optimizer.matrix_lr=nan", "matrix_lr=nan"),
    ("optimizer.betas=[1.5,0.9]", "betas=[1.5, 0.9]"),
    ("data.tasks=[]", "name at least one of"),
    (
        "data.path=a.txt",
        "data.path: there is no such key; it belongs to data=answers or data=files or data=tokens: add that",
    ),
    ("precision=fp16", "precision=fp16: must be 'auto', 'fp32' or 'bf16'"),
    ("data.tasks.x=cue", "data.tasks.x: there is no such key; did you mean data.tasks?"),
    ("optimizer.betas.0=0.5", "optimizer.betas.0: there is no such key; did you mean optimizer.betas?"),
    ("=3", ": there is no such key"),
    ("data.tasks=cue", "data.tasks=cue: must be a list, as in data.tasks=[cue]"),
    ("optimizer.betas=null", "optimizer.betas=null: must be a list, as in optimizer.betas=[A,B]"),
    ("data.tasks=[cue,recall", "the value cannot be read; a list is written data.tasks=[A,B]"),
    ("data.tasks='[cue,recall'", "data.tasks=[cue,recall: must be a list, as in data.tasks=[cue,recall]"),
    ("model.norm=it's", "model.norm=it's: the value cannot be read; quote it: model.norm=\\'...\\'"),
    ("data.tasks=cue,recall", "data.tasks=cue,recall: a list is written data.tasks=[cue,recall]"),
    ("seed=${nope}", "seed: Interpolation key 'nope' not found"),
]
# One of each kind: the key, the choice, the form, the syntax, the type, what may not be added, a list, a reference.
BY_HYDRA = (
    *("model.n_layr=3", "model=tinny", "max_steps", "seed=[1,2", "max_steps=many", "+model.vocab_size=7"),
    *("data.tasks=cue,recall", "seed=${nope}"),
)


@pytest.mark.parametrize(("argument", "message"), SLIPS)
def test_slips_are_refused_in_one_helpful_line(argument, message):
    assert message in refusal("train", TrainCommand, argument)


@pytest.mark.parametrize("argument", BY_HYDRA)
def test_slips_are_refused_in_the_same_line_where_hydra_composes(argument):
    assert dict(SLIPS)[argument] in refusal("train", TrainCommand, argument, "hydra.verbose=false")


def test_many_short_samples_are_as_many_as_memory_has_room_for():
    assert command("sample", SampleCommand, "run=x", "n=60000", "max_new_tokens=200").n == 60_000
    assert refusal("sample", SampleCommand, "run=x", "n=1000001").endswith("n=1000001: must be 1 to 1,000,000")
    assert "max_new_tokens=0: must be 1 to" in refusal("sample", SampleCommand, "run=x", "max_new_tokens=0")


def test_corpora_by_name_say_how_many_files_they_have():
    assert train("data=openwebtext").data == Named("openwebtext", 1)
    assert train("data=fineweb_edu", "data.n_files=3").data == Named("fineweb_edu", 3)
    refused = refusal("train", TrainCommand, "data=fineweb_edu", "data.n_files=99")
    assert "data.n_files=99: fineweb_edu has 1 to 14 of them" in refused
    assert "data.n_files=two: must be" in refusal("train", TrainCommand, "data=openwebtext", "data.n_files=two")
    assert "data.n_files: there is no such key" in refusal("train", TrainCommand, "data=enwik8", "data.n_files=1")


@pytest.mark.parametrize("name", CATALOG)
def test_every_corpus_of_the_catalog_can_be_named(name):
    assert train(f"data={name}").data.name == name


def test_sampling_and_probing_check_their_settings_too():
    assert "run is missing; give run=..." in refusal("sample", SampleCommand)
    assert "temperature=-1" in refusal("sample", SampleCommand, "run=x", "temperature=-1")
    assert "has no tokens" in refusal("sample", SampleCommand, "run=x", "prompt=")
    assert "must be even" in refusal("probe", ProbeCommand, "run=x", "n_cases=31")
    for other in ("cases=mine.jsonl", "pairs=blimp/data"):
        assert "tasks=[cue]: are of stories" in refusal("probe", ProbeCommand, "run=x", "tasks=[cue]", other)
    assert "names a task twice" in refusal("probe", ProbeCommand, "run=x", "tasks=[cue,cue]")
    assert "name at least one of" in refusal("probe", ProbeCommand, "run=x", "tasks=[]")
    assert "tasks=cue: must be a list, as in tasks=[cue]" in refusal("probe", ProbeCommand, "run=x", "tasks=cue")


@pytest.mark.parametrize(
    "unused",
    [{"cases": "a"}, {"pairs": "a"}, {"text_file": "a"}, {"dynamics": True}, {"tasks": ("cue",)}, {"n_cases": 40}],
    ids=str,
)
def test_a_sentence_goes_with_no_key_that_measures(unused):
    with pytest.raises(ValueError, match=rf"text=...: is read and measures nothing; leave {next(iter(unused))} out"):
        ProbeCommand(run="x", text="Tom sat.", **unused)


def test_a_dash_stands_for_standard_input():
    assert command("probe", ProbeCommand, "run=x", "text=-", "seed=1", "device=cpu").text == "-"
    assert command("sample", SampleCommand, "run=x", "prompt=-").prompt == "-"


TEXTS = (
    *("Hello, world!", "1e3", "true", "null", "???", "${seed}", "a=b", "#x", "'q'", '"', "two\nlines", " spaces "),
    *("日本 😀", "[1", "{", "x,y", "\\"),
)


@pytest.mark.parametrize("text", ["1e3", "null", "???", "".join(TEXTS)])
def test_any_prompt_reaches_the_model_as_it_was_typed(text):
    assert command("sample", SampleCommand, "run=x", f"prompt={text}").prompt == text


@given(
    st.sampled_from(FREE_TEXT + PATHS),
    st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"])) | st.binary().map(os.fsdecode),
)
def test_any_text_at_all_survives_what_hydra_makes_of_it(key, text):
    OmegaConf.register_new_resolver("text", decode_text, replace=True)
    override = OverridesParser.create().parse_override(encode_text(f"{key}={text}"))
    assert (override.key_or_group, override.type.name) == (key, "CHANGE")
    arrives = text if key in PATHS else os.fsencode(text).decode(errors="replace")
    expected = None if text == "null" and key in (*PATHS, "data.separator") else arrives
    assert OmegaConf.create({"text": override.value()}).text == expected


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("data=files", "data.path=a b,c", "model=small", "model.n_head=4", "run=a=b", "optimizer=adamw"),
        ("experiment=race_cpu", "max_steps=7"),
        ("++seed=3", "data.tasks=[cue,recall]", "optimizer.betas=[0.5,0.6]", "max_minutes=2"),
    ],
)
def test_a_command_is_what_hydra_itself_makes_of_it(settings):
    assert train(*settings) == train(*settings, "hydra.verbose=false")


def test_what_hydra_alone_knows_can_be_used():
    assert train("cache=x", "device=${hydra:job.name}").device == train("device=${hydra:job.name}").device != "auto"


def test_checkpoints_may_be_steps():
    assert command("probe", ProbeCommand, "run=x", "checkpoint=500").checkpoint == "500"


def test_the_yaml_files_say_what_the_dataclasses_say():
    defaults = train()
    assert defaults.optimizer == OptimizerConfig()
    assert defaults.tokenizer == TokenizerConfig()
    assert defaults.data == Stories()
    assert defaults.model == GPTConfig(1)
    given = {field.name: vars(defaults)[field.name] for field in dataclasses.fields(TrainConfig)}
    assert TrainConfig(**given) == TrainConfig(snapshots=SNAPSHOTS), "which stories have, and other texts have not"
    assert train("data=shakespeare").snapshots == 0
    assert train("data=shakespeare", "snapshots=3").snapshots == 3


def test_experiments_set_what_they_say_and_single_keys_win():
    race = train("experiment=race_cpu", "seed=3", "optimizer.matrix_lr=0.02")
    assert (race.model.n_layer, race.tokenizer.kind, race.data.name, race.seed) == (1, "bytes", "shakespeare", 3)
    assert race.optimizer.matrix_lr == 0.02
    assert GPT(dataclasses.replace(race.model, vocab_size=257)).n_parameters() < 900_000
    baby = train("experiment=shakespeare")
    assert (baby.model.n_embd, baby.model.dropout, baby.patience) == (384, 0.25, 3)
    laptop = train("experiment=shakespeare_cpu", "max_minutes=15", "max_steps=null")
    assert (laptop.model.n_embd, laptop.optimizer.average, laptop.max_steps) == (256, "last", None)


@pytest.mark.parametrize("group", ["model=small", "optimizer=adamw"])
def test_a_group_that_an_experiment_would_overrule_is_refused(group):
    message = refusal("train", TrainCommand, "experiment=race_cpu", group)
    assert f"{group}: experiment=race_cpu sets {group.partition('=')[0]} itself; leave one out" in message


def test_paths_are_taken_literally():
    assert train("data=files", "data.path=my texts (old), [1]/a=b.txt").data.path == "my texts (old), [1]/a=b.txt"


def test_a_saved_configuration_is_read_back_when_resumed(tmp_path):
    run = tmp_path / "a run"
    run.mkdir()
    original = train("seed=5", "data=files", "data.path=x.txt", "model.n_layer=2", "max_steps=10")
    (run / "config.yaml").write_text(cli.to_yaml(original))
    resumed = train(f"run={run}", "resume=true")
    absolute = dataclasses.replace(original.data, path=str(Path("x.txt").absolute()))
    expected = dataclasses.replace(original, data=absolute, cache=str(Path("cache").absolute()))
    assert dataclasses.replace(resumed, run=None, resume=False) == expected
    longer = train(f"run={run}", "resume=true", "max_minutes=3", "wandb.mode=disabled")
    assert (longer.max_steps, longer.max_minutes, longer.wandb.mode, longer.seed) == (None, 3, "disabled", 5)
    message = refusal("train", TrainCommand, f"run={run}", "resume=true", "model=small")
    assert message.startswith("error: model=small: model.block_size=")


def test_a_run_on_files_keeps_its_separator_and_its_validation_file(tmp_path):
    data = train("data=files", "data.path=x.txt", "data.separator=\n--\n", "data.val_path=my val (1).txt").data
    assert (data.separator, data.val_path, data.val_fraction) == ("\n--\n", "my val (1).txt", None)
    saved = train("data=files", "data.path=x.txt", "data.separator=null", "data.val_path=v.txt")
    (tmp_path / "config.yaml").write_text(cli.to_yaml(saved))
    data = train(f"run={tmp_path}", "resume=true").data
    assert (data.separator, data.val_path) == (None, str(Path("v.txt").absolute()))


def test_a_run_from_before_there_were_separators_reads_its_text_as_before(tmp_path):
    saved = cli.to_yaml(train("data=files", "data.path=x.txt"))
    (tmp_path / "config.yaml").write_text(saved.replace("  separator: <|endoftext|>\n", ""))
    assert train(f"run={tmp_path}", "resume=true").data.separator is None


def test_resuming_nothing_is_refused(tmp_path):
    assert "there is no such run" in refusal("train", TrainCommand, f"run={tmp_path}/x", "resume=true")


def test_bugs_keep_their_traceback():
    def broken(config):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), cli.one_line_errors():
        broken(None)
    with pytest.raises(SystemExit, match="error: wrong"), cli.one_line_errors():
        raise InputError("wrong")


@pytest.mark.parametrize(
    ("error", "where"),
    [(MemoryError(), ""), (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), " on the device")],
)
def test_full_memory_is_one_line(error, where):
    with (
        pytest.raises(SystemExit, match=f"^error: out of memory{where}; close other programs, "),
        cli.one_line_errors(),
    ):
        raise error
