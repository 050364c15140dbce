"""The order in which training sees the corpus."""

import math
from collections.abc import Sequence

import numpy as np

from common.errors import InputError
from data.text.answers import AnsweredPrompts
from data.text.dataset import Dataset
from data.text.documents import Documents, Reordered
from data.text.shards import Tokens

GOLDEN = (math.sqrt(5) - 1) / 2
Window = tuple[Tokens | Reordered, int]  # the tokens, and where in them it begins


class Batches:
    """Windows of the corpus in a seeded permutation, every window once an epoch.

    Each epoch shifts all windows by a random phase and permutes them anew; both depend on (seed, epoch) alone. So the
    state is two numbers, epoch and cursor, and the global batch is the same however many processes share it: each
    of them, ``rank`` of ``size``, reads every ``size``-th of its sequences. With ``end``, the token that ends
    documents, these stand in a new order in every epoch before windows are cut.
    """

    def __init__(
        self,
        tokens: Tokens,
        block_size: int,
        sequences: int,
        seed: int,
        rank: int = 0,
        size: int = 1,
        end: int | None = None,
    ) -> None:
        self.tokens: Tokens | Reordered = tokens
        self.block_size, self.sequences, self.seed = block_size, sequences, seed
        self.documents = None if end is None else Documents(tokens, end)
        self.rank, self.size = rank, size
        self.n_targets = sequences * block_size  # in the latest global batch
        self.start_epoch(0, cursor=0)

    def start_epoch(self, epoch: int, cursor: int) -> None:
        self.epoch, self.cursor = epoch, cursor
        rng = np.random.default_rng((self.seed, epoch))
        spare = len(self.tokens) - 1 - self.block_size  # a window reads one more token, the last target
        self.phase = int(rng.integers(min(spare, self.block_size - 1) + 1))
        self.order = rng.permutation((len(self.tokens) - 1 - self.phase) // self.block_size)
        if self.documents:
            self.tokens = self.documents.shuffled(rng)

    def next(self) -> np.ndarray:
        """This share of the next global batch, int64 [n, block_size + 1]: inputs are [:, :-1], targets [:, 1:]."""
        return self.read([self.advance() for _ in range(self.sequences)])

    def take(self) -> int:
        """The next of ``order``; after the last, the first of the next epoch."""
        if self.cursor == len(self.order):
            self.start_epoch(self.epoch + 1, cursor=0)
        self.cursor += 1
        return int(self.order[self.cursor - 1])

    def advance(self) -> Window:
        """The next window; the one after it is next from now on."""
        window = self.take()  # which may begin an epoch, and so another phase and order of documents
        return self.tokens, self.phase + window * self.block_size

    def read(self, windows: Sequence[Window]) -> np.ndarray:
        """This process's share of the windows of a global batch, each with the token after it, as ``next`` has them."""
        own = windows[self.rank :: self.size]
        return np.stack([tokens.read(start, self.block_size + 1) for tokens, start in own])

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "cursor": self.cursor}

    def load_state(self, state: dict[str, int]) -> None:
        self.start_epoch(**state)


class AnswerBatches(Batches):
    """Prompts with their answers in a seeded permutation, each once an epoch; ``sequences`` of them in a batch, one to
    a row, so that they do not see each other.
    """

    tokens: AnsweredPrompts

    def start_epoch(self, epoch: int, cursor: int) -> None:
        self.epoch, self.cursor = epoch, cursor
        self.order = np.random.default_rng((self.seed, epoch)).permutation(self.tokens.n)

    def next(self) -> np.ndarray:
        """This share of the next global batch, as ``AnsweredPrompts.rows``."""
        which = [self.take() for _ in range(self.sequences)]
        self.n_targets = sum(int(self.tokens.ends[i] - self.tokens.answers[i]) + 1 for i in which)
        return self.tokens.rows(which[self.rank :: self.size])


class MixedBatches:
    """Windows of several corpora, each with its share of them, and each in the order that its ``Batches`` give.

    Which corpus the n-th sequence of a run is from depends on (seed, n) alone: sequences fall on [0, 1) by the
    multiples of the golden ratio, which fill it more evenly than random numbers do (Weyl 1916), and a corpus has a part
    of it as long as its share. So a corpus is in each stretch of n sequences about n times its share, give or take a
    few. The state is n, and epoch and cursor of each corpus.
    """

    def __init__(self, parts: Sequence[Batches], shares: Sequence[float], seed: int) -> None:
        self.parts, self.position = parts, 0
        self.n_targets = parts[0].n_targets  # in a global batch
        self.ends = np.cumsum(shares)[:-1]
        self.offset = np.random.default_rng(seed).random()

    def part_of(self, position: int) -> int:
        """Which corpus the sequence at this position is from."""
        return int(np.searchsorted(self.ends, (self.offset + position * GOLDEN) % 1, side="right"))

    def next(self) -> np.ndarray:
        """As ``Batches.next``: int64 [n, block_size + 1]."""
        first = self.parts[0]
        return first.read([self.advance() for _ in range(first.sequences)])

    def advance(self) -> Window:
        """The next window of the corpus whose turn it is."""
        self.position += 1
        return self.parts[self.part_of(self.position - 1)].advance()

    def state(self) -> dict:
        return {"position": self.position, "parts": [part.state() for part in self.parts]}

    def load_state(self, state: dict) -> None:
        self.position = state["position"]
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state(own)


def batches_of(
    dataset: Dataset,
    block_size: int,
    sequences: int,
    seed: int,
    rank: int = 0,
    size: int = 1,
    end: int | None = None,
) -> Batches | MixedBatches:
    """The batches of a dataset, a mixture or not; see ``Batches``. Raises InputError as it does, with the corpus."""
    if dataset.answers:
        return AnswerBatches(dataset.answers[0], block_size, sequences, seed, rank, size)
    each = []
    for name, _, own in dataset.every_part:
        try:
            each.append(Batches(own.train, block_size, sequences, seed, rank, size, end))
        except InputError as error:
            raise InputError(f"{name}: {error}" if name else str(error)) from None
    return MixedBatches(each, [part.share for part in dataset.parts], seed) if dataset.parts else each[0]
