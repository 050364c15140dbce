"""Corpora by name: what their files hold becomes documents, and what is held out is what is said."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from common.errors import InputError
from data import Dataset, Named, TokenizerConfig, prepare
from data.text.catalog import CATALOG
from data.text.download import WebFile
from data.text.named import read_separated, read_zip
from data.text.pieces import Counts

BYTES = TokenizerConfig("bytes")
LONG = " ".join(str(i * i) for i in range(700)).encode()


def documents(tokens: object, dataset: Dataset) -> list[str]:
    ids = tokens.read(0, len(tokens)).tolist()
    texts, text = [], []
    for i in ids:
        if i == dataset.tokenizer.end:
            texts.append(dataset.tokenizer.decode(text))
            text = []
        else:
            text.append(i)
    return [*texts, dataset.tokenizer.decode(text)] if text else texts


def as_parquet(texts: list[str]) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(arrow.table({"text": texts}), sink, row_group_size=3)
    return sink.getvalue()


def as_zip(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """``here("wikitext103", [bytes], [bytes], ...)``: that corpus, of these files, which are in the cache already."""

    def put(name: str, train: list[bytes], val: list[bytes] = (), **changes: object) -> Named:
        remotes = {}
        for kind, contents in (("train", train), ("val", val)):
            remotes[kind] = ()
            for i, content in enumerate(contents):
                sha256 = hashlib.sha256(content).hexdigest()
                remote = WebFile("https://nowhere.invalid/x", f"{kind}{i}", len(content), sha256)
                (tmp_path / "downloads").mkdir(exist_ok=True)
                (tmp_path / "downloads" / remote.path).write_bytes(content)
                remotes[kind] += (remote,)
        monkeypatch.setitem(CATALOG, name, replace(CATALOG[name], **remotes, **changes))
        return Named(name)

    return put


def texts_of(corpus: Named, cache: Path) -> tuple[list[str], list[str]]:
    dataset = prepare(corpus, BYTES, cache)
    return documents(dataset.train, dataset), documents(dataset.val, dataset)


def test_a_separating_line_is_a_boundary_and_no_text(here, tmp_path):
    train = b"\nOne day.\n\nThe end.\n<|endoftext|>\n\nTwo.\n<|endoftext|>\n<|endoftext|>\nThree"
    corpus = here("tinystories", [train], [b"Four.\n<|endoftext|>\n"])
    assert texts_of(corpus, tmp_path) == (["One day.\n\nThe end.", "Two.", "Three"], ["Four."])


@pytest.mark.parametrize("chunk", [1, 5, 17, 1000])
def test_a_separator_between_two_chunks_is_one(tmp_path, monkeypatch, chunk):
    for module in ("files", "pieces"):
        monkeypatch.setattr(f"data.text.{module}.CHUNK", chunk)
    (tmp_path / "a").write_text("One, é.\n<|endoftext|>\nTwo < | end\n<|endoftext|>\nThree", encoding="utf-8")
    pieces = list(read_separated([tmp_path / "a"], Counts()))
    text = "".join(piece.text + "|" * piece.ends_document for piece in pieces)
    assert text == "One, é.|Two < | end|Three|"


def test_lines_of_wikipedia_become_articles_also_across_files(here, tmp_path):
    one = ["", " = First = \n", "", " Text of it . \n", "", " = = Section = = \n", "", " More . \n"]
    two = [" = no title , no blank line before = \n", "", " = Second = \n", "", " Text . \n"]
    held_out = ["", " = Third = \n", ""]
    train, val = texts_of(here("wikitext103", [as_parquet(one), as_parquet(two)], [as_parquet(held_out)]), tmp_path)
    assert [text.split("= ")[1] for text in train] == ["First ", "Second "]
    assert train[0].startswith(" \n = First = \n \n Text of it . \n \n = = Section")
    assert train[0].endswith(" More . \n = no title , no blank line before = \n \n")
    assert val == [" \n = Third = \n \n"]


@pytest.mark.parametrize("n_files", [1, 2])
def test_the_last_rows_of_the_first_file_are_held_out_whatever_the_number_of_files(here, tmp_path, n_files):
    files = [as_parquet([f"{name}{i}" for i in range(10)]) for name in "ab"]
    here("fineweb_edu", files, val_rows=4)
    train, val = texts_of(Named("fineweb_edu", n_files), tmp_path)
    assert val == ["a6", "a7", "a8", "a9"]
    assert train == [*(f"a{i}" for i in range(6)), *(f"b{i}" for i in range(10 if n_files == 2 else 0))]


def test_enwik8_is_cut_at_whole_characters_and_its_end_is_left_out(here, tmp_path):
    text = "0123456789" * 9 + "日本語" * 5
    corpus = here("enwik8", [as_zip(enwik8=text.encode())], cut=(92, 100))
    dataset = prepare(corpus, BYTES, tmp_path)
    train, val = texts_of(corpus, tmp_path)
    assert ("".join(train), "".join(val)) == (text[:90], "日本語")
    assert (dataset.counts.replaced, dataset.val_bytes) == (0, 9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (as_zip(a=LONG)[:-60], "damaged archive"),
        (as_zip(a=LONG)[:300] + b"\xff" + as_zip(a=LONG)[301:], "damaged archive"),
        (as_zip(a=b"a", b=b"b"), "must hold one file, of at most 5,000 bytes"),
        (as_zip(a=bytes(5_001)), "must hold one file, of at most 5,000 bytes"),
    ],
    ids=["truncated", "altered", "two files", "a bomb"],
)
def test_an_archive_that_is_not_the_expected_is_named(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr("data.text.named.UNZIPPED", 5_000)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_zip([tmp_path / "a.zip"], Counts()))


def test_shakespeare_keeps_the_fingerprint_of_earlier_versions(tmp_path):
    sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    assert Named("shakespeare").fingerprint(tmp_path) == {"corpus": "shakespeare", "sha256": sha256}


def test_tokens_that_are_there_need_no_files(here, tmp_path):
    corpus = here("tinystories", [b"One.\n<|endoftext|>\nTwo."], [b"Three."])
    key = prepare(corpus, BYTES, tmp_path).key
    for path in (tmp_path / "downloads").iterdir():
        path.unlink()
    assert prepare(corpus, BYTES, tmp_path).key == key


def test_another_number_of_files_is_another_corpus_and_must_be_one_that_there_is():
    assert Named("fineweb_edu").n_files == 1
    assert Named("fineweb_edu").fingerprint(Path()) != Named("fineweb_edu", 2).fingerprint(Path())
    for n_files in (0, 15):
        with pytest.raises(ValueError, match=rf"n_files={n_files}: fineweb_edu has 1 to 14 of them"):
            Named("fineweb_edu", n_files)


def test_every_entry_of_the_catalog_says_what_its_files_must_be():
    paths = [remote.path for source in CATALOG.values() for remote in (*source.train, *source.val)]
    assert len(set(paths)) == len(paths)
    for name, source in CATALOG.items():
        for remote in (*source.train[: source.n_files], *source.val):
            assert remote.url.startswith("https://"), name
            assert remote.size, name
            assert len(bytes.fromhex(remote.sha256)) == 32, name


def test_files_that_earlier_versions_downloaded_lie_where_they_are_looked_for():
    paths = {remote.path for source in CATALOG.values() for remote in (*source.train, *source.val)}
    assert paths >= {
        "tinyshakespeare.txt",
        "enwik8.zip",
        "tinystories/TinyStoriesV2-GPT4-valid.txt",
        "wikitext103/validation-00000-of-00001.parquet",
        "fineweb_edu/013_00000.parquet",
        "openwebtext/train-00079-of-00080.parquet",
    }


@pytest.mark.parametrize("tokenizer", [BYTES, TokenizerConfig("bpe", 300)], ids=["bytes", "bpe"])
def test_every_download_can_be_watched(here, tmp_path, monkeypatch, tokenizer):
    """Whichever pass over the corpus finds that its files are missing."""
    corpus, watched = here("enwik8", [as_zip(enwik8=LONG)], cut=(1_000, 2_000)), []

    def fetch_all(name: str, remotes: object, folder: Path, progress: object) -> list[Path]:
        watched.append(progress)
        return [folder / remote.path for remote in remotes]

    monkeypatch.setattr("data.text.named.fetch_all", fetch_all)

    def progress(*_: object) -> None:
        pass

    prepare(corpus, tokenizer, tmp_path, progress)
    assert len(watched) == (2 if tokenizer is BYTES else 3)
    assert set(watched) == {progress}
