"""The documents of a long array of tokens, read in another order than the array has."""

import numpy as np

from common.errors import InputError
from data.text.shards import Tokens

CHUNK = 1 << 24  # tokens that are looked through together


class Documents:
    """Where the documents of ``tokens`` are, each up to its token ``end``: 8 bytes a document.

    Raises InputError where there are fewer than two.
    """

    def __init__(self, tokens: Tokens, end: int) -> None:
        starts = [np.zeros(1, dtype=np.int64)]
        for first, array in zip(tokens.starts, tokens.arrays, strict=False):  # the last start is the length
            for at in range(0, len(array), CHUNK):
                starts.append(first + at + 1 + np.flatnonzero(array[at : at + CHUNK] == end))
        self.tokens, self.edges = tokens, np.concatenate(starts)
        if len(self.edges) < 3:
            raise InputError(
                "data.shuffle_documents=true: the training text is a single document, which has one order alone; leave "
                "it out, or separate documents (data.separator)"
            )

    def shuffled(self, rng: np.random.Generator) -> "Reordered":
        """All tokens with the documents in an order from ``rng``; what has no end token stays last."""
        order = rng.permutation(len(self.edges) - 1)
        starts, lengths = self.edges[:-1][order], np.diff(self.edges)[order]
        if left := len(self.tokens) - self.edges[-1]:
            starts, lengths = np.append(starts, self.edges[-1]), np.append(lengths, left)
        ends = lengths.cumsum()
        return Reordered(self.tokens, ends, starts - (ends - lengths))


class Reordered:
    """Parts of ``tokens`` in another order: where each ends here [n], and how much later it is in ``tokens`` [n]."""

    def __init__(self, tokens: Tokens, ends: np.ndarray, shifts: np.ndarray) -> None:
        self.tokens, self.ends, self.shifts = tokens, ends, shifts

    def __len__(self) -> int:
        return len(self.tokens)

    def read(self, start: int, length: int) -> np.ndarray:
        """Ids start .. start + length - 1 as int64 [length]."""
        parts, part = [], int(np.searchsorted(self.ends, start, side="right"))
        while length > 0:
            n = min(length, int(self.ends[part]) - start)
            parts.append(self.tokens.read(start + int(self.shifts[part]), n))
            start, length, part = start + n, length - n, part + 1
        return np.concatenate(parts)
