"""Reading text files of several kinds as a stream of pieces, in memory that does not grow with the files."""

import codecs
import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from backports import zstd

from common.errors import InputError, NoTextError
from common.visible import visible_text
from data.text.finding import LINES_SUFFIX, PARQUET_SUFFIX, kind
from data.text.parquet import read_values

CHUNK = 1 << 18
LONGEST_PIECE = 1 << 19
LOOK_BACK = 1 << 14
WORD_END = re.compile(r"\S(?=[ \n]|\r\n)")
SHORT_LOOK_BACK = 1 << 8
END = "<|endoftext|>"  # between documents of a text file, as GPT-2 was trained and many corpora are kept
LINE_ENDS = "\r\n"
WINDOW = zstd.DecompressionParameter.window_log_max
ANY_WINDOW: dict[int, int] = {WINDOW: WINDOW.bounds()[1]}
# Stray bytes of text that is UTF-8 are far fewer than one in 200; of Latin-1 with accents about one in 100 is lost, and
# of anything that is not built on ASCII half. A few pass in any file: one short note must not end a whole corpus.
MOST_LOST, FEW_LOST = 1 / 200, 20
SPREAD_OUT = re.compile(r"\s*(\[\s*(\{|$)|\{\s*$)")  # how JSON begins that goes on over many lines
OTHER_MARKS = {  # the longer ones first: that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
Binary = BufferedReader | gzip.GzipFile | zstd.ZstdFile | zipfile.ZipExtFile  # can be peeked into


class Piece(NamedTuple):
    """Some text and whether a document ends with it; a long document is several pieces."""

    text: str
    ends_document: bool


def open_binary(path: Path) -> Binary:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")
    if path.suffix.lower() == ".zst":
        return zstd.open(path, "rb", options=ANY_WINDOW)
    return open(path, "rb")


@dataclass
class Counts:
    """What reading a corpus came upon.

    ``replaced``: bytes and half characters that became U+FFFD. Bytes that are no UTF-8 arrive as lone surrogates
    (PEP 383), and so does half of a UTF-16 pair spelled in JSON. ``separators``: between documents, and no text.
    ``ends_in_text``: how often ``<|endoftext|>`` is text. ``without_text``: records that were left out.
    ``separator``: the one of the user's own, if any, which was looked for.
    """

    replaced: int = 0
    separators: int = 0
    ends_in_text: int = 0
    without_text: int = 0
    separator: str | None = None

    def clean(self, text: str) -> str:
        """``text`` with U+FFFD where something was no character."""
        if is_clean(text):
            return text
        text, n = LONE_SURROGATE.subn("\ufffd", text)
        self.replaced += n
        return text

    def notes(self) -> list[str]:
        """What the user should know, a sentence each."""
        sentences = {
            "bytes or half characters were no UTF-8 and became U+FFFD": self.replaced,
            f"separators (data.separator, by default {END}) ended documents and are no text": self.separators,
            f"times {END} is text and ends no document (docs/corpora.md)": self.ends_in_text,
            "records without text were left out (data.skip_without_text)": self.without_text,
        }
        notes = [f"{n:,} {sentence}" for sentence, n in sentences.items() if n]
        if self.separator and not self.separators:
            remedy = "" if "\n" in self.separator else r"; a separator with newlines is written $'\n---\n' in bash"
            notes.append(f"data.separator={visible_text(self.separator)} is in no .txt or .md file{remedy}")
        return notes


def is_clean(text: str) -> bool:
    """Whether a text is all characters; asking the encoder is much quicker than searching."""
    try:
        return text.isascii() or text.encode() is not None
    except UnicodeEncodeError:
        return False


def utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Encoding:
    """How much of a file was no UTF-8 so far: its stray bytes, and the zero bytes of UTF-16.

    Zero bytes are UTF-8, too. In UTF-16 nearly all have even positions, or nearly all odd ones; elsewhere both are as
    frequent. So what counts is how many more one side has.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.n_bytes, self.stray, self.zeros = path, 0, 0, [0, 0]

    def seen(self, text: str) -> str:
        """``text``, the next of the file, with its stray bytes as lone surrogates; counts them."""
        if "\0" not in text and text.isascii():
            self.n_bytes += len(text)
            return text
        content = text.encode("utf-8", "surrogateescape")
        if not is_clean(text):
            self.stray += len(LONE_SURROGATE.findall(text))
        for side in (0, 1) if b"\0" in content else ():
            self.zeros[(self.n_bytes + side) % 2] += content[side::2].count(0)
        self.n_bytes += len(content)
        return text

    def require_utf8(self) -> None:
        """Raises InputError where more was lost than a few stray bytes."""
        lost = self.stray + abs(self.zeros[0] - self.zeros[1])
        if lost > max(FEW_LOST, MOST_LOST * self.n_bytes):
            raise InputError(
                f"{self.path}: {lost / self.n_bytes:.1%} of its bytes ({lost:,} of {self.n_bytes:,}) are no UTF-8 "
                "text; save it as UTF-8, or leave it out"
            )


def read_pieces(
    path: Path, field: str, counts: Counts, separator: str | None = None, skip_without_text: bool = False
) -> Iterator[Piece]:
    """The documents of one file. A text file has one, or those between ``separator``; .jsonl has one a line and
    .parquet one a row, under ``field``. Raises InputError for a record without text, unless these are to be skipped,
    and at the end of a file that is no UTF-8.
    """
    if kind(path) == PARQUET_SUFFIX:
        encoding = Encoding(path)
        rows = ((i, text and encoding.seen(text)) for i, text in enumerate(read_values(path, field)))
        yield from cut_records(path, "row", field, rows, counts, skip_without_text)
        encoding.require_utf8()
        return
    with readable(path) as file:
        if kind(path) == LINES_SUFFIX:
            lines = ((number, value_in(record, field)) for number, record in read_records(file, path))
            yield from cut_records(path, "line", field, lines, counts, skip_without_text)
        else:
            yield from cut_separated(map(counts.clean, read_text(file, path)), separator, counts)


@contextmanager
def readable(path: Path) -> Iterator[Binary]:
    """The file, open; raises InputError where it is found to be a damaged archive."""
    try:
        with open_binary(path) as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise InputError(f"{path}: damaged or truncated archive ({error})") from None


def refuse_other_marks(file: Binary, path: Path) -> None:
    """Raises InputError where a file begins with the mark of an encoding that is not read."""
    head = file.peek(4)[:4]
    for mark, encoding in OTHER_MARKS.items():
        if head.startswith(mark):
            raise InputError(f"{path}: is {encoding}; save it as UTF-8")


def read_text(file: Binary, path: Path) -> Iterator[str]:
    """A text file in chunks; bytes that are no UTF-8 become lone surrogates. Raises InputError after too many."""
    refuse_other_marks(file, path)
    encoding, decoder = Encoding(path), codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    while chunk := file.read(CHUNK):
        yield encoding.seen(decoder.decode(chunk))
    yield encoding.seen(decoder.decode(b"", final=True))
    encoding.require_utf8()


def read_records(file: Binary, path: Path) -> Iterator[tuple[int, object]]:
    """The number of each line of a .jsonl file that is not empty, and the record that it has.

    Raises InputError where a line is no JSON, and after too many bytes that are no UTF-8.
    """
    refuse_other_marks(file, path)
    encoding, first = Encoding(path), True
    for number, line in enumerate(file, start=1):
        text = encoding.seen(line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape"))
        if not text or text.isspace():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            encoding.require_utf8()
            if first and (begun := SPREAD_OUT.match(text)):
                raise spread_out(path, "-c '.[]'" if "[" in begun[0] else "-c .") from None
            raise InputError(f"{path}, line {number}: not JSON ({error})") from None
        if first and isinstance(record, list) and record and all(isinstance(item, dict) for item in record):
            raise spread_out(path, "-c '.[]'")
        first = False
        yield number, record
    encoding.require_utf8()


def spread_out(path: Path, jq: str) -> InputError:
    return InputError(
        f"{path}: is one JSON value for all records, not a record on each line; make it so with: "
        f"jq {jq} {path.name} > lines{LINES_SUFFIX}"
    )


def value_in(record: object, field: str) -> object:
    """What is under ``field`` of a record, or, for ``meta.text``, under ``text`` of what is under ``meta``: the first
    text, else what else there is, or None.
    """
    other = None
    for keys in ([field], field.split(".")):
        value = record
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            return value
        other = value if other is None else other
    return other


def require_quoted(value: object, where: str, field: str) -> None:
    """Raises InputError for a number, true or false where the text of a record should be."""
    if isinstance(value, int | float):
        raise InputError(f"{where}: has {json.dumps(value)} under {field!r}, which is no text; quote it")


def cut_records(
    path: Path, unit: str, field: str, records: Iterator[tuple[int, object]], counts: Counts, skip: bool
) -> Iterator[Piece]:
    for number, value in records:
        if isinstance(value, str):
            yield from cut_text(value, counts)
        elif skip:
            counts.without_text += 1
        else:
            where = f"{path}, {unit} {number}"
            require_quoted(value, where, field)
            remedy = "name the key with data.field=..., or leave such records out with data.skip_without_text=true"
            raise NoTextError(where, field, remedy)


def cut_text(text: str, counts: Counts) -> Iterator[Piece]:
    """One document that is in memory as pieces."""
    if 0 < len(text) <= CHUNK // 2:
        yield Piece(counts.clean(text), ends_document=True)
    else:
        chunks = (text[start : start + CHUNK] for start in range(0, len(text), CHUNK))
        yield from cut_document(map(counts.clean, chunks))


def cut_document(chunks: Iterator[str]) -> Iterator[Piece]:
    """One document, in chunks, as pieces that a tokenizer can take one by one; nothing for an empty document."""
    return cut_fragments(chain((Piece(chunk, False) for chunk in chunks), [Piece("", True)]))


def cut_fragments(fragments: Iterator[Piece]) -> Iterator[Piece]:
    """Documents, each in fragments of any length, as pieces that a tokenizer can take one by one."""
    text, any_text = "", False
    for fragment, ends_document in fragments:
        text += fragment
        any_text = any_text or bool(fragment)
        while len(text) > CHUNK // 2 and (cut := cutting_position(text)):
            yield Piece(text[:cut], ends_document=False)
            text = text[cut:]
        if ends_document:
            if any_text:
                yield Piece(text, ends_document=True)
            text, any_text = "", False


def cut_separated(
    chunks: Iterator[str], separator: str | None, counts: Counts, ends_too: bool = False
) -> Iterator[Piece]:
    """A text, in chunks, as the pieces of the documents between separators, which are counted.

    Line ends on both sides of a separator belong to it, and with ``ends_too`` those at both ends of the text, too.
    """
    if separator is None:
        return cut_document(chunks)
    return cut_fragments(split_text(chunks, separator, counts, ends_too))


def split_text(chunks: Iterator[str], separator: str, counts: Counts, ends_too: bool) -> Iterator[Piece]:
    """Fragments of the documents between separators, whose line ends may be those of Windows in the text."""
    line_end = "\n" if "\r" in separator else "\r?\n"
    pattern = re.compile(line_end.join(map(re.escape, separator.split("\n"))))
    longest = len(separator) + separator.count("\n")
    rest, begins = "", ends_too  # what is undecided, and whether line ends that come next belong to a separator
    for chunk in chunks:
        *documents, rest = pattern.split(rest + chunk)
        counts.separators += len(documents)
        for document in documents:
            document = document.rstrip(LINE_ENDS)
            yield Piece(document.lstrip(LINE_ENDS) if begins else document, True)
            begins = True
        decided = rest[: max(0, len(rest) + 1 - longest)]
        if len(rest) < LONGEST_PIECE:  # endless line ends are text
            decided = decided.rstrip(LINE_ENDS)
        if decided:
            rest = rest[len(decided) :]
            fragment = decided.lstrip(LINE_ENDS) if begins else decided
            begins = begins and not fragment
            yield Piece(fragment, False)
    rest = rest.lstrip(LINE_ENDS) if begins else rest
    yield Piece(rest.rstrip(LINE_ENDS) if ends_too else rest, True)


def cutting_position(text: str) -> int:
    """Where a text may be cut without changing its tokens: before the last space or line end after a visible character.

    Words are split there before they are merged. 0 if there is none in the last LOOK_BACK characters; a text
    that goes on without any is cut at LONGEST_PIECE all the same, because no tokenizer takes endless words.
    """
    position = 0
    for look_back in (SHORT_LOOK_BACK, LOOK_BACK):
        for match in WORD_END.finditer(text, max(0, len(text) - look_back)):
            position = match.end()
        if position:
            return position
    return LONGEST_PIECE if len(text) > LONGEST_PIECE else 0


def split_pieces(pieces: Iterator[Piece], train_bytes: int) -> Iterator[tuple[str, Piece]]:
    """Labels the first ``train_bytes`` UTF-8 bytes "train" and the rest "val"; the piece between them is cut in two."""
    done, ended = 0, True
    for piece in pieces:
        before, done = done, done + utf8_length(piece.text)
        if done <= train_bytes:
            ended = piece.ends_document
            yield "train", piece
        elif before >= train_bytes:
            yield "val", piece
        else:
            encoded = piece.text.encode()[: train_bytes - before]
            head = encoded.decode(errors="ignore")  # the cut moves back to a whole character
            if head or not ended:
                yield "train", Piece(head, ends_document=True)
            yield "val", Piece(piece.text[len(head) :], piece.ends_document)
