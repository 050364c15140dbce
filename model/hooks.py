"""Looking at attention, or replacing it, inside an ordinary forward pass."""

from torch import Tensor


class Hooks:
    """Base class of everything that observes or edits a forward pass; subclasses override what they need.

    Pass an instance as ``model(tokens, hooks=...)`` in evaluation mode. Only the query rows in ``rows`` get explicit
    weights, so that looking costs O(rows x T) memory instead of O(T x T). The forward pass goes on with what
    ``pattern`` and ``z`` return. A recurrent layer (R) has no heads: of it, only ``residual`` is called.
    """

    def __init__(self, rows: Tensor | None = None) -> None:
        """``rows``: query positions [B, R], or None for all of them.

        A sequence with fewer rows than R may repeat one as padding, as long as all copies get the same weights: which
        of them counts is not defined.
        """
        self.rows = rows

    def residual(self, layer: int, x: Tensor) -> None:
        """What ``layer`` reads: the residual stream [B, T, D]."""

    def projected(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> None:
        """Queries [B, H, T, d], keys and values [B, Hkv, T, d] of ``layer``; keys of L are [B, H, T, d + 1]."""

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        """Attention weights [B, H, R, T] of ``layer``; every row sums to 1 over the keys."""
        return pattern

    def z(self, layer: int, z: Tensor) -> Tensor:
        """Each head's output [B, H, T, d] of ``layer``, before W_O."""
        return z
