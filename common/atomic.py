"""Files and folders that are whole or not there, whenever a process is killed or a disk is full; and locks.

What is being written stands beside its final path, under a hidden name, and is moved to it in one step. What killed
processes left of such work is deleted when the same file or folder is written again.
"""

import errno
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, SoftFileLock
from filelock import Timeout as Held

from common.errors import InputError
from common.output import print_note

ABANDONED_SECONDS = 3600
TRIED_BYTES = 1 << 14


def flush(file: IO) -> None:
    """Puts on the disk what was written to an open file."""
    file.flush()
    os.fsync(file.fileno())


def write_durably(path: Path, data: bytes) -> None:
    """Writes a file and returns only once it is on the disk; an OSError names the file."""
    try:
        with open(path, "wb") as file:
            file.write(data)
            flush(file)
    except OSError as error:
        error.filename = str(path)  # a full disk does not say where
        raise


def replace_durably(path: Path, data: bytes, shared: bool = False) -> None:
    """Writes a file in one step: at any moment it is the earlier one, if any, or this one, and whole.

    ``shared``: other processes may be writing the same file; what they left an hour ago or more is deleted, since they
    were killed.
    """
    beside = path.with_name(f".{path.name}.{os.getpid() if shared else 'tmp'}")
    try:
        write_durably(beside, data)
        if shared:
            delete_abandoned(beside, rf"\.{re.escape(path.name)}\.[0-9]+", ABANDONED_SECONDS, Path.unlink)
        move(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def delete_abandoned(own: Path, names: str, seconds: float, delete: Callable[[Path], object]) -> None:
    """Deletes what other processes have left beside ``own`` under such ``names``, at least ``seconds`` before it."""
    for left in own.parent.iterdir():
        if re.fullmatch(names, left.name) and left != own:
            with suppress(OSError):  # another process was quicker, or another user owns it: no reason not to go on
                if own.stat().st_mtime - left.stat().st_mtime >= seconds:  # by one clock
                    delete(left)


def move(whole: Path, path: Path) -> None:
    """Moves a finished file or folder to ``path`` in one step, which a power cut afterwards does not undo.

    A file replaces an earlier one; raises OSError where a folder would.
    """
    flush_names(whole)
    whole.replace(path)
    flush_names(path.parent)


def flush_names(path: Path) -> None:
    """Puts a folder's list of names, or a file, on the disk; a no-op where folders cannot be opened or flushed."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:  # some network and shared folders have no list of names to put anywhere
            if not path.is_dir() or error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
                error.filename = str(path)
                raise
        finally:
            os.close(descriptor)


@contextmanager
def new_folder(folder: Path, alone: bool = False) -> Iterator[Path]:
    """A folder beside ``folder``, open to whom the umask lets in, to fill and then to ``move`` there; it is deleted if
    it was not.

    Deletes first what killed processes left for the same ``folder``, if no file was begun in it for an hour; of a
    process that only slept so long, the ``move`` fails. ``alone``: ``folder`` is part of something in which no other
    process writes, so that all that was left there goes immediately, and ``folder.parent`` alone is made where it is
    missing: what it belongs to may have been moved.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=not alone, exist_ok=True)
    building = hidden_folder(folder)
    name, seconds = (".+", 0) if alone else (re.escape(folder.name), ABANDONED_SECONDS)
    names = rf"\.{name}\.unfinished-[a-z0-9_]{{8}}"
    try:
        building.chmod(0o777 & ~umask())
        delete_abandoned(building, names, seconds, lambda left: discard(left, folder))
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)


def umask() -> int:
    """The permissions that new files and folders do not get."""
    before = os.umask(0o077)  # can only be read by setting it
    os.umask(before)
    return before


def hidden_folder(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}.unfinished-", dir=folder.parent))


def discard(path: Path, folder: Path) -> None:
    """Deletes ``path``, which is ``folder`` or stands beside it for it: under another name first, so that no half of
    it is ever taken for a whole. What a container's image brought along cannot be renamed, and goes where it is.
    """
    if path.exists():
        aside = hidden_folder(folder)
        try:
            try:
                path.rename(aside / "discarded")
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.rmtree(path)
            shutil.rmtree(aside, ignore_errors=True)
        finally:
            shutil.rmtree(aside, ignore_errors=True)  # what an interruption has left of it


@contextmanager
def replacing(folder: Path, building: Path, kind: str, overwrite: bool) -> Iterator[None]:
    """Moves ``building`` to ``folder`` for the work inside, which starts to use it; an earlier folder is deleted after.

    If the move or the work fails, all is as it was before. If the process is killed, ``bring_back`` makes it so.
    Without ``overwrite`` only an empty folder is replaced: raises OSError where another process was quicker.
    """
    earlier, folder = waiting_path(folder, kind), folder.resolve()
    try:
        if folder.exists() and (overwrite or is_free(folder)):
            folder.rename(earlier)
        move(building, folder)
        yield
    except BaseException:
        if not building.exists():
            discard(folder, folder)
        if earlier.exists() and not folder.exists():
            earlier.rename(folder)
        raise
    discard(earlier, folder)


def replace_folder(folder: Path, building: Path, kind: str, overwrite: bool) -> None:
    """``replacing``, where what is moved is whole and nothing has to start."""
    with replacing(folder, building, kind, overwrite):
        pass


def waiting_path(folder: Path, kind: str) -> Path:
    """Where an earlier ``folder`` is until the one that replaces it has started. Each ``kind`` has a path of its own,
    so that an export does not touch a run that waits, nor a run an export.
    """
    folder = folder.resolve()
    return folder.parent / f".{folder.name}.replaced-{kind}"


def bring_back(folder: Path, kind: str, has_started: Callable[[Path], bool] = Path.exists) -> None:
    """Undoes a replacement that was killed: the earlier folder is back, unless the new one ``has_started``."""
    earlier, folder = waiting_path(folder, kind), folder.resolve()
    if not earlier.exists():
        return
    if has_started(folder):
        discard(earlier, folder)
    else:
        discard(folder, folder)
        earlier.rename(folder)


def is_free(folder: Path) -> bool:
    """Whether nothing, or an empty folder, is at this path."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def require_outside(folder: Path, key: str, example: str) -> None:
    """Raises InputError where this process was started in ``folder``, the value of ``key``, or inside of it."""
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InputError(f"{key}={folder}: holds the folder that this was started in; give a name, as in {example}")


def require_writable(folder: Path, key: str | None = None) -> None:
    """Raises InputError where nothing can be written into ``folder``, or into what is there of the folders above it.

    To be asked before long work; leaves nothing. ``key``: the setting that chose the folder.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(TRIED_BYTES))
            file.flush()
    except OSError as error:
        other = f"give another {key}=..." if key else "use another folder"
        raise InputError(f"{there} cannot be written ({error.strerror}); make room there, or {other}") from None


@contextmanager
def parents_made(folder: Path) -> Iterator[None]:
    """Folders above ``folder`` that the work inside makes are gone again if it fails, unless something is in them."""
    missing = [parent for parent in folder.absolute().parents if not parent.exists()]
    try:
        yield
    except BaseException:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


def read_json(path: Path) -> dict:
    """The object in a small file of our own; empty where there is none, or no whole one."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def json_text(value: object, indent: int | None = None) -> str:
    """``value`` as JSON that every reader takes: NaN and infinities, which JSON has no word for, become null."""
    return json.dumps(without_infinities(value), indent=indent, allow_nan=False)


def without_infinities(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_infinities(item) for key, item in value.items()}
    return [*map(without_infinities, value)] if isinstance(value, (list, tuple)) else value


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lock_of(path: Path) -> Path:
    """The lock of a file or folder: beside it, so that it can be replaced under its lock."""
    return path.parent / f".{path.name}.lock"  # with_name refuses "/"


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None) -> Iterator[None]:
    """Holds the lock of which ``path`` is the name. Where another process has it, calls ``waiting`` and waits, or
    raises Held if there is nothing to call. The lock ends with the process that holds it, however that ends.

    Not so where the file itself has to stand for a lock, as the file system has none: Held and a note say what to do.
    Raises InputError where there can be no lock at all.
    """
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Held as error:
        if isinstance(lock, SoftFileLock):
            error.add_note(f"if that process was killed, delete {path}")
        if waiting is None:
            raise
        waiting()
        for remedy in getattr(error, "__notes__", ()):
            print_note(remedy)
        lock.acquire()
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        raise InputError(f"{path} cannot be locked ({error.strerror}); use a folder on another file system") from None
    try:
        yield
    finally:
        if os.name != "nt":  # where the release does it
            path.unlink(missing_ok=True)  # a waiting process notices, and creates a new one
        lock.release()
