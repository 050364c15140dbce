"""Tokens on disk: complete, reused, and never half there."""

import json
from pathlib import Path

import inputs
import numpy as np
import pytest

from common.errors import InputError
from data import Batches, Files, TokenizerConfig, prepare
from data.stories import lexicon
from data.text import shards

BYTES = TokenizerConfig("bytes")


def write(path: Path, text: str) -> Files:
    path.write_text(text, encoding="utf-8")
    return Files(str(path))


def test_tokens_are_the_text_and_the_last_tenth_is_validation(tmp_path):
    text = "".join(chr(97 + i % 26) for i in range(1000))
    dataset = prepare(write(tmp_path / "a.txt", text), BYTES, tmp_path / "cache")
    train, val = (tokens.read(0, len(tokens)) for tokens in (dataset.train, dataset.val))
    assert dataset.tokenizer.decode(train[:-1]) == text[:900]
    assert dataset.tokenizer.decode(val[:-1]) == text[900:]
    assert train[-1] == val[-1] == dataset.tokenizer.end
    assert dataset.val_bytes == 100


def test_documents_are_separated_by_the_end_token(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"document {i} "}) + "\n" for i in range(20)))
    dataset = prepare(Files(str(path)), BYTES, tmp_path / "cache")
    ends = (dataset.train.read(0, len(dataset.train)) == dataset.tokenizer.end).sum()
    assert ends == 18 + 1, "the document at the cut ends on both sides of it"


def test_text_in_small_chunks_has_the_tokens_of_the_whole(input_folder, tmp_path, monkeypatch):
    text = (input_folder / inputs.PLAY).read_text(encoding="utf-8")[:200_000]
    assert len(text) == 200_000
    corpus = write(tmp_path / "a.txt", text)
    for module in ("files", "pieces"):
        monkeypatch.setattr(f"data.text.{module}.CHUNK", 1_000)
    dataset = prepare(corpus, TokenizerConfig("bpe", 500), tmp_path / "cache")
    whole = dataset.tokenizer.encode(text[:180_000])
    assert dataset.train.read(0, len(whole)).tolist() == whole.tolist()


def test_tokens_cross_shards_and_types(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_TOKENS", 64)
    monkeypatch.setattr(shards, "FLUSH_TOKENS", 100)
    for vocab_size, dtype in ((300, "<u2"), (1 << 17, "<u4")):
        folder = tmp_path / dtype[1:]
        folder.mkdir()
        writer = shards.ShardWriter(folder, "train", vocab_size)
        ids = np.random.default_rng(0).integers(vocab_size, size=1000)
        for part in np.split(ids, [3, 130, 131, 700]):
            writer.write(part)
        manifest = {"dtype": writer.dtype.str, "train": {"shards": writer.close()}}
        tokens = shards.open_split(folder, manifest, "train")
        assert manifest["dtype"] == dtype
        assert len(tokens) == 1000
        assert len(manifest["train"]["shards"]) == 16
        assert tokens.read(0, 1000).tolist() == ids.tolist()
        assert tokens.read(60, 9).tolist() == ids[60:69].tolist()
        with pytest.raises(IndexError):
            tokens.read(995, 6)


def test_nothing_is_made_twice_while_nothing_changes(tmp_path):
    corpus = write(tmp_path / "a.txt", "some text " * 50)
    first = prepare(corpus, BYTES, tmp_path / "cache")
    stamp = (first.folder / "manifest.json").stat().st_mtime_ns
    again = prepare(corpus, BYTES, tmp_path / "cache")
    assert (again.folder / "manifest.json").stat().st_mtime_ns == stamp
    changed = prepare(write(tmp_path / "a.txt", "other text" * 50), BYTES, tmp_path / "cache")
    assert changed.key != first.key


def test_other_settings_have_other_tokens(tmp_path):
    corpus = write(tmp_path / "a.txt", "some text " * 50)
    keys = {prepare(corpus, config, tmp_path / "cache").key for config in (BYTES, TokenizerConfig("bpe", 300))}
    assert len(keys) == 2


def test_an_interrupted_preparation_leaves_nothing_that_looks_whole(tmp_path):
    corpus = write(tmp_path / "a.txt", "some text " * 50)

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(corpus, BYTES, tmp_path / "cache", progress=interrupt)
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-2]), "has .* bytes instead of"),
        (lambda path: path.write_bytes(b"\x01" + path.read_bytes()[1:]), "is damaged"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
def test_a_damaged_shard_is_named_with_its_remedy(tmp_path, damage, message):
    corpus = write(tmp_path / "a.txt", "some text " * 50)
    dataset = prepare(corpus, BYTES, tmp_path / "cache")
    damage(dataset.folder / "train_00000.bin")
    with pytest.raises(InputError, match=message) as caught:
        prepare(corpus, BYTES, tmp_path / "cache")
    assert f"delete {dataset.folder}" in str(caught.value)


def test_a_damaged_manifest_is_named(tmp_path):
    corpus = write(tmp_path / "a.txt", "some text " * 50)
    dataset = prepare(corpus, BYTES, tmp_path / "cache")
    (dataset.folder / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest.json cannot be read"):
        prepare(corpus, BYTES, tmp_path / "cache")


def test_an_empty_corpus_and_one_shorter_than_a_block_are_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no text"):
        prepare(write(tmp_path / "empty.txt", ""), BYTES, tmp_path / "cache")
    dataset = prepare(write(tmp_path / "short.txt", "just this"), BYTES, tmp_path / "cache")
    with pytest.raises(InputError, match=r"9 training tokens, too few for model.block_size=64"):
        dataset.require(64)


def test_endless_words_and_spaces_do_not_stop_anything(tmp_path):
    text = "a" * 200_000 + "\n" * 200_000 + " words at last" * 2_000
    dataset = prepare(write(tmp_path / "a.txt", text), TokenizerConfig("bpe", 300), tmp_path / "cache")
    assert dataset.tokenizer.decode(dataset.train.read(0, len(dataset.train) - 1)) == text[: int(len(text) * 0.9)]


def test_touching_a_file_or_losing_the_cache_does_not_change_the_key(tmp_path):
    corpus = write(tmp_path / "a.txt", "some text " * 50)
    first = prepare(corpus, TokenizerConfig("bpe", 300), tmp_path / "cache")
    (tmp_path / "a.txt").touch()
    again = prepare(corpus, TokenizerConfig("bpe", 300), tmp_path / "another cache")
    assert again.key == first.key
    assert again.folder.name != first.folder.name


def test_invalid_bytes_are_counted_also_when_the_tokens_are_reused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"ab\xff" * 2)
    for _ in range(2):
        assert prepare(Files(str(path)), BYTES, tmp_path / "cache").counts.replaced == 2


def test_the_first_file_with_invalid_bytes_is_named(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, content in (("a", b"clean"), ("b", b"ab\xff" * 2), ("c", b"cd\xff")):
        (folder / f"{name}.txt").write_bytes(content)
    for _ in range(2):
        (note,) = prepare(Files(str(folder)), BYTES, tmp_path / "cache").counts.notes()
        assert note.startswith("3 bytes or half characters were no UTF-8 and became U+FFFD, in ")
        assert note.endswith("texts/b.txt and 1 more")


def test_stories_give_every_word_one_token(story_tokenizer):
    """Every word that a story is about, unless it is spelled anew."""
    known = set(story_tokenizer.pieces)
    for word in lexicon.words_of(tuple(vars(lexicon.CAST).values())):
        assert f" {word}".encode() in known


def batches_of(n_tokens: int, block: int, sequences: int, seed: int = 0) -> Batches:
    return Batches(shards.Tokens([np.arange(n_tokens)]), block, sequences, seed)


def test_an_epoch_shows_every_window_once():
    batches = batches_of(101, block=10, sequences=3)
    n_windows = len(batches.order)
    starts = [row[0] for _ in range(n_windows // 3) for row in batches.next()]
    assert len(set(starts)) == len(starts)
    assert {start % 10 for start in starts} == {batches.phase}


def test_windows_overlap_by_the_target_only():
    batch = batches_of(101, block=10, sequences=4).next()
    assert batch.shape == (4, 11)
    assert (np.diff(batch, axis=1) == 1).all()


def test_every_epoch_has_its_own_order():
    batches = batches_of(2_000, block=10, sequences=1)
    orders = []
    for epoch in range(3):
        batches.start_epoch(epoch, 0)
        orders.append(tuple(batches.order))
    assert len(set(orders)) == 3


def test_the_state_is_enough_to_go_on():
    one, other = batches_of(500, 10, 7), batches_of(500, 10, 7)
    for _ in range(9):
        one.next()
    other.load_state(json.loads(json.dumps(one.state())))
    for _ in range(9):
        assert (one.next() == other.next()).all()


@pytest.mark.parametrize("n_tokens", [11, 12, 20, 21, 29])
def test_the_shortest_corpora_have_a_window(n_tokens):
    batches = batches_of(n_tokens, block=10, sequences=2)
    for _ in range(5):
        assert batches.next().max() < n_tokens


def test_a_validation_fraction_that_leaves_nothing_to_train_on_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("some text")
    corpus = Files(str(tmp_path / "a.txt"), val_fraction=0.9999999999999999)
    with pytest.raises(
        InputError, match=r"^data\.val_fraction=0\.9999999999999999: leaves none of 9 bytes to train on$"
    ):
        prepare(corpus, TokenizerConfig("bytes"), tmp_path)
