"""Which files a path names: one file, all below a folder, or what a glob matches; and what there is not read.

A folder is read as the glob ``FOLDER/**``, so that both follow symbolic links in the same way: each folder is entered
once, each file is read once, under whatever number of names. What runs, exports and the cache hold is no corpus: a run
inside the folder that it trains on would change its own text, and learn from the samples of others.
"""

import errno
import functools
import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from common.errors import InputError, NothingFoundError
from common.folders import EXPORT, RUN
from common.visible import visible_text

TEXT_SUFFIXES = (".txt", ".md")
LINES_SUFFIX = ".jsonl"
PARQUET_SUFFIX = ".parquet"
COMPRESSION_SUFFIXES = (".gz", ".zst")
KNOWN = f"{' '.join((*TEXT_SUFFIXES, LINES_SUFFIX))}, alone or with {' or '.join(COMPRESSION_SUFFIXES)}"
KNOWN += f", and {PARQUET_SUFFIX}"
FILE, FOLDER = "file", "folder"
MADE_HERE = {"of runs": RUN, "of exports": EXPORT}
CACHED, OF_THE_CACHE = ("downloads", "tokens", "tiktoken"), "of the cache"
NAMED_SUFFIXES = 8  # of those left out; the rest are counted together


class Found(NamedTuple):
    """``files`` to read, sorted, and how many others there are of each suffix."""

    files: list[Path]
    left_out: Counter[str]

    def note(self) -> str:
        """How many files are read and how many are left out, by suffix."""
        files = f"{len(self.files):,} files are" if len(self.files) > 1 else "1 file is"
        read = f"{files} read ({counted(Counter(map(suffix_of, self.files)))})"
        return f"{read}; {self.left_out_note()}" if self.left_out else read

    def left_out_note(self) -> str:
        return f"{self.left_out.total():,} are left out ({counted(self.left_out)})"


def counted(suffixes: Counter[str]) -> str:
    """Such as "12 .txt, 3 .jsonl.gz"."""
    most = suffixes.most_common(NAMED_SUFFIXES)
    rest = suffixes.total() - sum(n for _, n in most)
    parts = [f"{n:,} {visible_text(suffix)}" for suffix, n in most]
    return ", ".join([*parts, f"{rest:,} others"] if rest else parts)


def suffix_of(path: Path) -> str:
    """The suffix as people read it, compression included: ``.txt.gz`` for ``notes.txt.gz``."""
    compressed = path.suffix.lower() in COMPRESSION_SUFFIXES
    return (Path(path.stem).suffix + path.suffix if compressed else path.suffix).lower() or "without a suffix"


def kind(path: Path) -> str:
    """The suffix that says what is inside, compression aside: ``.txt`` for ``notes.txt.gz``; empty if unknown."""
    compressed = path.suffix.lower() in COMPRESSION_SUFFIXES
    suffix = (Path(path.stem) if compressed else path).suffix.lower()
    if suffix == PARQUET_SUFFIX and not compressed:
        return suffix
    return suffix if suffix in (*TEXT_SUFFIXES, LINES_SUFFIX) else ""


def find_files(path: str, key: str = "data.path", cache: Path | None = None) -> Found:
    """The files that ``path``, the value of ``key``, names; raises NothingFoundError where there are none to read, and
    InputError where a folder on the way cannot be looked into. Runs, exports and the folders of ``cache`` that are met
    on the way are left out; inside of one that ``path`` itself begins with all is read.
    """
    if not path:
        raise InputError(f"{key} is empty; give {key}=FILE, a folder or a glob")
    start = Path(path)
    if start.is_file():
        if not kind(start):
            raise InputError(f"{key}={path}: {reason_against(start)}")
        return Found([start], Counter())
    if start.is_dir():
        parts = ("**",)
    elif start.exists():
        raise InputError(f"{key}={path}: is a pipe or device, which cannot be read twice; write it to a file first")
    else:
        magic = [glob.has_magic(part) for part in start.parts]
        if not any(magic):
            raise NothingFoundError(key, path, "there is no such file or folder")
        n_plain = magic.index(True)
        start, parts = Path(*start.parts[:n_plain]), start.parts[n_plain:]
        if not start.exists():
            raise NothingFoundError(key, path, f"there is no folder {start}")
    found = Found([], Counter())
    for entry, what in once(expand(str(start), parts, set(), owners(cache))):
        file = Path(entry.path)
        if what == FILE and kind(file):
            found.files.append(file)
        else:
            found.left_out[suffix_of(file) if what == FILE else what] += 1
    if "**" not in parts and (folders := sum(map(os.path.isdir, glob.iglob(path)))):
        found.left_out["folders (** reads what is in them)"] += folders
    found.files.sort()
    if not found.files:
        rest = f"; {found.left_out_note()}" if found.left_out else ""
        raise NothingFoundError(key, path, f"no files to read there{rest}; known are {KNOWN}")
    return found


def reason_against(path: Path) -> str:
    if suffix_of(path).startswith(".json"):
        return (
            f"{path.suffix} is not read; records of one line each belong in a {LINES_SUFFIX} (rename it), and an array "
            f"becomes such lines with: jq -c '.[]' {path.name} > {path.name.partition('.')[0]}{LINES_SUFFIX}"
        )
    return f"unknown kind of file; known are {KNOWN}"


def owners(cache: Path | None) -> Callable[[os.DirEntry], str]:
    """A function that says what owns a folder, a key of MADE_HERE or OF_THE_CACHE; empty where the user does."""
    cached = {identity(cache / name) for name in CACHED} - {None} if cache else set()

    def owner(folder: os.DirEntry) -> str:
        for what, names in MADE_HERE.items():
            if all(os.path.exists(os.path.join(folder.path, name)) for name in names):
                return what
        may_be_cached = folder.name in CACHED or folder.is_symlink()
        return OF_THE_CACHE if may_be_cached and identity(folder.path) in cached else ""

    return owner


def identity(path: str | Path) -> tuple[int, int] | None:
    """What is the same for all names of a file or folder, hard links included; None where there is none."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino


def files_inside(folder: str) -> Iterator[os.DirEntry]:
    """All that is no folder and not hidden below ``folder``, in which another process may be writing."""
    entries = []
    with suppress(OSError), os.scandir(folder) as listing:
        entries.extend(listing)
    for entry in entries:
        if entry.name[0] == ".":
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from files_inside(entry.path)
        else:
            yield entry


def once(found: Iterator[tuple[os.DirEntry, str]]) -> Iterator[tuple[os.DirEntry, str]]:
    """Leaves out the second name of a file; a hard link is a file of its own."""
    real_path, seen = functools.cache(os.path.realpath), set()
    for entry, what in found:
        folder, name = os.path.split(entry.path)
        real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real_path(folder), name)
        if real not in seen:
            seen.add(real)
            yield entry, what


def expand(
    folder: str, parts: tuple[str, ...], entered: set, owner: Callable[[os.DirEntry], str]
) -> Iterator[tuple[os.DirEntry, str]]:
    """Every entry below ``folder`` that matches the glob ``parts`` and is no folder, with its kind; of a folder
    that ``owner`` gives an owner, every file, with the owner as its kind.

    ``entered`` collects the pairs of folder and parts already searched, so that a link to a folder above ends.
    """
    if parts[0] == "..":
        yield from expand(os.path.join(folder, ".."), parts[1:] or ("*",), entered, owner)
        return
    try:
        about = os.stat(folder)
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: (entry.is_symlink(), entry.name))  # own names before links
    except OSError as error:
        raise unreadable(folder, error) from None
    if (here := (about.st_dev, about.st_ino, parts)) in entered:
        return
    entered.add(here)
    part, *rest = parts
    if part == "**":
        yield from expand(folder, tuple(rest) or ("*",), entered, owner)
        part, rest = "*", parts
    for entry in entries:
        if not fnmatch(entry.name, part) or (entry.name[0] == "." and part[0] != "."):
            continue
        what = what_is(entry)
        if what == FOLDER and rest:
            if whose := owner(entry):
                yield from ((inside, whose) for inside in files_inside(entry.path))
            else:
                yield from expand(entry.path, tuple(rest), entered, owner)
        elif what != FOLDER and not rest:
            yield entry, what


def what_is(entry: os.DirEntry) -> str:
    try:
        if entry.is_dir():
            return FOLDER
        if entry.is_file():
            return FILE
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise unreadable(entry.path, error) from None
    return "broken link" if entry.is_symlink() else "no regular file"


def unreadable(path: str, error: OSError) -> InputError:
    return InputError(f"{path} cannot be read ({error.strerror}); allow it, or name the rest with a glob")
