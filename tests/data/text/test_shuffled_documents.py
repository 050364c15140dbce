"""Documents in a new order each epoch: whole, each once, the same for any number of processes and after any stop."""

import numpy as np
import pytest

from common.errors import InputError
from data import Batches
from data.text import documents
from data.text.documents import Documents
from data.text.shards import Tokens

END = 0
TEXT = np.array([1, 2, END, 3, END, END, 4, 5, 6, END, 7, 8, END, 9, 10], dtype=np.uint16)  # the last has no end


def documents_in(ids: np.ndarray) -> list[list[int]]:
    return [part.tolist() for part in np.split(ids, np.flatnonzero(ids == END) + 1)]


def long_text(n: int = 200) -> Tokens:
    """Documents of 1 to 9 tokens, none of which occurs twice, in three shards."""
    lengths = np.random.default_rng(0).integers(1, 10, size=n)
    ids = np.arange(1, lengths.sum() + 1)
    ids[lengths.cumsum() - 1] = END
    return Tokens(np.split(ids, [100, 333]))


def batches_of(rank: int = 0, size: int = 1) -> Batches:
    return Batches(long_text(), 8, 6, seed=3, rank=rank, size=size, end=END)


@pytest.mark.parametrize("chunk", [2, 100])
def test_documents_stay_whole_and_what_has_no_end_stays_last(monkeypatch, chunk):
    monkeypatch.setattr(documents, "CHUNK", chunk)
    tokens = Tokens(np.split(TEXT, [4]))
    orders = set()
    for seed in range(20):
        shuffled = Documents(tokens, END).shuffled(np.random.default_rng(seed))
        found = documents_in(shuffled.read(0, len(shuffled)))
        assert sorted(found[:-1]) == sorted(documents_in(TEXT)[:-1])
        assert found[-1] == [9, 10]
        orders.add(str(found))
    assert len(orders) > 10


def test_any_part_of_them_can_be_read():
    shuffled = Documents(long_text(), END).shuffled(np.random.default_rng(0))
    whole = shuffled.read(0, len(shuffled))
    assert whole.dtype == np.int64
    for start in range(0, len(whole), 7):
        for length in (1, 2, 9, 60):
            assert (shuffled.read(start, min(length, len(whole) - start)) == whole[start : start + length]).all()


def test_every_epoch_has_its_own_order_of_documents_and_its_own_windows():
    batches, texts = batches_of(), []
    for epoch in (0, 1, 0):
        batches.start_epoch(epoch, cursor=0)
        texts.append(batches.tokens.read(0, len(batches.tokens)).tolist())
        starts = [texts[-1][batches.phase + i * 8 :][:9] for i in batches.order[:6]]
        assert batches.next().tolist() == starts
    assert texts[0] == texts[2] != texts[1]
    assert sorted(texts[0]) == sorted(texts[1])


def test_the_state_is_enough_to_go_on_and_processes_share_batches():
    alone, shared = batches_of(), [batches_of(rank, 3) for rank in range(3)]
    for step in range(60):
        if step == 47:
            assert alone.epoch > 1
            state, alone = alone.state(), batches_of()
            alone.load_state(state)
        parts = [batches.next() for batches in shared]
        assert (alone.next() == np.stack(parts, axis=1).reshape(6, 9)).all()


@pytest.mark.parametrize("ids", [[1, 2, 3], [1, 2, END], [1, END, 2]])
def test_a_single_document_has_no_other_order(ids):
    with pytest.raises(InputError, match=r"^data\.shuffle_documents=true: the training text is a single document"):
        Batches(Tokens([np.array(ids)]), 2, 1, seed=0, end=END)
