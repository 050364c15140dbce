"""Attention patterns of texts: shown to hooks, and small enough for a page."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model import GPT, Hooks
from model.hooks import PatternRecorder

LEVELS = 255


def show_patterns(model: GPT, tokens: Tensor, hooks: Hooks) -> None:
    """Shows ``hooks`` every layer's projections and pattern on tokens [B, T]; of logits, only one row is computed.

    Raises ValueError where no layer has heads.
    """
    if not model.config.layers_with_heads:
        raise ValueError(f"attention={model.config.attention}: this model has no attention to be seen")
    model(tokens, rows=tokens.new_zeros(len(tokens), 1), hooks=hooks)


@torch.inference_mode()
def lower_triangles(model: GPT, tokens: Sequence[int], rows: Sequence[int]) -> bytes:
    """The weights of every head at the queries ``rows`` of one text, a byte each: round(weight x LEVELS).

    Head by head, row by row; of row r the r + 1 weights on what it can see. Off by 0.002 at most. A row's bytes add up
    to about LEVELS, so that most are small: at 256 tokens they hold less than 3 bits each, which compression finds.
    """
    device = model.embed.weight.device
    recorder = PatternRecorder(torch.tensor([list(rows)], device=device))
    show_patterns(model, torch.tensor([list(tokens)], device=device), recorder)
    parts = []
    for pattern in recorder.patterns.values():  # [1, H, R, T]
        bytes_ = (pattern[0] * LEVELS).round().byte().cpu().numpy()
        seen = np.arange(len(tokens)) <= np.array(rows)[:, None]  # [R, T]
        parts += [head[seen].tobytes() for head in bytes_]
    return b"".join(parts)


def count_weights(n_heads: int, rows: Sequence[int]) -> int:
    return n_heads * (sum(rows) + len(rows))
