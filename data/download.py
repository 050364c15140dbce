"""Files from the network: fetched once, checked against what they should be, and not read again while unchanged.

The sha256 is the one that the caller knows, else the one that the server declares, else the one that the file had when
it came; ``NAME.sha256`` remembers it.
"""

import json
import os
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from data.disk import file_sha256, locked, read_json, replace_durably
from data.errors import InputError
from data.transfer import Progress, Transfer, megabytes, part_of, require_room, size_of

HUGGING_FACE = "https://huggingface.co"
REMEMBERED = 16 << 20  # bytes; smaller files are hashed at every start, which takes no time


@dataclass(frozen=True)
class Remote:
    """A file somewhere: its address, where it is kept below the folder of downloads, and what is known of it."""

    url: str
    place: str
    size: int | None = None
    sha256: str | None = None


def silent(*_: object) -> None:
    """A Progress that nobody watches."""


def fetch_all(name: str, remotes: Sequence[Remote], folder: Path, progress: Progress = silent) -> list[Path]:
    """Makes sure that ``folder`` holds these files; says first how large those are that are missing."""
    missing = [remote for remote in remotes if not (folder / remote.place).exists()]
    total, before, paths = None, 0, []
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        total = total_size(missing)
        parts = [part_of(folder / remote.place) for remote in missing]
        here = sum(part.stat().st_size for part in parts if part.is_file())
        how_many = f"{len(missing)} file{'s' if len(missing) > 1 else ''}"
        goes_on = f", of which {megabytes(here)} are there" if here else ""
        size = "unknown size" if total is None else megabytes(total)
        progress(f"downloading {name}: {size} in {how_many} to {folder}{goes_on}", 0, total)
        require_room(folder, (total or 0) - here, name)
    for remote in remotes:

        def of_all(text: str, done: int, _: int | None, before: int = before) -> None:
            progress(f"downloading {name}" if done else text, before + done if done else 0, total)

        path = fetch(mirrored(remote.url), remote.sha256, folder / remote.place, remote.size, of_all)
        before += path.stat().st_size if remote in missing else 0
        paths.append(path)
    return paths


def total_size(remotes: Sequence[Remote]) -> int | None:
    """The bytes of all these files; None as soon as one server does not say."""
    total = 0
    for remote in remotes:
        size = remote.size or size_of(mirrored(remote.url))
        if size is None:
            return None
        total += size
    return total


def fetch(url: str, sha256: str | None, path: Path, size: int | None = None, progress: Progress = silent) -> Path:
    """Makes sure that ``path`` holds the file with this sha256 (None: with the one it had when it came).

    Downloads it where it is missing. ``size`` in bytes, where it is known beforehand.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        say = f"waiting for another process that downloads {path.name}"
        with locked(path.with_name(f"{path.name}.lock"), lambda: progress(say, 0, None)):
            if not path.exists():
                remember(path, Transfer(url, sha256, path, size, progress).run(), pinned=bool(sha256))
    check(url, sha256, path)
    return path


def check(url: str, sha256: str | None, path: Path) -> str:
    """The sha256 of a file that was fetched; raises InputError where it is not the expected one.

    A file whose size and time are what they were is not read again.
    """
    known, stamp = read_json(note_of(path)), stamp_of(path)
    before = known.get("sha256")
    found = before if before and known.get("stamp") == stamp else file_sha256(path)
    if sha256 and found != sha256:
        raise InputError(f"{path} is not the file expected from {url} (sha256 {found}); delete it and try again")
    if not sha256 and before and found != before:
        raise InputError(
            f"{path} is not what came from {url} any more (sha256 {found}); delete it and try again, or delete "
            f"{note_of(path)} if the change is meant"
        )
    if known.get("stamp") != stamp:
        with suppress(OSError) if sha256 else nullcontext():  # in a folder that cannot be written it saves no time
            remember(path, found, pinned=bool(sha256))
    return found


def remember(path: Path, sha256: str, pinned: bool) -> None:
    """Notes the sha256 of a file beside it, where that saves time or is the only proof."""
    if path.stat().st_size >= REMEMBERED or not pinned:
        replace_durably(note_of(path), json.dumps({"sha256": sha256, "stamp": stamp_of(path)}).encode())


def note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def stamp_of(path: Path) -> list[int]:
    """Changes when a file does."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def mirrored(url: str) -> str:
    """The address at the mirror of Hugging Face that HF_ENDPOINT names, as their own library takes it."""
    return url.replace(HUGGING_FACE, (os.environ.get("HF_ENDPOINT") or HUGGING_FACE).rstrip("/"), 1)
