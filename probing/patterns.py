"""Attention patterns of whole texts, small enough for a page."""

from collections.abc import Sequence

import numpy as np
import torch

from model import GPT
from model.watch import PatternRecorder

LEVELS = 255


@torch.inference_mode()
def lower_triangles(model: GPT, tokens: Sequence[int], rows: Sequence[int]) -> bytes:
    """The weights of every head at the queries ``rows`` of one text, a byte each: round(weight x LEVELS).

    Head by head, row by row; of row r the r + 1 weights on what it can see. Off by 0.002 at most. A row's bytes add up
    to about LEVELS, so that most are small: at 256 tokens they hold less than 3 bits each, which compression finds.
    """
    device = model.embed.weight.device
    recorder = PatternRecorder(torch.tensor([list(rows)], device=device))
    model.show_patterns(torch.tensor([list(tokens)], device=device), recorder)
    parts = []
    for pattern in recorder.patterns.values():  # [1, H, R, T]
        bytes_ = (pattern[0] * LEVELS).round().byte().cpu().numpy()
        seen = np.arange(len(tokens)) <= np.array(rows)[:, None]  # [R, T]
        parts += [head[seen].tobytes() for head in bytes_]
    return b"".join(parts)


def count_weights(n_heads: int, rows: Sequence[int]) -> int:
    return n_heads * (sum(rows) + len(rows))
