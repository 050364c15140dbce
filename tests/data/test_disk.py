"""Folders that are filled before they appear, and what killed processes leave of them."""

import os
from pathlib import Path

import pytest

from data import disk
from data.disk import discard, place_beside

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
    unlink = os.unlink

    def wakes_up(*arguments: object, **options: object) -> None:
        with pytest.raises(FileNotFoundError):
            sleeper.rename(folder)
        unlink(*arguments, **options)

    monkeypatch.setattr(os, "unlink", wakes_up)
    place_beside(folder, "exporting")
    assert not sleeper.exists()
    assert not folder.exists()


def test_two_may_clear_up_at_once(tmp_path, monkeypatch):
    left = left_behind(tmp_path / ".a.exporting-abcd_123")
    monkeypatch.setattr(disk, "discard", lambda folder: (discard(folder), left.stat()))
    place_beside(tmp_path / "a", "exporting")
    assert not left.exists()
