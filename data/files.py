"""Reading text files of several kinds as a stream of pieces, in memory that does not grow with the files."""

import codecs
import glob
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from backports import zstd

from data.errors import InputError
from data.parquet import read_rows

CHUNK = 1 << 18
LONGEST_PIECE = 1 << 19
LOOK_BACK = 1 << 14
WORD_END = re.compile(r"\S[ \n]")
SHORT_LOOK_BACK = 1 << 8
TEXT_SUFFIXES = (".txt", ".md")
LINES_SUFFIX = ".jsonl"
PARQUET_SUFFIX = ".parquet"
COMPRESSION_SUFFIXES = (".gz", ".zst")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Piece(NamedTuple):
    """Some text and whether a document ends with it; a long document is several pieces."""

    text: str
    ends_document: bool


def kind(path: Path) -> str:
    """The suffix that says what is inside, compression aside: ``.txt`` for ``notes.txt.gz``; empty if unknown."""
    compressed = path.suffix.lower() in COMPRESSION_SUFFIXES
    suffix = (Path(path.stem) if compressed else path).suffix.lower()
    if suffix == PARQUET_SUFFIX and not compressed:
        return suffix
    return suffix if suffix in (*TEXT_SUFFIXES, LINES_SUFFIX) else ""


def find_files(path: str) -> list[Path]:
    """The readable files that ``path`` (a file, a folder with all below that is not hidden, a glob) names, sorted."""
    known = " ".join((*TEXT_SUFFIXES, LINES_SUFFIX)) + ", alone or with " + " or ".join(COMPRESSION_SUFFIXES)
    known += f", and {PARQUET_SUFFIX}"
    if not path:
        raise InputError("data.path is empty; give data.path=FILE, a folder or a glob")
    place = Path(path).expanduser()
    if place.is_file():
        if not kind(place):
            raise InputError(f"data.path={path}: unknown kind of file; known are {known}")
        return [place]
    if place.is_dir():
        below = (file for file in place.rglob("*") if file.is_file() and kind(file))
        found = sorted(file for file in below if not any(part[0] == "." for part in file.relative_to(place).parts))
    else:
        found = sorted({Path(match) for match in glob.glob(str(place), recursive=True)})
        found = [file for file in found if file.is_file() and kind(file)]
        if not found and not glob.has_magic(path):
            raise InputError(f"data.path={path}: there is no such file or folder")
    if not found:
        raise InputError(f"data.path={path}: no files to read there; known are {known}")
    return found


def open_binary(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")
    if path.suffix.lower() == ".zst":
        return zstd.open(path, "rb")
    return open(path, "rb")


class Replacements:
    """Puts U+FFFD where something was no character, and counts how often.

    Bytes that are no UTF-8 arrive as lone surrogates (PEP 383), and so does half of a UTF-16 pair spelled in JSON.
    """

    def __init__(self) -> None:
        self.count = 0

    def clean(self, text: str) -> str:
        if is_clean(text):
            return text
        text, n = LONE_SURROGATE.subn("\ufffd", text)
        self.count += n
        return text


def is_clean(text: str) -> bool:
    """Whether a text is all characters; asking the encoder is much quicker than searching."""
    try:
        return text.isascii() or text.encode() is not None
    except UnicodeEncodeError:
        return False


def utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def read_pieces(path: Path, field: str, replaced: Replacements) -> Iterator[Piece]:
    """The documents of one file: a text file is one; .jsonl has one a line and .parquet one a row, under ``field``."""
    if kind(path) == PARQUET_SUFFIX:
        for text in read_rows(path, field):
            yield from cut_text(text, replaced)
        return
    try:
        with open_binary(path) as file:
            if kind(path) == LINES_SUFFIX:
                for text in read_lines(file, path, field):
                    yield from cut_text(text, replaced)
            else:
                yield from cut_document(map(replaced.clean, read_text(file, path)))
    except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise InputError(f"{path}: damaged or truncated archive ({error})") from None


def read_text(file: BinaryIO, path: Path) -> Iterator[str]:
    """A text file in chunks; bytes that are no UTF-8 become lone surrogates."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    first = True
    while chunk := file.read(CHUNK):
        if first and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(f"{path}: is UTF-16; save it as UTF-8")
        first = False
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def read_lines(file: BinaryIO, path: Path, field: str) -> Iterator[str]:
    """The texts of a .jsonl file."""
    for number, line in enumerate(file, start=1):
        text = line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
        if not text or text.isspace():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not JSON ({error})") from None
        text = record.get(field) if isinstance(record, dict) else None
        if not isinstance(text, str):
            raise InputError(f"{path}, line {number}: no text under {field!r}; name the key with data.field=...")
        yield text


def cut_text(text: str, replaced: Replacements) -> Iterator[Piece]:
    """One document that is in memory as pieces."""
    if 0 < len(text) <= CHUNK // 2:
        yield Piece(replaced.clean(text), ends_document=True)
    else:
        chunks = (text[start : start + CHUNK] for start in range(0, len(text), CHUNK))
        yield from cut_document(map(replaced.clean, chunks))


def cut_document(chunks: Iterator[str]) -> Iterator[Piece]:
    """One document as pieces that a tokenizer can take one by one; nothing for an empty document."""
    text, any_text = "", False
    for chunk in chunks:
        text += chunk
        any_text = any_text or bool(chunk)
        while len(text) > CHUNK // 2 and (cut := cutting_place(text)):
            yield Piece(text[:cut], ends_document=False)
            text = text[cut:]
    if any_text:
        yield Piece(text, ends_document=True)


def cutting_place(text: str) -> int:
    """Where a text may be cut without changing its tokens: before the last space or newline behind a visible character.

    Words are split there before they are merged. 0 if there is no such place in the last LOOK_BACK characters; a text
    that goes on without any is cut at LONGEST_PIECE all the same, because no tokenizer takes endless words.
    """
    place = 0
    for look_back in (SHORT_LOOK_BACK, LOOK_BACK):
        for match in WORD_END.finditer(text, max(0, len(text) - look_back)):
            place = match.start() + 1
        if place:
            return place
    return LONGEST_PIECE if len(text) > LONGEST_PIECE else 0


def split_pieces(pieces: Iterator[Piece], train_bytes: int) -> Iterator[tuple[str, Piece]]:
    """Labels the first ``train_bytes`` UTF-8 bytes "train" and the rest "val"; the piece between them is cut in two."""
    done = 0
    for piece in pieces:
        before, done = done, done + utf8_length(piece.text)
        if done <= train_bytes:
            yield "train", piece
        elif before >= train_bytes:
            yield "val", piece
        else:
            encoded = piece.text.encode()[: train_bytes - before]
            head = encoded.decode(errors="ignore")  # the cut moves back to a whole character
            yield "train", Piece(head, ends_document=True)
            yield "val", Piece(piece.text[len(head) :], piece.ends_document)
