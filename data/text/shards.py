"""Token ids on disk: flat files of uint16 or uint32, mapped into memory, with a manifest that can prove them whole."""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from common.atomic import file_sha256, flush, write_durably
from common.errors import InputError

FORMAT = 1
SHARD_TOKENS = 1 << 27
FLUSH_TOKENS = 1 << 20
SPLITS = ("train", "val")
MANIFEST = "manifest.json"
MANIFEST_KEYS = {"tokenizer", "dtype", "replaced", *SPLITS}


def dtype_of(vocab_size: int) -> np.dtype:
    """The smallest kind of number that holds every id."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


class ShardWriter:
    """Appends ids to ``folder/SPLIT_00000.bin`` and on, hashing as it goes; ``close`` returns the manifest entries.

    ``save`` puts all ids so far on the disk and returns what a later writer needs, as ``saved``, to go on after them.
    """

    def __init__(self, folder: Path, split: str, vocab_size: int, saved: dict | None = None) -> None:
        self.folder, self.split = folder, split
        self.dtype = dtype_of(vocab_size)
        self.shards: list[dict] = []
        self.waiting: list[np.ndarray] = []
        self.n_waiting = 0
        self.file: IO[bytes] | None = None
        if saved:
            self.shards = list(saved["shards"])
            if saved["tokens"]:
                self.reopen_shard(saved["tokens"], saved["sha256"])

    def write(self, ids: np.ndarray) -> None:
        self.waiting.append(ids)
        self.n_waiting += len(ids)
        if self.n_waiting >= FLUSH_TOKENS:
            self.flush()

    def flush(self) -> None:
        if not self.waiting:
            return
        ids = np.concatenate(self.waiting).astype(self.dtype)
        self.waiting, self.n_waiting = [], 0
        while len(ids):
            file = self.file or self.open_shard("wb")
            now, ids = np.split(ids, [SHARD_TOKENS - self.tokens])
            data = now.tobytes()
            file.write(data)
            self.hash.update(data)
            self.tokens += len(now)
            if self.tokens == SHARD_TOKENS:
                self.finish_shard(file)

    def open_shard(self, mode: str) -> IO[bytes]:
        self.name = f"{self.split}_{len(self.shards):05d}.bin"
        self.file = open(self.folder / self.name, mode)
        self.hash, self.tokens = hashlib.sha256(), 0
        return self.file

    def reopen_shard(self, tokens: int, sha256: str) -> None:
        """Goes on after the first ``tokens`` of a shard; raises OSError or EOFError where they are not there as they
        were written.
        """
        file = self.open_shard("r+b")
        missing = tokens * self.dtype.itemsize
        while missing:
            data = file.read(min(missing, FLUSH_TOKENS))
            if not data:
                raise EOFError(f"{self.name} has not all tokens that were saved")
            self.hash.update(data)
            missing -= len(data)
        if self.hash.hexdigest() != sha256:
            raise EOFError(f"{self.name} has other tokens than were saved")
        self.tokens = tokens
        file.truncate(file.seek(tokens * self.dtype.itemsize))

    def save(self) -> dict:
        self.flush()
        if self.file is None:
            return {"shards": self.shards, "tokens": 0}
        flush(self.file)
        return {"shards": self.shards, "tokens": self.tokens, "sha256": self.hash.hexdigest()}

    def finish_shard(self, file: IO[bytes]) -> None:
        flush(file)
        file.close()
        self.file = None
        self.shards.append({"file": self.name, "tokens": self.tokens, "sha256": self.hash.hexdigest()})

    def close(self) -> list[dict]:
        self.flush()
        if self.file is not None:
            self.finish_shard(self.file)
        return self.shards


class Tokens:
    """The ids of one split as one long array, whatever the number of shards."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self.arrays = arrays
        self.starts = np.cumsum([0, *map(len, arrays)]).tolist()

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def n_targets(self) -> int:
        """How many of them are predicted when all are read: not the first one."""
        return len(self) - 1

    def read(self, start: int, length: int) -> np.ndarray:
        """Ids start .. start + length - 1 as int64 [length]."""
        shard = bisect_right(self.starts, start) - 1
        parts = []
        while length > 0:
            offset = start - self.starts[shard]
            part = self.arrays[shard][offset : offset + length]
            if len(part) == 0:
                raise IndexError(f"tokens {start} .. {start + length} of {len(self)}")
            parts.append(part)
            start, length, shard = start + len(part), length - len(part), shard + 1
        return np.concatenate(parts).astype(np.int64)


def write_manifest(folder: Path, manifest: dict) -> None:
    write_durably(folder / MANIFEST, json.dumps({"format": FORMAT, **manifest}, indent=1).encode())


def read_manifest(folder: Path) -> dict:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if not manifest.keys() >= MANIFEST_KEYS:
            raise ValueError("something is missing in it")
        return manifest
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{folder}/{MANIFEST} cannot be read ({error}); delete {folder} to make it anew") from None


def open_split(folder: Path, manifest: dict, split: str, check: bool = True) -> Tokens:
    """Maps the shards of one split; raises InputError where one is missing, truncated or, if to ``check``, altered."""
    dtype = np.dtype(manifest["dtype"])
    arrays = []
    for shard in manifest[split]["shards"]:
        path = folder / shard["file"]
        remedy = f"delete {folder} and the tokens are made anew"
        if not path.is_file():
            raise InputError(f"{path} is missing; {remedy}")
        size = path.stat().st_size
        if size != shard["tokens"] * dtype.itemsize:
            raise InputError(f"{path} has {size} bytes instead of {shard['tokens'] * dtype.itemsize}; {remedy}")
        if check and file_sha256(path) != shard["sha256"]:
            raise InputError(f"{path} is damaged (its sha256 is not the manifest's); {remedy}")
        arrays.append(np.memmap(path, dtype=dtype, mode="r"))
    return Tokens(arrays)
