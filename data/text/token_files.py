"""Tokens without text: files of ids, mapped into memory, and the names that the ids may have.

A raw file is little-endian uint16 or uint32, as nanoGPT's prepare.py writes train.bin; a .npy says itself what it has.
Nothing is copied: training reads the user's own file, which must not change meanwhile.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from common.errors import InputError, NothingFoundError
from common.progress import Progress, silent
from common.visible import visible_text
from data.text.characters import LARGEST, read_characters
from data.text.corpora import ReadingOptions, fraction_to_validate
from data.text.tokenizers import ID, MOST_IDS, CharacterTokenizer, IdTokenizer, Tokenizer

RAW, NPY = ".bin", ".npy"
RAW_TYPES = {"uint16": "<u2", "uint32": "<u4"}
CHUNK = 1 << 22  # ids that are looked over together
SOME = 1 << 16  # ids that show whether they were written with more bytes each
FEW = 64  # ids of which every second one is small by chance
UPPER = MOST_IDS >> 16  # above the upper half of any id of 4 bytes
Raw = Literal["uint16", "uint32"]


class Ids(NamedTuple):
    """One split: ``array`` [n] of any integer type, mapped; its ``largest`` id, the ``sha256`` of its bytes, if
    asked for, and ``has_end``: whether the end token is in it.
    """

    array: np.ndarray
    largest: int
    sha256: str
    has_end: bool


@dataclass(frozen=True)
class TokenFiles(ReadingOptions):
    """A corpus of ids. ``path``: a file, raw (.bin) or .npy.

    ``names``: a file with a name for every id: one a line, a list or dictionary as .json, or nanoGPT's meta.pkl of
    single characters, with which the ids are text. The vocabulary is as large as the names are many, else
    ``vocab_size``, else the largest id + 1. ``end``: the id that stands between documents. ``dtype`` of a raw file;
    None: uint16. The validation tokens are those of ``val_path``, or the last ``val_fraction`` (None: 0.1).
    """

    path: str
    name: Literal["tokens"] = "tokens"
    names: str | None = None
    vocab_size: int | None = None
    end: int | None = None
    dtype: Raw | None = None
    val_path: str | None = None
    val_fraction: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "val_fraction", fraction_to_validate(self.val_path, self.val_fraction))
        if self.vocab_size is not None and not 2 <= self.vocab_size <= MOST_IDS:
            raise ValueError(f"vocab_size={self.vocab_size}: must be 2 to {MOST_IDS:,}")
        if self.end is not None and not 0 <= self.end < MOST_IDS:
            raise ValueError(f"end={self.end}: must be an id, 0 to {MOST_IDS - 1:,}")

    def open(self, path: str, key: str) -> np.ndarray:
        """The ids of one of its files, the value of ``key``. ``dtype`` is for raw files; without any, it is refused."""
        any_raw = is_raw(self.path) or is_raw(self.val_path or "")
        return open_ids(path, key, self.dtype if is_raw(path) or not any_raw else None)

    def read(self, progress: Progress = silent, check: bool = True) -> dict[str, Ids]:
        """The ids of "train" and of "val". Raises InputError for what is no file of ids, and for an end token that is
        nowhere.
        """
        train, named = self.open(self.path, "data.path"), f"data.path={self.path}"
        if self.val_path is not None:
            if os.path.exists(self.val_path) and os.path.samefile(self.path, self.val_path):
                raise InputError(f"data.val_path={self.val_path}: is the file that is trained on; give another one")
            val, named = self.open(self.val_path, "data.val_path"), f"data.val_path={self.val_path}"
        else:
            n_train = int(len(train) * (1 - (self.val_fraction or 0)))
            train, val = train[:n_train], train[n_train:]
        kind = f"{train.dtype.name} (data.dtype)" if is_raw(self.path) else train.dtype.name
        progress(f"data.path={visible_text(self.path)}: ids are read as {kind}", 0, None)
        read = {
            "train": look_over(train, f"data.path={self.path}", self.end, progress, check),
            "val": look_over(val, named, self.end, progress, check),
        }
        if self.end is not None and not any(ids.has_end for ids in read.values()):
            raise InputError(f"data.end={self.end}: is nowhere in data.path={self.path}; leave it out if nothing ends")
        return read

    def which_tokens(self) -> str:
        """What decides how many tokens there are."""
        if self.names is not None:
            return f"of data.names={self.names}"
        return "of data.vocab_size" if self.vocab_size is not None else "of the model"

    def make_tokenizer(self, largest: int) -> Tokenizer:
        """The tokens of ids up to ``largest``; raises InputError where they have more, or fewer, names than ids."""
        if self.names is None:
            n = self.vocab_size or max(largest, self.end or 0) + 1
            if n > MOST_IDS:
                raise InputError(
                    f"data.path={self.path}: its largest id is {largest:,}, and a vocabulary has at most "
                    f"{MOST_IDS:,} ids; was the file written as another type (data.dtype)?"
                )
            names = [str(i) for i in range(n)]
        else:
            names = read_names(self.names)
            if self.vocab_size not in (None, len(names)):
                raise InputError(
                    f"data.vocab_size={self.vocab_size}: data.names={self.names} has {len(names):,} names; "
                    "leave data.vocab_size out"
                )
        if self.end is not None and self.end >= len(names):
            raise InputError(f"data.end={self.end}: is no id of a vocabulary of {len(names):,}")
        if self.names is not None and is_pickled(self.names):
            if self.end is not None:
                raise InputError(f"data.end={self.end}: characters (data.names={self.names}) have no end token")
            return CharacterTokenizer(names)
        try:
            return IdTokenizer(names, None if self.end is None else names[self.end])
        except InputError as error:
            raise InputError(f"data.names={self.names}: {error}") from None


def is_raw(path: str) -> bool:
    return path.lower().endswith(RAW)


def is_pickled(path: str) -> bool:
    return path.lower().endswith(".pkl")


def open_ids(path: str, key: str, dtype: Raw | None = None) -> np.ndarray:
    """The ids in a file, ``path``, the value of ``key``, mapped into memory: [n] of any integer type. Raises InputError
    where there are none.
    """
    file = Path(path)
    if file.is_dir():
        raise InputError(f"{key}={path}: is a folder; give a file of ids, {RAW} or {NPY}")
    if not file.is_file():
        raise NothingFoundError(key, path, "there is no such file")
    if file.suffix.lower() == NPY:
        if dtype is not None:
            raise InputError(f"data.dtype={dtype}: {path} says itself of what type it is; leave data.dtype out")
        return open_npy(path, key)
    if not is_raw(path):
        instead = "; text is read by data=files" if key == "data.path" else ""
        raise InputError(f"{key}={path}: is no file of ids, {NPY} or {RAW} (raw uint16 or uint32){instead}")
    return open_raw(path, key, dtype)


def open_raw(path: str, key: str, dtype: Raw | None) -> np.ndarray:
    size, read_as = os.path.getsize(path), np.dtype(RAW_TYPES[dtype or "uint16"])
    own_key = key.startswith("data.")  # no other has a data.dtype of its own
    if not size:
        raise InputError(f"{key}={path}: is empty")
    if size % read_as.itemsize:
        raise InputError(
            f"{key}={path}: has {size:,} bytes, which are no whole number of ids of {read_as.itemsize} bytes "
            f"({dtype or 'uint16'}); copy it again, or {'give data.dtype' if own_key else 'save its ids as .npy'}"
        )
    ids = np.memmap(path, dtype=read_as, mode="r")
    if dtype is None and (wide := wider(from_first_nonzero(ids), whole=size % 8 == 0)):
        n_bytes, largest = wide
        remedy = "give data.dtype=uint32" if own_key and n_bytes == 4 else "save its ids as .npy"
        raise InputError(
            f"{key}={path}: every second id is {f'at most {largest}' if largest else 0}, as where ids of {n_bytes} "
            f"bytes are read as uint16; {remedy}{', or give data.dtype=uint16 if it is right' if own_key else ''}"
        )
    return ids


def from_first_nonzero(ids: np.ndarray) -> np.ndarray:
    """SOME of ``ids`` [n], uint16, from about the first that is not 0: a multiple of 8 bytes after their beginning."""
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        if chunk.any():
            first = max(0, min(start + int((chunk != 0).argmax()), len(ids) - FEW)) // 4 * 4
            return ids[first : first + SOME]
    return ids[:0]


def wider(ids: np.ndarray, whole: bool) -> tuple[int, int] | None:
    """The bytes, 4 or 8, of each of the ids that were read as ``ids`` [n], uint16, and the largest of every second one
    of these; None where they may be ids of 2 bytes. ``whole``: whether their file can be one of ids of 8 bytes.

    Of an id of 4 bytes the upper half is small, and of one of 8 bytes two more are 0. Where half of the ids of a file
    of 2 bytes are small, all of every second one are with a probability of 2^-(n/2).
    """
    if len(ids) < 4:
        return None
    n_bytes = 8 if whole and not ids[2::4].any() and not ids[3::4].any() else 4
    lower, largest = ids[:: n_bytes // 2], int(ids[1::2].max())
    clear = len(ids) >= FEW and largest < UPPER <= np.median(lower)
    return (n_bytes, largest) if not largest or clear else None


def open_npy(path: str, key: str) -> np.ndarray:
    try:
        ids = np.lib.format.open_memmap(path, mode="r")  # which never unpickles
    except (ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{key}={path}: cannot be read ({reason}); save the ids with numpy.save, as whole numbers"
        ) from None
    if ids.ndim != 1:
        raise InputError(f"{key}={path}: has the shape {ids.shape}; ids are one long row: save ids.ravel()")
    if ids.dtype.kind not in "iu":
        raise InputError(f"{key}={path}: has numbers of type {ids.dtype.name}; ids are whole numbers, such as uint16")
    if not len(ids):
        raise InputError(f"{key}={path}: is empty")
    return ids


def look_over(ids: np.ndarray, named: str, end: int | None, progress: Progress, check: bool) -> Ids:
    """One pass over a split, chunk by chunk. Raises InputError for negative ids."""
    largest, has_end, sha256 = 0, False, hashlib.sha256()
    for start in range(0, len(ids), CHUNK):
        chunk = np.ascontiguousarray(ids[start : start + CHUNK])
        if check:
            sha256.update(chunk.data)
        largest = max(largest, int(chunk.max()))
        if (least := int(chunk.min())) < 0:
            raise InputError(f"{named}: has the id {least}; ids are 0 or more")
        has_end = has_end or (end is not None and bool((chunk == end).any()))
        if start:
            progress("reading ids", start * ids.itemsize, ids.nbytes)
    return Ids(ids, largest, sha256.hexdigest(), has_end)


def bytes_of_text(ids: np.ndarray, tokenizer: Tokenizer) -> int | None:
    """The bytes of the text that ids [n] stand for; None where they stand for none."""
    if not tokenizer.has_text:
        return None
    return sum(int(tokenizer.lengths[ids[start : start + CHUNK]].sum()) for start in range(0, len(ids), CHUNK))


def read_names(path: str) -> list[str]:
    """The names of the ids 0, 1, 2, ... in a file; raises InputError for what names no ids."""
    file = Path(path)
    if not file.is_file():
        raise NothingFoundError("data.names", path, "there is no such file")
    if is_pickled(path):
        return read_characters(file)
    if (size := file.stat().st_size) > LARGEST:
        raise InputError(f"data.names={path}: has {size:,} bytes; names take at most {LARGEST:,}")
    try:
        text = file.read_text(encoding="utf-8-sig")
        names = names_in(json.loads(text)) if file.suffix.lower() == ".json" else [*map(str.strip, lines_of(text))]
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"data.names={path}: names no ids ({error}); give one name a line, or a .json list or dictionary"
        ) from None
    for i, name in enumerate(names):
        if not name or name.splitlines() != [name]:
            raise InputError(
                f"data.names={path}: the id {i} has {'an empty name' if not name else 'a name with a line break'}"
            )
    if not names:
        raise InputError(f"data.names={path}: is empty")
    return names


def lines_of(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def names_in(content: Any) -> list[str]:
    """The names in a list, or in a dictionary of ids by name or names by id; raises ValueError for anything else."""
    if isinstance(content, dict) and content:
        by_id = {int(key): name for key, name in content.items() if ID.fullmatch(key) and isinstance(name, str)}
        if len(by_id) < len(content):
            by_id = {i: name for name, i in content.items() if isinstance(i, int) and not isinstance(i, bool)}
        if len(by_id) < len(content):
            raise ValueError("a dictionary has a different id for each name")
        if by_id.keys() != set(range(len(by_id))):
            missing = next(i for i in range(len(by_id)) if i not in by_id)
            raise ValueError(f"the id {missing} has no name")
        return [by_id[i] for i in range(len(by_id))]
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise ValueError("it is neither a list of names nor a dictionary")
    return content
