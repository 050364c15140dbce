"""Corpora known by name, downloaded once: ``data.text.catalog`` lists them, this is how they are read."""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import ClassVar

from common.errors import InputError
from common.progress import Progress, silent
from data.text.catalog import CATALOG, CorpusName, Source
from data.text.corpora import Files, ReadingOptions
from data.text.download import check, fetch_all
from data.text.files import read_text
from data.text.parquet import measure, read_rows
from data.text.pieces import END, Counts, Piece, cut_document, cut_separated, cut_text, split_pieces

TITLE = re.compile(r" = [^=].* = \n")  # of an article; " = = Section = = \n" is none
FIELD = "text"
UNZIPPED = 10**8  # bytes; enwik8 is these, and no archive is let grow beyond them


@dataclass(frozen=True)
class Named(ReadingOptions):
    """A corpus of ``data.text.catalog``; ``n_files`` of its files to train on, where it has several."""

    name: CorpusName
    n_files: int | None = None
    start: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.n_files is None:
            object.__setattr__(self, "n_files", self.source.n_files)
        elif not 1 <= self.n_files <= len(self.source.train):
            raise ValueError(f"n_files={self.n_files}: {self.name} has 1 to {len(self.source.train)} of them")

    @property
    def source(self) -> Source:
        return CATALOG[self.name]

    def files(self, cache: Path, progress: Progress = silent) -> tuple[list[Path], list[Path]]:
        """Where the training and the validation files are, downloaded where they are missing."""
        train = self.source.train[: self.n_files]
        paths = fetch_all(self.name, (*train, *self.source.val), cache / "downloads", progress)
        return paths[: len(train)], paths[len(train) :]

    def fingerprint(self, cache: Path, progress: Progress = silent) -> dict:
        """What the files must be; those without a known sha256 are downloaded first, for theirs."""
        remotes = (*self.source.train[: self.n_files], *self.source.val)
        if all(remote.sha256 for remote in remotes):
            hashes = [remote.sha256 for remote in remotes]
        else:
            train, val = self.files(cache, progress)
            paths = (*train, *val)
            hashes = [check(remote, path) for remote, path in zip(remotes, paths, strict=True)]
        return {"corpus": self.name, "sha256": hashes[0] if len(hashes) == 1 else hashes}

    def total_bytes(self, cache: Path, progress: Progress) -> int | None:
        """About as many as there are, for progress; exact where the split needs it."""
        train, val = self.files(cache, progress)
        if self.source.kind == "text":
            return Files(str(train[0])).total_bytes(cache, progress)
        if self.source.cut:
            return self.source.cut[1]
        if self.source.kind == "separated":
            return sum(path.stat().st_size for path in (*train, *val))
        return sum(measure(path, FIELD)[1] for path in (*train, *val))

    def pieces(self, cache: Path, counts: Counts, total: int | None, progress: Progress) -> Iterator[tuple[str, Piece]]:
        source, (train, val) = self.source, self.files(cache, progress)
        if not (source.val or source.val_rows or source.cut):
            yield from Files(str(train[0])).pieces(cache, counts, total, progress)
            return
        read = READERS[source.kind]
        if source.val:
            yield from (("train", piece) for piece in read(train, counts))
            yield from (("val", piece) for piece in read(val, counts))
        elif source.val_rows:
            held_out = max(measure(train[0], FIELD)[0] - source.val_rows, 0)
            first = read_documents(read_rows(train[0], FIELD, stop=held_out), counts)
            yield from (("train", piece) for piece in chain(first, read(train[1:], counts)))
            last = read_documents(read_rows(train[0], FIELD, start=held_out), counts)
            yield from (("val", piece) for piece in last)
        elif source.cut:
            start, end = source.cut
            until_end = takewhile(lambda labelled: labelled[0] == "train", split_pieces(read(train, counts), end))
            yield from split_pieces((piece for _, piece in until_end), start)


def read_documents(texts: Iterator[str], counts: Counts) -> Iterator[Piece]:
    for text in texts:
        yield from cut_text(text, counts)


def read_all_rows(paths: Sequence[Path], counts: Counts) -> Iterator[Piece]:
    """A document a row."""
    yield from read_documents(chain.from_iterable(read_rows(path, FIELD) for path in paths), counts)


def read_separated(paths: Sequence[Path], counts: Counts) -> Iterator[Piece]:
    """Documents with a separating line between them, which belongs to none of them."""
    for path in paths:
        with open(path, "rb") as file:
            yield from cut_separated(map(counts.clean, read_text(file, path)), END, counts, ends_too=True)


def read_articles(paths: Sequence[Path], counts: Counts) -> Iterator[Piece]:
    """WikiText: a row is a line, an empty one is a blank line, and an article begins at a title after a blank line.

    The text is that of ``wiki.train.raw``, where a blank line is a space and a newline.
    """
    article, blank = [], True
    for line in chain.from_iterable(read_rows(path, FIELD) for path in paths):
        if blank and TITLE.fullmatch(line) and not all(map(str.isspace, article)):
            yield from cut_text("".join(article), counts)
            article = []
        article.append(line or " \n")
        blank = not line.strip()
    yield from cut_text("".join(article), counts)


def read_zip(paths: Sequence[Path], counts: Counts) -> Iterator[Piece]:
    """The one text in an archive, read where it lies."""
    for path in paths:
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                if len(members) != 1 or members[0].file_size > UNZIPPED:
                    raise InputError(f"{path}: must hold one file, of at most {UNZIPPED:,} bytes")
                with archive.open(members[0]) as file:
                    # pyrefly: ignore [bad-argument-type] the standard library's types hide that it is a ZipExtFile
                    yield from cut_document(map(counts.clean, read_text(file, path)))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise InputError(f"{path}: damaged archive ({error})") from None


READERS: dict[str, Callable[[Sequence[Path], Counts], Iterator[Piece]]] = {
    "separated": read_separated,
    "rows": read_all_rows,
    "lines": read_articles,
    "zip": read_zip,
}
