"""Windows of held-out text: what every measure here reads."""

from dataclasses import dataclass

import numpy as np

from common.errors import InputError
from data import Tokenizer

TOKENS = 50_000  # more show nothing else
FEWEST_DOCUMENTS = 10  # for intervals over documents
FEWEST_FLIPPED = 24  # for p, which few documents cannot bring below 0.01 among a hundred heads and kinds


@dataclass(frozen=True)
class Windows:
    """N windows of a text, none of which overlap: T tokens to read, and the one after each to predict.

    ``tokens`` int64 [N, T + 1]; ``starts`` [N], where each begins in the text, in tokens; ``documents`` [N]: the number
    of the document that most of its tokens belong to, the first of those with equally many.
    """

    tokens: np.ndarray
    starts: np.ndarray
    documents: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def length(self) -> int:
        """T, the tokens that a model reads in each."""
        return self.tokens.shape[1] - 1

    @property
    def n_documents(self) -> int:
        return len(np.unique(self.documents))

    def clusters(self, fewest: int = FEWEST_DOCUMENTS) -> tuple[str, np.ndarray]:
        """The unit that statistics are over, and which of them each window belongs to [N]: "documents" if there are at
        least ``fewest``, else "windows".
        """
        if self.n_documents >= fewest:
            return "documents", np.unique(self.documents, return_inverse=True)[1]
        return "windows", np.arange(len(self))

    def take(self, chosen: np.ndarray | slice) -> "Windows":
        """The windows of these indices."""
        return Windows(self.tokens[chosen], self.starts[chosen], self.documents[chosen])


def cut_windows(text: np.ndarray, tokenizer: Tokenizer, length: int, n_tokens: int = TOKENS) -> Windows:
    """Full windows of ``length + 1`` of the ids ``text`` [n], spread evenly: at most ``n_tokens`` predicted, but two
    windows in any case. ``tokenizer.end`` ends documents.

    Raises InputError for a text that is too short for two windows.
    """
    n = min((len(text) - 1) // length, max(2, n_tokens // length))
    if n < 2:
        raise InputError(
            f"the text has {len(text)} tokens, too few for two windows of {length}; give at least {2 * length + 1}"
        )
    starts = np.linspace(0, len(text) - 1 - length, n).astype(int)
    rows = starts[:, None] + np.arange(length + 1)
    ends = np.cumsum(text == tokenizer.end)
    document = np.concatenate(([0], ends[:-1]))  # the end token belongs to the document that it ends
    documents = [int(np.bincount(own - own[0]).argmax() + own[0]) for own in document[rows]]
    return Windows(text[rows].astype(np.int64), starts, np.array(documents))
