"""``--help`` explains every key, from the comments of the YAML files, on a terminal of 80 columns."""

import dataclasses
import re
import typing

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

import cli
from cli.composing import FOLDER, nested_keys
from cli.help import command, group_keys, help_text, members_of, parse
from cli.schema import ExportCommand, ProbeCommand, SampleCommand, TrainCommand

COMMANDS = {"train": TrainCommand, "sample": SampleCommand, "probe": ProbeCommand, "export": ExportCommand}
GROUPS = [group.name for group in command("train")[2]]
FILES = [*(FOLDER / f"{name}.yaml" for name in COMMANDS), *FOLDER.glob("*/*.yaml")]


def launched(monkeypatch, capsys, *arguments: str) -> tuple[object, str]:
    """What ends ``train.py`` with these arguments, and what it prints."""
    GlobalHydra.instance().clear()
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    status = None
    try:
        cli.launch(lambda command: pytest.fail("it ran"), "train", TrainCommand)
    except SystemExit as end:
        status = end.code
    return status, capsys.readouterr().out


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_and_every_key_says_what_it_is(path):
    about, keys = parse(path)
    assert about
    if "@package _global_" in path.read_text():  # an experiment, whose keys are those of the groups
        return
    content = yaml.safe_load(path.read_text())
    content.pop("defaults", None)
    own = [key for key in keys if not key.name.startswith("defaults.")]
    whole = [name for name in nested_keys(content) if not isinstance(content.get(name), dict) or not content[name]]
    assert [key.name for key in own] == whole
    assert [key.name for key in keys if not key.about] == []
    for key in own:
        top, _, rest = key.name.partition(".")
        assert yaml.safe_load(key.default) == (content[top][rest] if rest else content[top])


@pytest.mark.parametrize("group", command("train")[2], ids=lambda group: group.name)
def test_the_members_of_a_group_say_the_same_of_a_key(group):
    said = {(key.name, key.about) for path in members_of(group) for key in parse(path)[1]}
    assert len(said) == len({name for name, _ in said})


def choices_of(schema: type, prefix: str = "") -> typing.Iterator[tuple[str, tuple]]:
    """Each key of a dataclass, or of those in it, that takes only some values, and these."""
    for name, kind in typing.get_type_hints(schema).items():
        for part in (kind, *typing.get_args(kind)):
            if typing.get_origin(part) is typing.Literal:
                yield prefix + name, typing.get_args(part)
            elif dataclasses.is_dataclass(part):
                yield from choices_of(part, f"{prefix}{name}.")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_choices_of_a_key_are_listed(name):
    _, keys, groups = command(name)
    about = {key.name: key.about for key in (*keys, *(key for group in groups for key in group_keys(group)))}
    members = {f"{group.name}.{key}": group for group in groups for key in ("name", "kind")}
    for key, choices in choices_of(COMMANDS[name]):
        words = set(re.findall(r"\w+", about[key]))
        if key in members:
            words |= {path.stem for path in members_of(members[key])}
        assert set(choices) <= words, key


@pytest.mark.parametrize("name", COMMANDS)
def test_every_key_of_a_command_is_explained(name):
    _, keys, groups = command(name)
    explained = {key.name for key in (*keys, *(key for group in groups for key in group_keys(group)))}
    for field in dataclasses.fields(COMMANDS[name]):
        if field.name in ("found_nothing", "init_changes", "weights_alone"):
            continue  # are no keys, but what others mean
        assert any(f"{key}.".startswith(f"{field.name}.") for key in explained), field.name


@pytest.mark.parametrize(("name", "topics"), [*((name, []) for name in COMMANDS), *(("train", [g]) for g in GROUPS)])
def test_a_screen_of_help_fits_into_80_columns_and_a_window(name, topics):
    lines = help_text(name, topics).splitlines()
    assert max(map(len, lines)) < 80
    assert len(lines) <= (80 if topics == ["data"] else 60)  # there are many corpora


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_asked_for_with_or_without_a_topic(monkeypatch, capsys, flag):
    status, out = launched(monkeypatch, capsys, flag)
    assert status is None
    assert "--help GROUP" in out
    assert "  resume=false             true: continue where it stopped; auto: the same, or\n" in out
    assert "  model=tiny               size and architecture: tiny, base, gpt2, small\n" in out
    assert launched(monkeypatch, capsys, flag, "model")[1].startswith("model: size and architecture\n")
    assert launched(monkeypatch, capsys, "model=small", flag)[1].startswith("model: size and architecture\n")
    assert "  data.document_mask=false\n" in launched(monkeypatch, capsys, flag, "data")[1]
    one = "  model.norm=rmsnorm       rmsnorm, layernorm or none (gpt2: layernorm)\n"
    assert [launched(monkeypatch, capsys, flag, topic)[1] for topic in ("model.norm", "norm")] == [one, one]


def test_help_on_what_there_is_not_names_what_was_meant(monkeypatch, capsys):
    assert launched(monkeypatch, capsys, "--help", "modle") == (
        "error: --help modle: there is no such key or group; did you mean model?",
        "",
    )
    assert "did you mean model.n_head?" in launched(monkeypatch, capsys, "--help", "nhead")[0]
    assert "--help alone shows all" in launched(monkeypatch, capsys, "--help", "zzz")[0]


def test_options_of_hydra_itself_keep_working(monkeypatch, capsys):
    assert "\n  n_layer: 3\n" in launched(monkeypatch, capsys, "--cfg", "job", "model.n_layer=3")[1]
    assert "Defaults Tree" in launched(monkeypatch, capsys, "--info", "defaults-tree")[1]


@pytest.mark.parametrize("option", [("--cfg", "job"), ("-c", "job"), ("--cfg=job",)], ids=" ".join)
def test_settings_are_shown_as_they_were_typed(monkeypatch, capsys, option):
    out = launched(monkeypatch, capsys, *option, "run=it's, 1", "data=files", "data.path=my texts")[1]
    assert yaml.safe_load(out)["run"] == "it's, 1"
    assert yaml.safe_load(out)["data"]["path"] == "my texts"


@pytest.mark.parametrize(
    ("setting", "message"), [("seed=${nope}", "seed: Interpolation key 'nope' not found"), ("sed=3", "no such key")]
)
def test_settings_that_are_wrong_are_not_shown(monkeypatch, capsys, setting, message):
    status, out = launched(monkeypatch, capsys, "--cfg", "job", setting)
    assert message in status
    assert out == ""
