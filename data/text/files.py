"""Reading text files of several kinds as a stream of pieces, in memory that does not grow with the files."""

import codecs
import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from backports import zstd

from common.errors import InputError, NoTextError
from data.text.finding import LINES_SUFFIX, PARQUET_SUFFIX, kind
from data.text.parquet import read_values
from data.text.pieces import CHUNK, LONE_SURROGATE, Counts, Piece, cut_separated, cut_text, is_clean

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
Binary = BufferedReader | gzip.GzipFile | zstd.ZstdFile | zipfile.ZipExtFile  # can be peeked into


def open_binary(path: Path) -> Binary:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")
    if path.suffix.lower() == ".zst":
        return zstd.open(path, "rb", options=ANY_WINDOW)
    return open(path, "rb")


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
