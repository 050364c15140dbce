"""Where text comes from: the user's files. Two more kinds: known by a name (``data.text.named``), and ``data.stories``.

A corpus says what it is (``fingerprint``), and yields its text as (split, piece) in one pass (``pieces``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from common.errors import InputError
from common.progress import Progress, silent
from data.text.files import read_pieces
from data.text.finding import LINES_SUFFIX, TEXT_SUFFIXES, find_files, identity
from data.text.pieces import END, Counts, Piece, split_pieces, utf8_length


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How training reads a corpus, whichever it is. ``document_mask``: tokens see their own document alone, in training
    and in validation. ``shuffle_documents``: they stand in another order in every epoch.
    """

    document_mask: bool = False
    shuffle_documents: bool = False


PLAIN = ReadingOptions()


class Corpus(Protocol):
    start: ClassVar[str]  # what every document begins with, if that is the same in all; else nothing

    @property
    def document_mask(self) -> bool:
        """See ``ReadingOptions``, which every corpus is made from."""

    @property
    def name(self) -> str: ...

    def fingerprint(self, cache: Path, progress: Progress) -> dict:
        """Changes, as JSON, when the text seems to have changed; raises InputError where there is none."""

    def total_bytes(self, cache: Path, progress: Progress) -> int | None:
        """UTF-8 bytes of all its text: exact where the split needs them, else about, for progress; None if unknown."""

    def pieces(self, cache: Path, counts: Counts, total: int | None, progress: Progress) -> Iterator[tuple[str, Piece]]:
        """All of "train", then all of "val"; ``total`` is what ``total_bytes`` returned. ``progress`` reports what must
        be downloaded, not reading.
        """


def fraction_to_validate(val_path: str | None, val_fraction: float | None) -> float | None:
    """``val_fraction``, by default 0.1, or None where ``val_path`` is there; raises ValueError for what cannot be."""
    if val_path is not None and val_fraction is not None:
        raise ValueError(f"val_fraction={val_fraction}: val_path={val_path} is all validation text; give one")
    if val_path is None and val_fraction is None:
        return 0.1
    if val_fraction is not None and not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction={val_fraction}: must be between 0 and 1")
    return val_fraction


@dataclass(frozen=True)
class Files(ReadingOptions):
    """Text of the user's own. ``path``: a file, a folder or a glob; ``field``: where .jsonl and .parquet have the text.

    The files are read in sorted order. The validation text is what ``val_path`` names, which is then not trained on, or
    the last ``val_fraction`` (None: 0.1) of the bytes. ``separator`` stands between documents of a text file and is no
    text; None: such a file is one document. ``skip_without_text`` leaves records without text out.
    """

    path: str
    name: Literal["files"] = "files"
    field: str = "text"
    separator: str | None = END
    skip_without_text: bool = False
    val_path: str | None = None
    val_fraction: float | None = None
    start: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.separator == "":
            raise ValueError("separator is empty; data.separator=null reads every text file as one document")
        object.__setattr__(self, "val_fraction", fraction_to_validate(self.val_path, self.val_fraction))

    def files(self, cache: Path, progress: Progress = silent) -> dict[str, list[Path]]:
        """The files of each split; "val" has none of its own without ``val_path``. Those of ``cache`` and of runs are
        left out. ``progress`` reports what is left out, and how many files are read where these are several.
        """
        keys = {"data.path": self.path} | ({"data.val_path": self.val_path} if self.val_path is not None else {})
        found = {key: find_files(path, key, cache) for key, path in keys.items()}
        for key, one in found.items():
            if len(one.files) > 1 or one.left_out:
                progress(f"{key}: {one.note()}", 0, None)
        train, val = found["data.path"].files, found["data.val_path"].files if len(found) > 1 else []
        held_out = {identity(file) for file in val}  # under any name, and as a hard link
        kept = [file for file in train if identity(file) not in held_out] if held_out else train
        if not kept:
            raise InputError(f"data.path={self.path}: nothing is left to train on without the files of data.val_path")
        if len(kept) < len(train):
            progress(f"data.path: {len(train) - len(kept):,} of these files are those of data.val_path", 0, None)
        return {"train": kept, "val": val}

    def key_of(self, split: str) -> str:
        """The setting that names the files of a split, as errors have it."""
        return f"data.path={self.path}" if split == "train" else f"data.val_path={self.val_path}"

    def fingerprint(self, cache: Path, progress: Progress) -> dict:
        """Names, sizes and times of the files, as `make` compares them: reading all of them first would be slow."""
        files = {}
        for split, paths in self.files(cache, progress).items():
            stats = [(path, path.stat()) for path in paths]
            files[split] = [[str(path.absolute()), stat.st_size, stat.st_mtime_ns] for path, stat in stats]
        settings = [self.field, self.separator, self.skip_without_text, self.val_fraction]
        return {"corpus": self.name, "files": files, "settings": settings}

    def documents(self, paths: list[Path], counts: Counts) -> Iterator[Piece]:
        if self.separator != END:
            counts.separator = self.separator
        for path in paths:
            before = counts.replaced
            yield from read_pieces(path, self.field, counts, self.separator, self.skip_without_text)
            counts.count_file(path, before)

    def total_bytes(self, cache: Path, progress: Progress) -> int | None:
        """Counted where the split needs them; else the sizes of the files, if none is compressed. Raises InputError
        where a split has files, but no text.
        """
        files = self.files(cache)
        for split, paths in files.items():
            if paths and not any(piece.text for piece in self.documents(paths, Counts())):
                raise InputError(f"{self.key_of(split)}: there is no text in it")
        if self.val_fraction is not None:
            return self.count_bytes(files["train"], progress)
        every = [*chain(*files.values())]
        plain = all(path.suffix.lower() in (*TEXT_SUFFIXES, LINES_SUFFIX) for path in every)
        return sum(path.stat().st_size for path in every) if plain else None

    def count_bytes(self, paths: list[Path], progress: Progress) -> int:
        """Exactly as many as ``pieces`` have: separators are no text."""
        total = 0
        for piece in self.documents(paths, Counts()):
            total += utf8_length(piece.text)
            progress("reading", total, None)
        return total

    def pieces(self, cache: Path, counts: Counts, total: int | None, progress: Progress) -> Iterator[tuple[str, Piece]]:
        files = self.files(cache)
        train = self.documents(files["train"], counts)
        if self.val_fraction is not None:
            total = total or self.count_bytes(files["train"], progress)
            train_bytes = int(total * (1 - self.val_fraction))
            if not train_bytes:
                raise InputError(f"data.val_fraction={self.val_fraction}: leaves none of {total:,} bytes to train on")
            return split_pieces(train, train_bytes)
        val = self.documents(files["val"], counts)
        return chain((("train", piece) for piece in train), (("val", piece) for piece in val))
