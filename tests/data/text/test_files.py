"""Users' files: what is found, what is read, and what is said where it cannot be."""

import gzip
import json
import re
from pathlib import Path

import pyarrow as arrow
import pytest
import regex
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from common.errors import InputError
from data.text.files import read_pieces
from data.text.finding import find_files
from data.text.pieces import LONGEST_PIECE, Counts, Piece, cutting_position, split_pieces
from data.text.tokenizers import WORD_PATTERN


def text_of(path: Path, replaced: Counts | None = None) -> str:
    return "".join(piece.text for piece in read_pieces(path, "text", replaced or Counts()))


def test_a_folder_is_read_recursively_in_sorted_order(tmp_path):
    for name in ("b.txt", "a/z.md", "a/b.jsonl.gz", "ignored.pdf", "c.txt.zst"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = [str(path.relative_to(tmp_path)) for path in find_files(str(tmp_path)).files]
    assert found == ["a/b.jsonl.gz", "a/z.md", "b.txt", "c.txt.zst"]


@pytest.mark.parametrize(
    ("path", "message"),
    [("nothing.txt", "no such file or folder"), ("*.txt", "no files to read"), ("book.pdf", "unknown kind of file")],
)
def test_paths_without_text_are_named(tmp_path, path, message):
    (tmp_path / "book.pdf").touch()
    with pytest.raises(InputError, match=message):
        find_files(str(tmp_path / path))


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_compression_changes_nothing(tmp_path, suffix):
    content = "Grüße\r\nan alle, 日本語\n" * 50
    path = tmp_path / f"a.txt{suffix}"
    compress = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[suffix]
    path.write_bytes(compress(content.encode()))
    assert text_of(path) == content


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstd.compress)])
def test_a_truncated_archive_is_named(tmp_path, suffix, compress):
    path = tmp_path / f"a.txt{suffix}"
    whole = compress(bytes(range(256)) * 1000)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged or truncated"):
        text_of(path)


def test_archives_of_any_window_and_of_several_members_are_read(tmp_path):
    content = b"some text " * 99
    with zstd.open(tmp_path / "a.txt.zst", "wb", options={zstd.CompressionParameter.window_log: 31}) as file:
        file.write(content)
    skipped = bytes.fromhex("502a4d18 04000000 00000000")  # such as zstd's seekable format ends with
    (tmp_path / "b.txt.zst").write_bytes(zstd.compress(content[:300]) + skipped + zstd.compress(content[300:]))
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(content[:300]) + gzip.compress(content[300:]) + bytes(512))
    for path in tmp_path.iterdir():
        assert text_of(path) == content.decode(), path.name


def test_invalid_bytes_are_replaced_and_counted(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"ok \xff\xfe caf\xc3\xa9 \xe2\x82" + b"\n" * 1000)
    counts = Counts()
    assert text_of(path, counts) == "ok \ufffd\ufffd café \ufffd\ufffd" + "\n" * 1000
    assert counts.replaced == 4


def test_characters_split_between_chunks_survive(tmp_path, monkeypatch):
    for module in ("files", "pieces"):
        monkeypatch.setattr(f"data.text.{module}.CHUNK", 3)
    path = tmp_path / "a.txt"
    path.write_text("日本語 and\nmore 日本\n", encoding="utf-8")
    counts = Counts()
    assert text_of(path, counts) == "日本語 and\nmore 日本\n"
    assert counts.replaced == 0


def test_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfhello")
    assert text_of(path) == "hello"


ENGLISH, GERMAN, JAPANESE = ("a cat sat. ", "Der Bär läuft über die Straße. ", "吾輩は猫である。\n")


@pytest.mark.parametrize(
    ("text", "encoding", "share"),
    [
        (JAPANESE, "shift-jis", r"\d\d\.\d%"),
        (GERMAN, "latin-1", "12.9%"),
        (ENGLISH, "utf-16-le", "50.0%"),
        (JAPANESE, "utf-16-be", r"\d\d\.\d%"),
    ],
)
@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".parquet"])
def test_text_in_another_encoding_is_refused_with_the_share_that_is_lost(tmp_path, text, encoding, share, suffix):
    path, content = tmp_path / f"a{suffix}", (text * 50).encode(encoding)
    if suffix == ".parquet":
        parquet.write_table(arrow.table({"text": [content]}), path)
    else:
        record = json.dumps({"text": text * 50}, ensure_ascii=False)
        path.write_bytes(content if suffix == ".txt" else record.encode(encoding))
        share = share if suffix == ".txt" else r"\d\d\.\d%"
    with pytest.raises(
        InputError, match=rf"a{suffix}: {share} of its bytes \(.*\) are no UTF-8 text; save it as UTF-8"
    ):
        text_of(path)


@pytest.mark.parametrize(
    ("name", "content", "text", "replaced"),
    [
        ("a.txt", "Café, où? Naïveté!".encode("latin-1") + b" plain" * 80, None, 4),
        ("a.txt", b"a\0b\0", "a\0b\0", 0),
        ("a.txt", b"ab\0\0" * 99 + b"\0" * 50, "ab\0\0" * 99 + "\0" * 50, 0),
        ("a.jsonl", rb'{"text": "a\u0000b\u0000c\u0000d\u0000"}', "a\0b\0c\0d\0", 0),
        ("a.jsonl", rb'{"text": "wow \ud83d"}' + b"\n" + rb'{"text": "\ud83d \ud83d\ude00"}', "wow \ufffd\ufffd 😀", 2),
        ("a.jsonl", (rb'{"text": "\ud83d"}' + b"\n") * 100, "\ufffd" * 100, 100),
    ],
    ids=["a few stray bytes", "zeros", "many zeros", "zeros in JSON", "half an emoji", "many halves"],
)
def test_a_small_file_does_not_end_a_corpus_for_a_few_stray_bytes_or_what_is_utf8(
    tmp_path, name, content, text, replaced
):
    (tmp_path / name).write_bytes(content)
    counts = Counts()
    assert text_of(tmp_path / name, counts) == (content.decode(errors="replace") if text is None else text)
    assert counts.replaced == replaced


def test_utf16_without_a_mark_is_refused_also_where_it_has_few_zero_bytes_and_odd_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("data.text.files.CHUNK", 333)
    (tmp_path / "a.txt").write_bytes("Мой дядя самых честных правил, ".encode("utf-16-le") * 30)
    with pytest.raises(InputError, match=r"are no UTF-8 text; save it as UTF-8"):
        text_of(tmp_path / "a.txt")


def test_jsonl_lines_are_documents(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n\n{"text": "two\\nlines", "other": 1}\n')
    assert list(read_pieces(path, "text", Counts())) == [Piece("one", True), Piece("two\nlines", True)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "line 2: not JSON"),
        (json.dumps({"body": "x"}), "line 2: no text under 'text'"),
        (json.dumps({"text": 3}), "line 2: has 3 under 'text', which is no text; quote it"),
        (json.dumps({"text": ["a"]}), "line 2: no text under 'text'"),
        (json.dumps(["text"]), "line 2: no text under 'text'"),
    ],
)
def test_bad_json_lines_are_named(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(InputError, match=message):
        text_of(path)


@pytest.mark.parametrize(
    ("content", "jq"),
    [
        (json.dumps([{"text": "a"}], indent=2), r"-c '\.\[\]'"),
        (json.dumps([{"text": "a"}, {"text": "b"}]), r"-c '\.\[\]'"),
        ('[{"text": "a"},\n{"text": "b"}]', r"-c '\.\[\]'"),
        (json.dumps({"text": "a"}, indent=2), r"-c \."),
    ],
)
def test_json_over_many_lines_is_refused_as_what_it_is(tmp_path, content, jq):
    (tmp_path / "a.jsonl").write_text(content)
    message = rf"is one JSON value for all records, not a record on each line; make it so with: jq {jq} a.jsonl >"
    with pytest.raises(InputError, match=message):
        list(read_pieces(tmp_path / "a.jsonl", "text", Counts(), skip_without_text=True))


def test_an_empty_list_on_the_first_line_is_a_record_without_text(tmp_path):
    (tmp_path / "a.jsonl").write_text('[]\n{"text": "a"}\n')
    with pytest.raises(InputError, match="line 1: no text under 'text'"):
        text_of(tmp_path / "a.jsonl")
    assert list(read_pieces(tmp_path / "a.jsonl", "text", Counts(), skip_without_text=True)) == [Piece("a", True)]


@given(st.text(alphabet="ab1,' \n\t\r\u00a0", max_size=60))
def test_cutting_a_text_does_not_change_its_tokens(text):
    cut = cutting_position(text)
    words = regex.findall(WORD_PATTERN, text)
    assert regex.findall(WORD_PATTERN, text[:cut]) + regex.findall(WORD_PATTERN, text[cut:]) == words
    assert cut or not re.search(r"\S(?:[ \n]|\r\n)", text)


def test_a_text_without_spaces_is_cut_at_its_line_ends_of_either_kind():
    for end in ("\n", "\r\n"):
        text = f"人人生而自由{end}在尊严和权利上{end}一律平等"
        assert text[cutting_position(text) :] == f"{end}一律平等"


@pytest.mark.parametrize("line", ["some words\r\n", "a paragraph\n\n", "no line ends at all ", "endless", " "])
def test_long_texts_come_in_short_pieces_whatever_their_line_ends(tmp_path, line):
    text = line * (2_000_000 // len(line))
    for path, content in ((tmp_path / "a.txt", text), (tmp_path / "a.jsonl", json.dumps({"text": text}) + "\n")):
        path.write_text(content, newline="")
        pieces = list(read_pieces(path, "text", Counts()))
        assert "".join(piece.text for piece in pieces) == text
        assert max(len(piece.text) for piece in pieces) <= LONGEST_PIECE
        assert [piece.ends_document for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_empty_documents_are_none(tmp_path):
    (tmp_path / "a.txt").touch()
    assert list(read_pieces(tmp_path / "a.txt", "text", Counts())) == []


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-32"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_another_encoding_is_named_by_its_mark(tmp_path, name, encoding, order):
    (tmp_path / name).write_text('\ufeff{"text": "hello"}', encoding=f"{encoding}-{order}")
    with pytest.raises(InputError, match=f"is {encoding}; save it as UTF-8"):
        text_of(tmp_path / name)


def test_a_file_named_twice_is_read_once_and_hidden_folders_are_left_alone(tmp_path):
    for name in ("a/b/one.TXT", ".hidden/two.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert [path.name for path in find_files(f"{tmp_path}/a/**/**/*.TXT").files] == ["one.TXT"]
    assert [path.name for path in find_files(str(tmp_path)).files] == ["one.TXT"]
    with pytest.raises(InputError, match=r"data\.path is empty"):
        find_files("")


@given(st.lists(st.text(max_size=20), max_size=8), st.integers(0, 120))
def test_splitting_keeps_every_character_and_cuts_at_the_byte(texts, train_bytes):
    labelled = list(split_pieces(iter([Piece(text, True) for text in texts]), train_bytes))
    assert "".join(piece.text for _, piece in labelled) == "".join(texts)
    assert [split for split, _ in labelled] == sorted(split for split, _ in labelled)
    n_train = sum(len(piece.text.encode()) for split, piece in labelled if split == "train")
    total = len("".join(texts).encode())
    assert min(train_bytes, total) - 3 <= n_train <= train_bytes


@pytest.mark.parametrize(("ended", "train"), [(True, ["a¶"]), (False, ["a", "¶"])])
def test_a_split_within_the_first_character_of_a_document_makes_no_empty_one(ended, train):
    labelled = list(split_pieces(iter([Piece("a", ended), Piece("日本", True)]), 2))
    assert [piece.text + "¶" * piece.ends_document for split, piece in labelled if split == "train"] == train
    assert labelled[-1] == ("val", Piece("日本", True))
