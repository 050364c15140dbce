"""Reading text files of several kinds as a stream of pieces, in memory that does not grow with the files."""

import codecs
import glob
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from backports import zstd

from data.errors import InputError

CHUNK_BYTES = 1 << 20
LONGEST_PIECE = 16 << 20
TEXT_SUFFIXES = (".txt", ".md")
LINES_SUFFIX = ".jsonl"
COMPRESSION_SUFFIXES = (".gz", ".zst")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Piece(NamedTuple):
    """Some text and whether a document ends with it; a long document is several pieces."""

    text: str
    ends_document: bool


def kind(path: Path) -> str:
    """The suffix that says what is inside, compression aside: ``.txt`` for ``notes.txt.gz``; empty if unknown."""
    suffix = Path(path.stem).suffix if path.suffix in COMPRESSION_SUFFIXES else path.suffix
    return suffix if suffix in (*TEXT_SUFFIXES, LINES_SUFFIX) else ""


def find_files(path: str) -> list[Path]:
    """The readable files that ``path`` (a file, a folder with all below it, or a glob) names, in sorted order."""
    known = " ".join((*TEXT_SUFFIXES, LINES_SUFFIX)) + ", alone or with " + " or ".join(COMPRESSION_SUFFIXES)
    place = Path(path).expanduser()
    if place.is_file():
        if not kind(place):
            raise InputError(f"data.path={path}: unknown kind of file; known are {known}")
        return [place]
    if place.is_dir():
        found = sorted(file for file in place.rglob("*") if file.is_file() and kind(file))
    else:
        found = sorted(Path(match) for match in glob.glob(str(place), recursive=True))
        found = [file for file in found if file.is_file() and kind(file)]
        if not found and not glob.has_magic(path):
            raise InputError(f"data.path={path}: there is no such file or folder")
    if not found:
        raise InputError(f"data.path={path}: no files to read there; known are {known}")
    return found


def open_binary(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".zst":
        return zstd.open(path, "rb")
    return open(path, "rb")


class Replacements:
    """Puts U+FFFD where something was no character, and counts how often.

    Bytes that are no UTF-8 arrive as lone surrogates (PEP 383), and so does half of a UTF-16 pair spelled in JSON.
    """

    def __init__(self) -> None:
        self.count = 0

    def clean(self, text: str) -> str:
        text, n = LONE_SURROGATE.subn("\ufffd", text)
        self.count += n
        return text


def read_pieces(path: Path, field: str, replaced: Replacements) -> Iterator[Piece]:
    """The documents of one file: a text file is one, a .jsonl file has one a line, under ``field``."""
    try:
        with open_binary(path) as file:
            yield from (read_lines if kind(path) == LINES_SUFFIX else read_text)(file, path, field, replaced)
    except (EOFError, gzip.BadGzipFile, zstd.ZstdError) as error:
        raise InputError(f"{path}: damaged or truncated archive ({error})") from None


def read_text(file: BinaryIO, path: Path, field: str, replaced: Replacements) -> Iterator[Piece]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    text = ""
    while chunk := file.read(CHUNK_BYTES):
        text += replaced.clean(decoder.decode(chunk))
        if cut := cutting_place(text):
            yield Piece(text[:cut], ends_document=False)
            text = text[cut:]
    text += replaced.clean(decoder.decode(b"", final=True))
    yield Piece(text, ends_document=True)


def cutting_place(text: str) -> int:
    """Where a long text may be cut without changing its tokens: behind a newline that stands between two non-spaces.

    Tokenizers split there anyway. 0 if there is no such place yet; a text without any is cut at LONGEST_PIECE.
    """
    position = len(text) - 1
    while (position := text.rfind("\n", 1, position)) > 0:
        if not text[position - 1].isspace() and not text[position + 1].isspace():
            return position + 1
    return LONGEST_PIECE if len(text) > LONGEST_PIECE else 0


def read_lines(file: BinaryIO, path: Path, field: str, replaced: Replacements) -> Iterator[Piece]:
    for number, line in enumerate(file, start=1):
        text = line.decode("utf-8-sig", "surrogateescape")
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error.msg})") from None
        text = record.get(field) if isinstance(record, dict) else None
        if not isinstance(text, str):
            raise InputError(f"{path}, line {number}: no text under {field!r}; name the key with data.field=...")
        yield Piece(replaced.clean(text), ends_document=True)


def split_pieces(pieces: Iterator[Piece], train_bytes: int) -> Iterator[tuple[str, Piece]]:
    """Labels the first ``train_bytes`` UTF-8 bytes "train" and the rest "val"; the piece between them is cut in two."""
    done = 0
    for piece in pieces:
        encoded = piece.text.encode()
        before, done = done, done + len(encoded)
        if done <= train_bytes:
            yield "train", piece
        elif before >= train_bytes:
            yield "val", piece
        else:
            head = encoded[: train_bytes - before].decode(errors="ignore")  # the cut moves back to a whole character
            yield "train", Piece(head, ends_document=True)
            yield "val", Piece(piece.text[len(head) :], piece.ends_document)
