"""A run that replaces another one: the earlier one is there until the new one has started, whenever that is killed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import SoftFileLock
from kills import kill_at_every_moment

from common.atomic import waiting_path
from common.errors import InputError
from data.text.tokenizers import byte_tokenizer
from storage import run
from storage.not_a_run import require_run

TOKENIZER = byte_tokenizer()
MOVES = {"rename", "rmdir", "mkdir"}


def begin(folder: Path, name: str, overwrite: bool = True) -> None:
    """Starts a run whose configuration is this name, and with its work makes a file beside it."""
    with run.begin(folder, overwrite, f"name: {name}", TOKENIZER):
        (folder.parent / "started").touch()


def begin_with_checkpoint(folder: Path, name: str) -> None:
    begin(folder, name)
    (folder / "checkpoints" / "step_000004").mkdir()


def test_a_new_run_killed_at_any_moment_of_its_start_leaves_the_earlier_one_or_is_whole(tmp_path):
    folder, seen = tmp_path / "run", set()
    begin_with_checkpoint(folder, "earlier")
    for _ in kill_at_every_moment(lambda: begin(folder, "new"), MOVES):
        with pytest.raises(InputError, match="exists; resume="):
            run.check_free(folder, overwrite=False)
        seen.add(run.read_config(folder)["name"])
        assert not waiting_path(folder, run.KIND).exists()
        shutil.rmtree(folder)
        begin_with_checkpoint(folder, "earlier")
    assert seen == {"earlier", "new"}


def test_of_two_starts_at_the_same_time_the_later_one_fails_and_leaves_the_other(tmp_path, monkeypatch):
    begin(tmp_path / "run", "first")
    monkeypatch.setattr(run, "check_free", lambda *_: None)  # as if it had looked before the first one began
    with pytest.raises(OSError, match="not empty"):
        begin(tmp_path / "run", "second", overwrite=False)
    assert run.read_config(tmp_path / "run")["name"] == "first"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "started"}


def hold(folder: Path, meanwhile: Callable[[], None]) -> None:
    with run.held(folder):
        meanwhile()


def test_a_folder_is_held_by_one_alone_and_folders_made_for_it_are_gone_if_that_fails(tmp_path):
    folder = tmp_path / "runs" / "one"
    with pytest.raises(InputError, match="is being trained by another process"):
        hold(folder, lambda: hold(folder, lambda: None))
    assert not any(tmp_path.iterdir())


def test_a_run_that_a_killed_process_holds_where_a_file_stands_for_a_lock_is_named_with_that_file(
    tmp_path, monkeypatch
):
    (tmp_path / ".run.lock").write_text("1\nelsewhere\n")
    monkeypatch.setattr("common.atomic.FileLock", SoftFileLock)
    with pytest.raises(InputError, match=r"give another name; if that process was killed, delete .*/\.run\.lock$"):
        hold(tmp_path / "run", lambda: None)


@pytest.mark.parametrize("above", ["cannot be written", "is the container's own"])
def test_a_mounted_folder_is_held_by_a_lock_inside(tmp_path, monkeypatch, above):
    if above == "cannot be written":
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    else:
        monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path / "mounted")
    folder = tmp_path / "mounted"
    folder.mkdir()
    with pytest.raises(InputError, match=r"is being trained by another process, which holds .*/mounted/\.lock;"):
        hold(folder, lambda: hold(folder, lambda: None))
    assert [path.name for path in tmp_path.iterdir()] == ["mounted"]


def test_a_mounted_folder_is_no_run_and_may_hold_runs(tmp_path, monkeypatch):
    folder = tmp_path / "mounted"
    folder.mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == folder)
    with pytest.raises(InputError, match=r"mounted: is a mounted folder; give run=.*/mounted/NAME$"):
        hold(folder, lambda: run.check_free(folder, overwrite=False))
    with run.held(folder / "one"):
        begin(folder / "one", "one", overwrite=False)
    assert run.is_run(folder / "one")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:gpt2", "hf:gpt2: is no run; train.py init_from=hf:gpt2 run=NAME max_steps=0 makes a run of it"),
        ("nanogpt:out/a b.pt", "is no run; train.py 'init_from=nanogpt:out/a b.pt' run=NAME max_steps=0 makes a run"),
        ("theirs", "theirs: is a model of transformers; train.py init_from=hf:theirs run=NAME max_steps=0 makes"),
        ("out", "if it is nanoGPT's, train.py init_from=nanogpt:out/ckpt.pt run=NAME max_steps=0 makes a run of it"),
        ("runs", "run=runs: is no run; runs has one"),
        ("runs/one/checkpoints/step_000004", "is a part of a run; write run=runs/one"),
        ("runs/two", "run=runs/two: there is no such run; runs has one"),
        ("gpt2", "run=gpt2: there is no such run"),
    ],
)
def test_what_is_no_run_is_named_with_what_makes_one_of_it(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    begin_with_checkpoint(Path("runs/one"), "one")
    for file in ("theirs/config.json", "out/ckpt.pt"):
        Path(file).parent.mkdir()
        Path(file).touch()
    with pytest.raises(InputError) as caught:
        require_run(Path(name))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"run={name}: ")
