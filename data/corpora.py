"""Where text comes from: the user's files. Two more kinds: known by a name (``data.named``), and ``data.stories``.

A corpus says what it is (``fingerprint``), and yields its text as (split, piece) in one pass (``pieces``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from data.download import Progress
from data.errors import InputError
from data.files import Piece, Replacements, find_files, read_pieces, split_pieces, utf8_length


class Corpus(Protocol):
    name: str

    def fingerprint(self, cache: Path, progress: Progress) -> dict:
        """Changes, as JSON, when the text seems to have changed; raises InputError where there is none."""

    def total_bytes(self, cache: Path, progress: Progress) -> int | None:
        """UTF-8 bytes of all its text: exact where the split needs them, else about, for progress; None if unknown."""

    def pieces(
        self, cache: Path, replaced: Replacements, total: int | None, progress: Progress
    ) -> Iterator[tuple[str, Piece]]:
        """All of "train", then all of "val"; ``total`` is what ``total_bytes`` said. ``progress`` is told of what must
        be downloaded, not of reading.
        """


@dataclass(frozen=True)
class Files:
    """Text of the user's own. ``path``: a file, a folder or a glob; ``field``: where .jsonl and .parquet have the text.

    The files are read in sorted order; the last ``val_fraction`` of their bytes is the validation text.
    """

    path: str
    name: Literal["files"] = "files"
    field: str = "text"
    val_fraction: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.val_fraction < 1:
            raise ValueError(f"val_fraction={self.val_fraction}: must be between 0 and 1")

    def fingerprint(self, cache: Path, progress: Progress) -> dict:
        """Names, sizes and times of the files, as `make` compares them: reading all of them first would be slow."""
        stats = [(file, file.stat()) for file in find_files(self.path)]
        files = [[str(file.absolute()), stat.st_size, stat.st_mtime_ns] for file, stat in stats]
        return {"corpus": self.name, "files": files, "field": self.field, "val_fraction": self.val_fraction}

    def documents(self, replaced: Replacements) -> Iterator[Piece]:
        for file in find_files(self.path):
            yield from read_pieces(file, self.field, replaced)

    def total_bytes(self, cache: Path, progress: Progress) -> int:
        total = 0
        for piece in self.documents(Replacements()):
            total += utf8_length(piece.text)
            progress("reading", total, None)
        if total == 0:
            raise InputError(f"data.path={self.path}: there is no text in it")
        return total

    def pieces(
        self, cache: Path, replaced: Replacements, total: int, progress: Progress
    ) -> Iterator[tuple[str, Piece]]:
        return split_pieces(self.documents(replaced), train_bytes=int(total * (1 - self.val_fraction)))
