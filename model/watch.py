"""Looking at attention, or replacing it, inside an ordinary forward pass."""

from torch import Tensor


class Watch:
    """Base class of everything that observes or edits attention; subclasses override what they need.

    Pass an instance as ``model(tokens, watch=...)`` in evaluation mode. Only the query rows in ``rows`` get explicit
    weights, so that looking costs O(rows x T) memory instead of O(T x T). Where a method returns something else than
    it was given, the forward pass goes on with the replacement.
    """

    def __init__(self, rows: Tensor | None = None) -> None:
        """``rows``: query positions [B, R], or None for all of them.

        A sequence with fewer rows than R may repeat one as padding, as long as the repeats are left unedited.
        """
        self.rows = rows

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        """Attention weights [B, H, R, T] of ``layer``; every row sums to 1 over the keys."""
        return pattern

    def values(self, layer: int, v: Tensor) -> None:
        """What each head's weights mix: values [B, H, T, d] of ``layer``. To be seen only."""

    def heads(self, layer: int, z: Tensor) -> Tensor:
        """Each head's output [B, H, T, d] of ``layer``, before W_O mixes the heads."""
        return z

    def no_pattern(self, layer: int) -> None:
        """Called for a recurrent layer (R), which has no heads. Raises ValueError; override it to pass over such."""
        raise ValueError(f"layer {layer} is recurrent (R): it has no heads, and no pattern to watch")


class PatternRecorder(Watch):
    """Keeps the pattern of every layer that has one: ``patterns[layer]`` is [B, H, R, T]."""

    def __init__(self, rows: Tensor | None = None) -> None:
        super().__init__(rows)
        self.patterns: dict[int, Tensor] = {}

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        self.patterns[layer] = pattern
        return pattern

    def no_pattern(self, layer: int) -> None:
        pass
