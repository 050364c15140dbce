"""Several documents in one sequence, each read as if it were alone: which token is of which, and what follows from it.

``documents`` [B, T] numbers the document of every token. All tokens of a document stand together, and numbers rise.
"""

import torch
from torch import Tensor


def documents_of(tokens: Tensor, end: int | None) -> Tensor | None:
    """``documents`` of ``tokens`` [B, T]: each begins with a token ``end``, which its first word follows. None
    where there is no ``end``.
    """
    return None if end is None else (tokens == end).cumsum(1)


def same_document(queries: Tensor, keys: Tensor) -> Tensor:
    """Whether a query's document [..., R] is a key's [..., T]: [..., R, T]."""
    return queries[..., :, None] == keys[..., None, :]


def first_tokens(documents: Tensor) -> Tensor:
    """Which tokens are the first of their document, as far as it is here: [B, T]."""
    return documents.diff(dim=1, prepend=documents[:, :1] - 1) != 0


def positions_within(documents: Tensor) -> Tensor:
    """Every token's position in its own document: [B, T], 0 at its first token."""
    positions = torch.arange(documents.size(1), device=documents.device)
    return positions - (positions * first_tokens(documents)).cummax(1).values
