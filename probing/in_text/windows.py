"""Windows of held-out text: what every measure here reads."""

from dataclasses import dataclass

import numpy as np

from common.errors import InputError
from data import Tokenizer

TOKENS = 50_000  # more show nothing else
FEWEST_DOCUMENTS = 10  # 2^10 sign flips reach p < 0.001; fewer documents could never show anything


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

    @property
    def by_document(self) -> bool:
        """Whether documents are the clusters: there are enough of them."""
        return self.n_documents >= FEWEST_DOCUMENTS

    @property
    def clusters(self) -> np.ndarray:
        """The cluster of each window [N], the unit that intervals and p resample: its document, or itself."""
        return np.unique(self.documents, return_inverse=True)[1] if self.by_document else np.arange(len(self))

    def take(self, chosen: np.ndarray) -> "Windows":
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
