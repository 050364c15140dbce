"""How far apart two computations of one thing may be, by what their arithmetic allows on any processor.

Processors add in different orders: their vectors differ in width, some fuse a product and a sum, threads share the
terms. Each of n additions rounds by up to eps of the partial sum, to either side, so that the error of the sum grows
like eps * sqrt(n) * scale (Higham 2002, "Accuracy and stability of numerical algorithms", section 2.8). A test compares
the largest of thousands of such errors, and layers pass theirs on enlarged: ROOM is for these two. A changed formula is
off by a thousandth of the scale or more, which is far above.
"""

import math

import torch
from torch import Tensor

from model import GPTConfig

ROOM = 16
# Of the losses of some twenty steps of training, relative: every step hands its rounding on. Measured on one processor
# with other instruction sets and numbers of threads: 2e-6.
TRAINED = 1e-4


def tolerance(dtype: torch.dtype = torch.float32, n_terms: int = 1, scale: float = 1.0) -> float:
    """The largest absolute difference to be expected of two sums of ``n_terms`` numbers of size ``scale``."""
    return ROOM * torch.finfo(dtype).eps * math.sqrt(n_terms) * scale


def additions(config: GPTConfig, n_tokens: int) -> int:
    """How many numbers are added up one after the other on the way from a token, among ``n_tokens``, to its logits.

    A layer has two norms, the projections before and after attention, and both matrices of the feed-forward part, the
    second four times as long: 9 D; and the T values that attention mixes. The end has a norm and the head: 2 D.
    """
    return config.n_layer * (9 * config.n_embd + n_tokens) + 2 * config.n_embd


def largest(x: Tensor) -> float:
    """The largest absolute value."""
    return float(x.detach().abs().max())


def assert_near(got: Tensor, expected: Tensor, n_terms: int = 1, scale: float | None = None) -> None:
    """Equal but for the rounding of ``n_terms`` additions; ``scale``: by default the largest number expected."""
    limit = tolerance(expected.dtype, n_terms, largest(expected) if scale is None else scale)
    torch.testing.assert_close(got, expected, rtol=0, atol=limit)
