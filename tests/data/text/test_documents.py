"""What is a document: what stands between separators, a record; and which text is held out, and counted."""

import json
import random

import pyarrow as arrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from common.errors import InputError
from data import Files, TokenizerConfig, prepare
from data.text.files import read_pieces
from data.text.pieces import END, Counts, cut_separated

BYTES = TokenizerConfig("bytes")


def documents(tokens, tokenizer):
    """The texts that end with an end token."""
    ids = tokens.read(0, len(tokens)).tolist()
    assert ids[-1] == tokenizer.end
    texts = [[]]
    for i in ids[:-1]:
        texts.append([]) if i == tokenizer.end else texts[-1].append(i)
    return [tokenizer.decode(text) for text in texts]


def split(chunks, separator, counts=None, ends_too=False):
    pieces = cut_separated(iter(chunks), separator, counts or Counts(), ends_too)
    return "".join(piece.text + "¶" * piece.ends_document for piece in pieces).split("¶")[:-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One.\n<|endoftext|>\nTwo.\n", ["One.", "Two.\n"]),
        ("One.<|endoftext|>Two.", ["One.", "Two."]),
        ("\n One \r\n\r\n<|endoftext|>\r\n  Two", ["\n One ", "  Two"]),
        ("<|endoftext|>One<|endoftext|>\n\n<|endoftext|>", ["One"]),
        ("<|endoftext|", ["<|endoftext|"]),
        ("\n\n", ["\n\n"]),
        ("", []),
    ],
)
def test_line_ends_beside_a_separator_belong_to_it(text, expected):
    counts = Counts()
    assert split([text], END, counts) == expected
    assert counts.separators == text.count(END)


@settings(max_examples=60)
@given(
    st.text("ab\r\n<|>", max_size=60),
    st.sampled_from(["<|>", "\n\n", "\n", "a", "\na\n", "<|<", "\r\n", "\r\na"]),
    st.randoms(),
)
def test_documents_do_not_depend_on_where_chunks_end(text, separator, chance: random.Random):
    cuts = sorted(chance.choices(range(len(text) + 1), k=6))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    counts, whole = Counts(), Counts()
    assert split(chunks, separator, counts) == split([text], separator, whole)
    assert counts == whole


def test_a_separator_with_line_ends_is_also_found_with_those_of_windows(tmp_path):
    for name, line_end in (("a", "\n"), ("b", "\r\n")):
        lines = (f"{name} 1", f"{name} 2", "---", "", f"{name} 3", "---", f"{name} 4", "")
        (tmp_path / f"{name}.txt").write_bytes(line_end.join(lines).encode())
    corpus, counts = Files(str(tmp_path), separator="\n---\n"), Counts()
    pieces = list(corpus.documents(corpus.files(tmp_path)["train"], counts))
    expected = ["a 1\na 2", "a 3", "a 4\n", "b 1\r\nb 2", "b 3", "b 4\r\n"]
    assert [piece.text for piece in pieces if piece.ends_document] == expected
    assert (len(pieces), counts.separators) == (6, 4)


def test_endless_line_ends_before_a_separator_are_not_kept_in_memory(monkeypatch):
    monkeypatch.setattr("data.text.pieces.LONGEST_PIECE", 100)
    (text,) = split(["\n" * 50] * 10 + ["x"], END)
    assert text == "\n" * 500 + "x"


def test_documents_of_a_text_file_end_in_the_end_token_and_are_counted(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(f"\n{END}\n".join(f"document {i:03}" for i in range(100)))
    dataset = prepare(Files(str(path)), BYTES, tmp_path)
    texts = documents(dataset.train, dataset.tokenizer) + documents(dataset.val, dataset.tokenizer)
    assert texts == [f"document {i:03}" for i in range(100)]
    assert (dataset.val_bytes, dataset.counts.separators, dataset.counts.ends_in_text) == (120, 99, 0)
    assert dataset.counts.notes() == [
        "99 separators (data.separator, by default <|endoftext|>) ended documents and are no text"
    ]


@pytest.mark.parametrize(
    ("separator", "shown", "remedy"),
    [
        (r"\n---\n", r"\n---\n", r"; a separator with newlines is written $'\n---\n' in bash"),
        ("\n\n---", "↵↵---", ""),
    ],
)
def test_a_separator_of_ones_own_that_never_occurs_is_noted(tmp_path, separator, shown, remedy):
    path = tmp_path / "a.txt"
    path.write_text("one\n---\ntwo\n" * 9)
    (note,) = prepare(Files(str(path), separator=separator), BYTES, tmp_path).counts.notes()
    assert note == f"data.separator={shown} is in no .txt or .md file{remedy}"
    for occurs in ("\n---\n", END, None):
        notes = prepare(Files(str(path), separator=occurs), BYTES, tmp_path).counts.notes()
        assert not any("is in no" in note for note in notes)


def test_without_a_separator_it_is_text_and_counted(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(f"some words {END} " * 50)
    dataset = prepare(Files(str(path), separator=None), TokenizerConfig("bpe", 300), tmp_path)
    (text,) = documents(dataset.train, dataset.tokenizer)
    assert text.count(END) == 45
    assert prepare(Files(str(path), separator=None), TokenizerConfig("bpe", 300), tmp_path).counts.ends_in_text == 50


def test_a_separator_in_a_record_is_text_and_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": f"a {END} b"}) + "\n" + json.dumps({"text": "long " * 50}) + "\n")
    dataset = prepare(Files(str(path)), BYTES, tmp_path)
    assert documents(dataset.train, dataset.tokenizer)[0] == f"a {END} b"
    assert (dataset.counts.separators, dataset.counts.ends_in_text) == (0, 1)


def test_a_separator_must_be_some_text():
    with pytest.raises(ValueError, match=r"separator is empty; data\.separator=null reads"):
        Files("a.txt", separator="")


def test_a_validation_file_of_ones_own_is_not_trained_on(tmp_path):
    for name in ("a", "b", "val"):
        (tmp_path / f"{name}.txt").write_text(f"text of {name}" * 9)
    said = []
    corpus = Files(str(tmp_path), val_path=str(tmp_path / "v*.txt"))
    dataset = prepare(corpus, BYTES, tmp_path / "cache", lambda text, *_: said.append(text))
    assert documents(dataset.train, dataset.tokenizer) == ["text of a" * 9, "text of b" * 9]
    assert documents(dataset.val, dataset.tokenizer) == ["text of val" * 9]
    assert dataset.val_bytes == 99
    assert said[:2] == [
        "data.path: 3 files are read (3 .txt)",
        "data.path: 1 of these files are those of data.val_path",
    ]
    (tmp_path / "val.txt").write_text("other text")
    assert prepare(corpus, BYTES, tmp_path / "cache").val_bytes == 10


def test_a_link_to_a_validation_file_is_not_trained_on(tmp_path):
    (tmp_path / "val.txt").write_text("text to validate")
    (tmp_path / "train.txt").write_text("text to train")
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.txt").hardlink_to(tmp_path / "train.txt")
    (tmp_path / "train/b.txt").hardlink_to(tmp_path / "val.txt")
    (tmp_path / "train/c.txt").symlink_to(tmp_path / "val.txt")
    corpus = Files(str(tmp_path / "train"), val_path=str(tmp_path / "val.txt"))
    assert [file.name for file in corpus.files(tmp_path)["train"]] == ["a.txt"]


@pytest.mark.parametrize(
    ("val", "message"),
    [
        ("a.txt", r"nothing is left to train on without the files of data\.val_path"),
        ("b.txt", r"data\.val_path=.*b\.txt: there is no text in it"),
        ("c.txt", r"data\.val_path=.*c\.txt: there is no such file or folder"),
        ("", r"data\.val_path is empty"),
    ],
)
def test_a_validation_file_that_cannot_be_one_is_named(tmp_path, val, message):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").touch()
    with pytest.raises(InputError, match=message):
        prepare(Files(str(tmp_path / "a.txt"), val_path=val and str(tmp_path / val)), BYTES, tmp_path / "cache")


def test_a_validation_file_and_a_share_exclude_each_other():
    with pytest.raises(ValueError, match=r"val_fraction=0\.2: val_path=b\.txt is all validation text; give one"):
        Files("a.txt", val_path="b.txt", val_fraction=0.2)
    assert Files("a.txt").val_fraction == 0.1


TEXTS = ["one", None, "two", None, "three"]


def as_lines(path, texts):
    wrong = [{"text": 3, "meta": None}, {"meta": {"text": None}}]
    records = [wrong[i % 2] if text is None else {"text": text, "meta": {"text": text}} for i, text in enumerate(texts)]
    path.with_suffix(".jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return path.with_suffix(".jsonl")


def as_rows(path, texts):
    table = {"text": texts, "meta": [text if text is None else {"n": 1, "text": text} for text in texts]}
    parquet.write_table(arrow.table(table), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


@pytest.mark.parametrize("field", ["text", "meta.text"])
@pytest.mark.parametrize(("write", "where"), [(as_lines, "line 2"), (as_rows, "row 1")], ids=["lines", "rows"])
def test_a_record_without_text_is_named_or_left_out_and_counted(tmp_path, write, where, field):
    path, counts = write(tmp_path / "a", TEXTS), Counts()
    with pytest.raises(InputError, match=rf"{where}: no text under '{field}'; .* data\.skip_without_text=true"):
        list(read_pieces(path, field, counts))
    texts = [piece.text for piece in read_pieces(path, field, counts, skip_without_text=True)]
    assert (texts, counts.without_text) == (["one", "two", "three"], 2)


@pytest.mark.parametrize("write", [as_lines, as_rows])
def test_what_was_left_out_is_noted(tmp_path, write):
    path = write(tmp_path / "a", TEXTS)
    dataset = prepare(Files(str(path), skip_without_text=True), BYTES, tmp_path)
    assert dataset.counts.notes() == ["2 records without text were left out (data.skip_without_text)"]


@pytest.mark.parametrize("write", [as_lines, as_rows])
def test_with_a_validation_file_all_text_is_read_once(tmp_path, monkeypatch, write):
    train, val = write(tmp_path / "a", ["some text"] * 30), write(tmp_path / "val", ["other text"] * 10)
    read, totals = [], set()

    def counted(*given):
        for piece in read_pieces(*given):
            read.append(piece)
            yield piece

    monkeypatch.setattr("data.text.corpora.read_pieces", counted)
    corpus = Files(str(train), val_path=str(val))
    dataset = prepare(corpus, BYTES, tmp_path / "cache", lambda text, _, total: totals.add((text, total)))
    assert documents(dataset.val, dataset.tokenizer) == ["other text"] * 10
    assert len(read) == 30 + 10 + 2, "the first piece of each shows that there is text"
    size = sum(path.stat().st_size for path in (train, val))
    assert totals == {("tokenizing", size if write is as_lines else None)}, "what compressed text comes to is unknown"


def test_a_name_with_a_dot_comes_before_a_path(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"a.b": "whole", "a": {"b": "nested"}}))
    parquet.write_table(arrow.table({"a": [{"b": "nested"}], "a.b": ["whole"]}), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        assert [piece.text for piece in read_pieces(tmp_path / name, "a.b", Counts())] == ["whole"]
