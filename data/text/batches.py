"""The order in which training sees the corpus."""

import numpy as np

from data.text.answers import AnsweredPrompts
from data.text.documents import Documents, Reordered
from data.text.shards import Tokens


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
        rows = []
        for i in range(self.sequences):
            if self.cursor == len(self.order):
                self.start_epoch(self.epoch + 1, cursor=0)
            if i % self.size == self.rank:
                start = self.phase + int(self.order[self.cursor]) * self.block_size
                rows.append(self.tokens.read(start, self.block_size + 1))
            self.cursor += 1
        return np.stack(rows)

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
        which = []
        for _ in range(self.sequences):
            if self.cursor == len(self.order):
                self.start_epoch(self.epoch + 1, cursor=0)
            which.append(int(self.order[self.cursor]))
            self.cursor += 1
        self.n_targets = sum(int(self.tokens.ends[i] - self.tokens.answers[i]) + 1 for i in which)
        return self.tokens.rows(which[self.rank :: self.size])
