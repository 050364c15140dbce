"""Paths: the home folder, what is no name, bytes that are no text, and the same meaning from anywhere."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from test_commands import command, refusal, train

import cli
from cli.paths import absolute
from cli.schema import ExportCommand, ProbeCommand, SampleCommand, TrainCommand
from data import Files
from data.text.finding import find_files


def test_the_home_folder_is_expanded_in_every_path_and_in_no_other_text(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    begun = train("run=~/r", "cache=~/c", "data=files", "data.path=~", "data.field=~/f", "wandb.project=~")
    assert (begun.run, begun.cache, begun.data.path) == ("/home/ann/r", "/home/ann/c", "/home/ann/")
    assert (begun.data.field, begun.wandb.project) == ("~/f", "~")
    probed = command("probe", ProbeCommand, "run=~/r", "cases=~/c")
    assert (probed.run, probed.cases) == ("/home/ann/r", "/home/ann/c")
    assert command("probe", ProbeCommand, "run=r", "text=~/t").text == "~/t"
    assert command("probe", ProbeCommand, "run=r", "pairs=~/p").pairs == "/home/ann/p"
    assert command("export", ExportCommand, "run=r", "to=~/t").to == "/home/ann/t"
    assert train("init_from=hf:~/m").init_from == "hf:/home/ann/m"
    assert train("run=a/~").run == "a/~"
    assert "~nobody-here has no home folder" in refusal("train", TrainCommand, "run=~nobody-here/x")


@pytest.mark.parametrize("key", ["run", "init_from", "cache"])
def test_an_empty_path_is_refused(key):
    assert f"{key}= is empty; give {key}=PATH" in refusal("train", TrainCommand, f"{key}=")


def test_null_is_no_name():
    assert train("run=null", "init_from=null").run is None
    assert train("run=./null").run == "./null"
    assert command("probe", ProbeCommand, "run=r", "cases=null", "pairs=null").cases is None
    assert "run is missing; give run=..." in refusal("sample", SampleCommand, "run=null")
    assert "resume=true: say which run" in refusal("train", TrainCommand, "run=null", "resume=true")


@pytest.mark.parametrize(
    "name", ["a${b}", "a${b", "b\udcff", "ÿ日本", "a: #b", "1e3", "null/x", "~x/..", "x" * 150 + " y"]
)
def test_any_name_is_the_same_in_the_command_in_the_configuration_and_on_resuming(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    name = f"./{name}" if name[0] == "~" else name
    begun = train("data=files", f"data.path={name}")
    assert begun.data.path == name
    Path("run").mkdir()
    Path("run/config.yaml").write_bytes(cli.to_yaml(begun).encode())
    monkeypatch.chdir("/")
    again = train(f"run={tmp_path}/run", "resume=true")
    assert os.path.normpath(again.data.path) == os.path.normpath(f"{tmp_path}/{name}")
    assert replace(again, run=None, resume=False, data=begun.data, cache="cache") == begun


def test_a_relative_glob_and_dots_after_a_link_mean_the_same_from_elsewhere(tmp_path, monkeypatch):
    here = tmp_path / "texts [1]"
    for folder in (here, tmp_path / "far" / "there"):
        folder.mkdir(parents=True)
    (here / "a.txt").touch()
    (tmp_path / "far" / "b.txt").touch()
    (here / "link").symlink_to(tmp_path / "far" / "there")
    monkeypatch.chdir(here)
    for path in ("*.txt", "a.txt", "link/../b.txt", "link/../*.txt"):
        found = [file.resolve() for file in find_files(path).files]
        stored = yaml.safe_load(cli.to_yaml(replace(train(), data=Files(path))))["data"]["path"]
        monkeypatch.chdir("/")
        assert [file.resolve() for file in find_files(stored).files] == found, path
        monkeypatch.chdir(here)


def test_a_name_on_the_hub_stays_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("hf:gpt2") == "hf:gpt2"
    Path("gpt2").mkdir()
    assert absolute("hf:gpt2") == f"hf:{tmp_path}/gpt2"


def test_a_line_break_in_a_name_leaves_an_error_one_line():
    assert "no↵where" in refusal("train", TrainCommand, "run=no\nwhere", "resume=true")
