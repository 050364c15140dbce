"""Parquet files: the same text as in any other file, streamed, and one line where they cannot be read."""

import base64
import sys
from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from common.errors import InputError
from data import Files, TokenizerConfig, prepare
from data.text.files import read_pieces
from data.text.finding import find_files
from data.text.parquet import measure, read_rows, read_values
from data.text.pieces import Counts, Piece

TEXTS = [f"document {i}, {'é日本 ' * (i % 7)}" for i in range(300)]


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "a.parquet"
    table = arrow.table({"id": range(len(TEXTS)), "text": TEXTS, "body": arrow.array(TEXTS).dictionary_encode()})
    parquet.write_table(table, path, row_group_size=70)
    return path


@pytest.mark.parametrize("field", ["text", "body"])
def test_rows_are_documents(path, field):
    assert list(read_pieces(path, field, Counts())) == [Piece(text, True) for text in TEXTS]


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 70), (69, 71), (140, 140), (299, None), (5, 295)])
def test_some_of_the_rows_are_read(path, start, stop):
    assert list(read_rows(path, "text", start, stop)) == TEXTS[start:stop]


def test_rows_are_counted_and_their_text_is_estimated(path):
    rows, n_bytes = measure(path, "text")
    assert rows == len(TEXTS)
    assert n_bytes == pytest.approx(sum(len(text.encode()) for text in TEXTS), rel=0.3)


KINDS = (arrow.large_string(), arrow.string_view(), arrow.binary(), arrow.large_binary(), arrow.binary_view())


@pytest.mark.parametrize("dictionary", [False, True], ids=["plain", "dictionary"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_text_of_every_kind_is_text(tmp_path, kind, dictionary):
    column = arrow.array([text.encode() for text in TEXTS]).cast(kind)
    if dictionary:
        kind = arrow.dictionary(arrow.int32(), kind)
        schema = base64.b64encode(arrow.schema([("text", kind)]).serialize())  # what other writers put there
        table = arrow.table({"text": column}).replace_schema_metadata({"ARROW:schema": schema})
    else:
        table = arrow.table({"text": column})
    parquet.write_table(table, tmp_path / "a.parquet", store_schema=not dictionary)
    assert list(read_rows(tmp_path / "a.parquet", "text")) == TEXTS


def test_a_column_of_nothing_but_nulls_has_no_text_in_any_row(tmp_path):
    parquet.write_table(arrow.table({"text": arrow.nulls(3)}), tmp_path / "a.parquet")
    assert list(read_values(tmp_path / "a.parquet", "text")) == [None] * 3


def test_bytes_that_are_no_utf8_are_replaced_and_counted(tmp_path):
    bad = arrow.StringArray.from_buffers(1, arrow.py_buffer(b"\x00\0\0\0\x04\0\0\0"), arrow.py_buffer(b"ab\xffc"))
    parquet.write_table(arrow.table({"text": bad}), tmp_path / "a.parquet")
    counts = Counts()
    assert list(read_pieces(tmp_path / "a.parquet", "text", counts)) == [Piece("ab\ufffdc", True)]
    assert counts.replaced == 1


def test_parquet_trains_like_the_same_text_in_lines(path, tmp_path):
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(f'{{"text": "{text}"}}\n' for text in TEXTS), encoding="utf-8")
    one, other = (prepare(Files(str(file)), TokenizerConfig("bytes"), tmp_path / "cache") for file in (path, lines))
    assert one.key == other.key


def test_parquet_is_found_but_not_compressed_again(path):
    path.with_name("b.parquet.gz").touch()
    assert find_files(str(path.parent)).files == [path]


def test_what_is_missing_is_named(path, tmp_path):
    for field in ("txet", "id"):
        with pytest.raises(InputError, match=rf"no text under '{field}'; .* data.field=..., of text, body$"):
            list(read_rows(path, field))
    parquet.write_table(arrow.table({"text": ["a", None]}), tmp_path / "null.parquet")
    with pytest.raises(InputError, match=r"null.parquet, row 1: no text under 'text'"):
        list(read_rows(tmp_path / "null.parquet", "text"))


@pytest.mark.parametrize(
    ("columns", "remedy"),
    [
        ({"id": [1], "meta": [{"n": 1, "text": "a"}]}, "name the column with data.field=..., of meta.text"),
        ({"id": [1], "meta": [{"n": 1}]}, "no column has any"),
    ],
)
def test_only_columns_of_text_are_named(tmp_path, columns, remedy):
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"a.parquet: no text under 'id'; {remedy}$"):
        list(read_rows(tmp_path / "a.parquet", "id"))


@pytest.mark.parametrize("damage", ["truncated", "no parquet", "altered", "empty"])
def test_a_damaged_file_is_named(path, damage):
    whole = path.read_bytes()
    path.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "no parquet": b"hello" * 100,
            "altered": whole[:4] + b"\xff" * (len(whole) // 2) + whole[4 + len(whole) // 2 :],
            "empty": b"",
        }[damage]
    )
    with pytest.raises(InputError, match=rf"{path}: damaged, or no Parquet file \(.*\)$") as caught:
        list(read_rows(path, "text"))
    assert "\n" not in str(caught.value)


def test_without_pyarrow_one_line_says_what_to_install(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="pip install pyarrow"):
        list(read_rows(path, "text"))
