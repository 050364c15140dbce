"""Files and folders that must survive a crash, proof that they did, and one process at a time."""

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

from filelock import FileLock
from filelock import Timeout as Held

from common.errors import InputError

ABANDONED_SECONDS = 3600
TRIED_BYTES = 1 << 14
DISCARDING = "discarding"


def write_durably(path: Path, data: bytes) -> None:
    """Writes a file and returns only once it is on the disk; an OSError names the file."""
    try:
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = str(path)  # a full disk does not say where
        raise


def replace_durably(path: Path, data: bytes) -> None:
    """Writes a file in one step: at any moment it is the earlier one, if any, or this one, and whole."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        write_durably(beside, data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


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


def is_utf8(path: Path) -> bool:
    """Whether a path's name is text; on Linux it may be any bytes."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        return False
    return True


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


def place_beside(folder: Path, word: str) -> Path:
    """A new folder to fill before it becomes ``folder``, readable by all.

    Removes those for the same ``folder``, and what ``discard`` was killed over, in which no file was begun for an hour:
    their processes are gone. One that only slept finds its own gone, and fails.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.{word}-", dir=folder.parent))
    place.chmod(0o755)
    # As mkdtemp names them, and nothing else.
    left_behind = re.compile(rf"\.{re.escape(folder.name)}\.({word}|{DISCARDING})-[a-z0-9_]{{8}}")
    for left in folder.parent.iterdir():
        if match := left_behind.fullmatch(left.name):
            with suppress(OSError):  # another process was quicker, or another user owns it: no reason not to go on
                if place.stat().st_mtime - left.stat().st_mtime > ABANDONED_SECONDS:  # by one clock
                    shutil.rmtree(left) if match[1] == DISCARDING else discard(left, folder)
    return place


def discard(path: Path, folder: Path) -> None:
    """Deletes ``path``, which is ``folder`` or stands beside it for it: under another name first, so that no half of
    it is ever taken for a whole.
    """
    if path.exists():
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.{DISCARDING}-", dir=folder.parent))
        try:
            path.rename(aside / "discarded")
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None) -> Iterator[None]:
    """Holds the lock of which ``path`` is the name. Where another process has it, calls ``waiting`` and waits, or
    raises Held if there is nothing to call. The lock ends with the process that holds it, however that ends.
    """
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Held:
        if waiting is None:
            raise
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # who waits for it sees that it is gone, and makes it anew
        lock.release()
