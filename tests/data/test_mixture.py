"""Several corpora in one run: each has its share, its own order and its own tokens, whoever reads them."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data import Batches, Dataset, Files, TokenizerConfig, prepare, preparing
from data.mixture import FilesPart, StoriesPart, corpora_of, start_of, text_of
from data.preparing import blended, prepare_mixed
from data.stories import Stories
from data.text.batches import MixedBatches, batches_of
from data.text.pieces import utf8_length
from data.text.shards import Tokens

BYTES = TokenizerConfig("bytes")
BLOCK = 8
SHARES = {"data": 0.7, "few": 0.2, "rare": 0.1}


def mixed_batches(sequences: int = 6, rank: int = 0, size: int = 1, seed: int = 3) -> MixedBatches:
    """Of three corpora whose ids are 0 ..., 1,000 ... and 2,000 ..., the second of which has few windows."""
    lengths = (400, 50, 300)
    tokens = [Tokens([np.arange(1_000 * i, 1_000 * i + length)]) for i, length in enumerate(lengths)]
    parts = [Batches(one, BLOCK, sequences, seed, rank, size) for one in tokens]
    return MixedBatches(parts, list(SHARES.values()), seed)


def origins(batch: np.ndarray) -> list[int]:
    """Which corpus each sequence is from."""
    return (batch[:, 0] // 1_000).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_every_stretch_of_sequences_has_each_corpus_by_its_share(seed):
    """A stretch of n multiples of the golden ratio, n up to 200, misses an interval's share by less than 3."""
    drawn = np.array([mixed_batches(seed=seed).part_of(position) for position in range(2_000)])
    for n in (1, 10, 16, 200):
        for start in range(0, 2_000 - n, 7):
            counts = np.bincount(drawn[start : start + n], minlength=3)
            assert np.abs(counts - n * np.array([*SHARES.values()])).max() < 3


def test_seeds_mix_in_another_order():
    one, other = (mixed_batches(seed=seed) for seed in (3, 4))
    assert [one.part_of(n) for n in range(50)] != [other.part_of(n) for n in range(50)]


def test_each_corpus_is_read_in_the_order_that_it_has_alone_epoch_after_epoch():
    batches = mixed_batches()
    read = np.concatenate([batches.next() for _ in range(20)])
    few = read[np.array(origins(read)) == 1]
    assert len(few) > 2 * 6, "there were three epochs of its six windows"
    alone = Batches(Tokens([np.arange(1_000, 1_050)]), BLOCK, len(few), 3)
    assert np.array_equal(few, alone.next())


def test_a_mixture_goes_on_exactly_where_it_stopped():
    batches = mixed_batches()
    for _ in range(5):
        batches.next()
    state, expected = batches.state(), [batches.next() for _ in range(5)]
    resumed = mixed_batches()
    resumed.load_state(state)
    assert np.array_equal([resumed.next() for _ in range(5)], expected)


def test_several_processes_read_the_batches_of_one():
    alone, shared = mixed_batches(), [mixed_batches(rank=rank, size=3) for rank in range(3)]
    for _ in range(10):
        whole, parts = alone.next(), [batches.next() for batches in shared]
        for rank, part in enumerate(parts):
            assert np.array_equal(part, whole[rank::3])


@pytest.fixture
def book(tmp_path: Path) -> Files:
    path = tmp_path / "book.txt"
    path.write_text("It was a dark and stormy night; the rain fell in torrents. " * 100)
    return Files(str(path))


def of(book: Files, share: float = 0.1) -> dict:
    return corpora_of(book, {"stories": StoriesPart(share=share, n_train=100, n_val=10)})


def mixed(book: Files, tmp_path: Path, share: float = 0.1, tokenizer: TokenizerConfig = BYTES) -> Dataset:
    return prepare_mixed(of(book, share), tokenizer, tmp_path / "cache")


def test_data_has_the_rest_and_a_part_without_a_share_is_left_out(book):
    mix = {"b": StoriesPart(share=0.25), "a": FilesPart("x", share=0.5), "none": FilesPart("y", share=0)}
    corpora = corpora_of(book, mix)
    assert {name: share for name, (share, _) in corpora.items()} == {"files": 0.25, "a": 0.5, "b": 0.25}
    assert list(corpora_of(book, dict(reversed(mix.items())))) == list(corpora), "whatever the order they are given in"


def test_the_text_of_a_mixture_is_what_is_no_story_and_its_beginning_that_of_stories(book):
    first, last = of(book), corpora_of(Stories(), {"book": FilesPart(book.path, share=0.1)})
    assert (text_of(first), text_of(last), text_of(corpora_of(Stories(), {}))) == ("files", "book", "stories")
    assert start_of(first) == start_of(last) == " "


def test_tokens_of_bytes_are_those_that_each_corpus_has_alone(book, tmp_path):
    dataset, alone = mixed(book, tmp_path), prepare(book, BYTES, tmp_path / "cache")
    (files, stories) = dataset.parts
    assert [(part.name, part.share) for part in dataset.parts] == [("files", 0.9), ("stories", 0.1)]
    assert files.dataset.folder == alone.folder
    assert stories.dataset.folder != alone.folder
    assert dataset.val.read(0, 20).tolist() == alone.val.read(0, 20).tolist(), "the book is what heads are measured in"


def test_the_key_is_of_tokens_and_shares(book, tmp_path):
    once, again, other = (mixed(book, tmp_path, share).key for share in (0.1, 0.1, 0.2))
    assert once == again
    assert len({once, other, prepare(book, BYTES, tmp_path / "cache").key}) == 3


def test_the_tokenizer_is_learned_from_a_sample_by_shares_and_kept(book, tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "SAMPLE_BYTES", 40_000)  # many times the book
    corpora, n_bytes = of(book, 0.25), {False: 0, True: 0}
    longest = 0
    for _, piece in blended(corpora, tmp_path, lambda *_: None):
        length = utf8_length(piece.text)
        n_bytes["stormy" not in piece.text] += length
        longest = max(longest, length)
    total = sum(n_bytes.values())
    assert 40_000 <= total < 40_000 + longest
    assert n_bytes[True] == pytest.approx(0.25 * total, abs=longest), "up to a piece, each has its share"
    config = TokenizerConfig("bpe", 400)
    dataset = prepare_mixed(corpora, config, tmp_path / "cache")
    assert {b" stormy", b" said"} <= {*dataset.tokenizer.pieces}
    monkeypatch.setattr(preparing, "sample_text", None)
    assert prepare_mixed(corpora, config, tmp_path / "cache").key == dataset.key


def test_the_batches_of_a_mixture_are_of_all_its_corpora(book, tmp_path):
    dataset = mixed(book, tmp_path, 0.5)
    batch = batches_of(dataset, 16, 8, seed=0).next()
    texts = [dataset.tokenizer.decode(row) for row in batch]
    own = dataset.parts[0].dataset.train
    book_text = dataset.tokenizer.decode(own.read(0, len(own)))
    assert sum(text in book_text for text in texts) in (3, 4, 5)


def test_a_corpus_that_is_too_short_is_named(book, tmp_path):
    with pytest.raises(InputError, match=r"the corpus files has \d+ training tokens, too few"):
        mixed(book, tmp_path).require(10_000)


def test_the_same_text_twice_is_refused(book, tmp_path):
    corpora = corpora_of(book, {"again": FilesPart(book.path, share=0.2)})
    with pytest.raises(InputError, match=r"mix\.again: is the same text as files"):
        prepare_mixed(corpora, BYTES, tmp_path / "cache")


@pytest.mark.parametrize(
    "slip",
    [
        {"path": "."},
        {"path": "link-of-book.txt"},
        {"val_fraction": 0.02},
        {"separator": "night"},
        {"val_path": "book.txt"},
    ],
)
def test_a_file_of_two_corpora_is_refused_however_it_is_named(book, tmp_path, monkeypatch, slip):
    monkeypatch.chdir(tmp_path)
    Path("own.txt").write_text("Other text. " * 100)
    Path("link-of-book.txt").hardlink_to(book.path)
    path = "own.txt" if "val_path" in slip else book.path
    corpora = corpora_of(book, {"again": FilesPart(**{"path": path, **slip}, share=0.2)})
    with pytest.raises(
        InputError, match=r"^mix\.again: \S*book\.txt is in the corpus files, too; leave it out of one of them$"
    ):
        prepare_mixed(corpora, BYTES, tmp_path / "cache")


def test_errors_of_a_part_name_its_own_keys(book, tmp_path):
    (tmp_path / "data.path.jsonl").write_text('{"body": "text"}\n')
    missing = corpora_of(book, {"letters": FilesPart("data.txt", share=0.2)})
    without = corpora_of(book, {"letters": FilesPart(str(tmp_path / "data.path.jsonl"), share=0.2)})
    with pytest.raises(InputError, match=r"^mix\.letters\.path=data\.txt: there is no such file or folder"):
        prepare_mixed(missing, BYTES, tmp_path / "cache")
    with pytest.raises(InputError, match=r"/data\.path\.jsonl, .*name the key with mix\.letters\.field="):
        prepare_mixed(without, BYTES, tmp_path / "cache")
