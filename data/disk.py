"""Files that must survive a crash, proof that they did, and one process at a time."""

import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock
from filelock import Timeout as Held

ABANDONED_SECONDS = 3600  # filling a folder takes no more


def write_durably(path: Path, data: bytes) -> None:
    """Writes a file and returns only once it is on the disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, data: bytes) -> None:
    """Writes a file that is there already: at any moment it is the earlier one or this one, and whole."""
    beside = path.with_name(f"{path.name}.tmp")
    write_durably(beside, data)
    beside.replace(path)


def read_json(path: Path) -> dict:
    """The object in a small file of our own; empty where there is none, or no whole one."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place_beside(folder: Path, word: str) -> Path:
    """A new folder to fill before it becomes ``folder``. Removes those of which a killed process has left a part."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    start = f".{folder.name}.{word}-"
    for left in folder.parent.glob(f"{glob.escape(start)}*"):
        with suppress(FileNotFoundError):  # another process may remove it, too
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=start, dir=folder.parent))
    place.chmod(0o755)
    return place


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
