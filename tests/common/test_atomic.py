"""Folders that are filled before they appear, and what killed processes leave of them."""

import os
from pathlib import Path

import pytest

from common.atomic import place_beside

LONG_AGO = (0, 0)


def left_behind(path: Path, when: tuple[int, int] = LONG_AGO) -> Path:
    path.mkdir()
    (path / "half").touch()
    os.utime(path, when)
    return path


@pytest.mark.parametrize("name", ["a", "a[1]", "a*"])
def test_what_killed_processes_left_goes_and_nothing_else(tmp_path, name):
    left = left_behind(tmp_path / f".{name}.starting-abcd_123")
    others = [
        left_behind(tmp_path / f".{other}")
        for other in (
            f"{name}.starting-1.replaced",  # where an earlier run of that name waits
            f"{name}.starting-backup",
            f"{name}.exporting-abcd_123",
            "ab.starting-abcd_123",
        )
    ]
    fresh = place_beside(tmp_path / name, "starting")
    place = place_beside(tmp_path / name, "starting")
    assert not left.exists()
    assert set(tmp_path.iterdir()) == {*others, fresh, place}, "the fresh one may still be at work"
    assert [*place.iterdir()] == []
    assert place.stat().st_mode & 0o777 == 0o755


def test_a_process_that_slept_too_long_fails_and_leaves_nothing_half(tmp_path, monkeypatch):
    sleeper, folder = left_behind(tmp_path / ".a.exporting-abcd_123"), tmp_path / "a"
    unlink, tried = os.unlink, []

    def wakes_up(*arguments: object, **options: object) -> None:
        with pytest.raises(FileNotFoundError):
            sleeper.rename(folder)
        tried.append(arguments)
        unlink(*arguments, **options)

    monkeypatch.setattr(os, "unlink", wakes_up)
    place_beside(folder, "exporting")
    assert tried
    assert not sleeper.exists()
    assert not folder.exists()


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_what_cannot_be_cleared_up_is_no_reason_to_stop(tmp_path, monkeypatch, error):
    """Another process was quicker, or another user owns it."""
    left_behind(tmp_path / ".a.exporting-abcd_123")

    def rename(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "rename", rename)
    place = place_beside(tmp_path / "a", "exporting")
    assert {path.name for path in tmp_path.iterdir()} == {place.name, ".a.exporting-abcd_123"}


def test_clearing_up_that_was_killed_is_gone_on_with(tmp_path, monkeypatch):
    left_behind(tmp_path / ".a.exporting-abcd_123")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            place_beside(tmp_path / "a", "exporting")
    for path in tmp_path.iterdir():
        os.utime(path, LONG_AGO)
    place = place_beside(tmp_path / "a", "exporting")
    assert [*tmp_path.iterdir()] == [place]
