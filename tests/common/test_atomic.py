"""What is written is whole or not there, whenever the process is killed; and what killed processes left goes."""

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest
from filelock import SoftFileLock
from kills import kill_at_every_moment

from common.atomic import bring_back, discard, locked, move, new_folder, replace_durably, replacing, waiting_path
from common.errors import InputError

LONG_AGO = (0, 0)
FILES = ("a", "b")


def left_over(path: Path, when: tuple[int, int] = LONG_AGO) -> Path:
    path.mkdir()
    (path / "half").touch()
    os.utime(path, when)
    return path


def fill(folder: Path, content: str) -> None:
    for name in FILES:
        (folder / name).write_text(content)


def content_of(folder: Path) -> str | None:
    """What ``fill`` wrote, all of it; None where there is no folder."""
    if not folder.exists():
        return None
    assert sorted(path.name for path in folder.iterdir()) == [*FILES]
    (content,) = {(folder / name).read_text() for name in FILES}
    return content


def make(folder: Path, content: str) -> None:
    with new_folder(folder) as building:
        fill(building, content)
        move(building, folder)


def replace(folder: Path, content: str, overwrite: bool = True) -> None:
    with new_folder(folder) as building:
        fill(building, content)
        with replacing(folder, building, "test", overwrite):
            (folder.parent / "started").touch()


def test_content_is_on_the_disk_before_the_move_and_the_name_after(tmp_path, monkeypatch):
    done, fsync, moved = [], os.fsync, os.replace

    def flush(file: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        fsync(file)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("moved"), moved(*paths)))
    replace_durably(tmp_path / "file", b"x")
    assert done.index("file") < done.index("moved") < len(done) - 1
    assert done[-1] == "folder"


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_that_is_replaced_is_the_earlier_or_the_new_one_after_a_kill_at_any_moment(tmp_path, shared):
    path, seen = tmp_path / "file", set()
    path.write_bytes(b"earlier")
    for _ in kill_at_every_moment(lambda: replace_durably(path, b"new" * 9, shared)):
        seen.add(path.read_bytes())
        replace_durably(path, b"earlier")
    assert seen == {b"earlier", b"new" * 9}
    assert shared or [*tmp_path.iterdir()] == [path]


def test_what_killed_processes_left_of_a_shared_file_goes_after_an_hour(tmp_path):
    left, fresh, other = (tmp_path / f".page.html.{end}" for end in ("1", "2", "tmp"))
    for path in (left, fresh, other):
        path.touch()
    for path in (left, other):
        os.utime(path, LONG_AGO)
    replace_durably(tmp_path / "page.html", b"x", shared=True)
    assert set(tmp_path.iterdir()) == {fresh, other, tmp_path / "page.html"}


def test_a_folder_is_whole_or_not_there_after_a_kill_at_any_moment(tmp_path):
    folder, seen = tmp_path / "folder", set()
    for _ in kill_at_every_moment(lambda: make(folder, "new")):
        seen.add(content_of(folder))
        discard(folder, folder)
    assert seen == {None, "new"}


def test_a_replaced_folder_is_the_earlier_or_the_new_one_after_a_kill_at_any_moment(tmp_path):
    folder, seen, waited = tmp_path / "folder", set(), set()
    make(folder, "earlier")
    for _ in kill_at_every_moment(lambda: replace(folder, "new")):
        waited.add((content_of(folder), content_of(waiting_path(folder, "test"))))
        bring_back(folder, "test", lambda _: (tmp_path / "started").exists())
        assert not waiting_path(folder, "test").exists()
        seen.add((content_of(folder), (tmp_path / "started").exists()))
        discard(folder, folder)
        make(folder, "earlier")
        (tmp_path / "started").unlink(missing_ok=True)
    assert seen == {("earlier", False), ("new", True)}
    assert waited >= {("earlier", None), (None, "earlier"), ("new", "earlier"), ("new", None)}


@pytest.mark.parametrize("has_earlier", [False, True])
def test_a_start_that_fails_leaves_all_as_it_was(tmp_path, has_earlier):
    folder = tmp_path / "folder"
    if has_earlier:
        make(folder, "earlier")
    (tmp_path / "started").symlink_to("nowhere/started")  # so that the start fails
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileNotFoundError):
        replace(folder, "new")
    assert sorted(tmp_path.rglob("*")) == before
    assert content_of(folder) == ("earlier" if has_earlier else None)


def test_a_folder_that_another_process_made_meanwhile_stays(tmp_path):
    folder = tmp_path / "folder"
    make(folder, "other")
    with pytest.raises(OSError, match="not empty"):
        replace(folder, "new", overwrite=False)
    assert content_of(folder) == "other"
    assert [*tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("name", ["a", "a[1]", "a*"])
def test_what_killed_processes_left_goes_and_nothing_else(tmp_path, name):
    left = left_over(tmp_path / f".{name}.unfinished-abcd_123")
    others = [
        left_over(tmp_path / f".{other}")
        for other in (f"{name}.replaced-run", f"{name}.unfinished-backup", "ab.unfinished-abcd_123")
    ]
    with new_folder(tmp_path / name) as fresh, new_folder(tmp_path / name) as building:
        assert not left.exists()
        assert set(tmp_path.iterdir()) == {*others, fresh, building}, "the fresh one may still be at work"
        assert [*building.iterdir()] == []


@pytest.mark.skipif(os.name != "posix", reason="where there is no umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_folder_lets_in_whom_the_umask_lets_in(tmp_path, mask):
    before = os.umask(mask)
    try:
        with new_folder(tmp_path / "a") as building:
            assert building.stat().st_mode & 0o777 == 0o777 & ~mask
    finally:
        assert os.umask(before) == mask, "which stays as it is"


def test_who_writes_alone_deletes_all_that_killed_processes_left(tmp_path):
    kept = left_over(tmp_path / "step_2")
    for name in ("step_1", "step_2"):
        (tmp_path / f".{name}.unfinished-abcd_123").mkdir()
    with new_folder(tmp_path / "step_3", alone=True) as building:
        assert set(tmp_path.iterdir()) == {kept, building}


def test_a_process_that_slept_too_long_fails_and_leaves_nothing_half(tmp_path, monkeypatch):
    sleeper, folder = left_over(tmp_path / ".a.unfinished-abcd_123"), tmp_path / "a"
    unlink, tried = os.unlink, []

    def wakes_up(*arguments: object, **options: object) -> None:
        with pytest.raises(FileNotFoundError):
            move(sleeper, folder)
        tried.append(arguments)
        unlink(*arguments, **options)

    monkeypatch.setattr(os, "unlink", wakes_up)
    with new_folder(folder):
        assert tried
        assert not sleeper.exists()
        assert not folder.exists()


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_what_cannot_be_cleared_up_is_no_reason_to_stop(tmp_path, monkeypatch, error):
    """Another process was quicker, or another user owns it."""
    left = left_over(tmp_path / ".a.unfinished-abcd_123")

    def rename(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "rename", rename)
    with new_folder(tmp_path / "a") as building:
        assert set(tmp_path.iterdir()) == {building, left}


def test_clearing_up_that_is_killed_at_any_moment_is_finished_later(tmp_path):
    def clear_up() -> None:
        with new_folder(tmp_path / "a"):
            pass

    left = left_over(tmp_path / ".a.unfinished-abcd_123")
    for _ in kill_at_every_moment(clear_up):
        for path in tmp_path.iterdir():
            os.utime(path, LONG_AGO)
        clear_up()
        assert [*tmp_path.iterdir()] == []
        left_over(left)


def test_a_folder_of_a_containers_image_which_cannot_be_renamed_is_deleted(tmp_path, monkeypatch):
    """The overlay file system has no rename for folders of a lower layer."""
    folder = left_over(tmp_path / "folder")

    def rename(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(Path, "rename", rename)
    discard(folder, folder)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing_of_what_is_discarded(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    rmtree, interruptions = shutil.rmtree, iter([KeyboardInterrupt])

    def interrupted(*arguments: object, **settings: object) -> None:
        for interruption in interruptions:
            raise interruption
        rmtree(*arguments, **settings)

    monkeypatch.setattr("shutil.rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        discard(tmp_path / "folder", tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_with_what_to_do(tmp_path, monkeypatch, number):
    def acquire(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("common.atomic.FileLock.acquire", acquire)
    lock = locked(tmp_path / ".a.lock", None)
    with pytest.raises(InputError) as caught:
        lock.__enter__()
    remedy = "use a folder on another file system"
    assert str(caught.value) == f"{tmp_path}/.a.lock cannot be locked ({os.strerror(number)}); {remedy}"


def test_who_waits_where_a_file_stands_for_a_lock_is_told_to_delete_what_a_killed_process_left(
    tmp_path, monkeypatch, capsys
):
    path = tmp_path / ".a.lock"
    path.write_text("1\nelsewhere\n")
    monkeypatch.setattr("common.atomic.FileLock", SoftFileLock)
    with locked(path, path.unlink):
        pass
    assert capsys.readouterr().err == f"note   if that process was killed, delete {path}\n"
    assert list(tmp_path.iterdir()) == []
