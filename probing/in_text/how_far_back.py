"""How far back heads need to look: a model's loss when no head may look further than so many tokens."""

import numpy as np
import torch
from torch import Tensor

from common.progress import Count
from model import GPT
from model.attention import repeat_groups
from model.gpt import Block
from model.linear import LinearAttention
from probing.in_text.ablation import clean_pass, read_batches, split_windows, token_losses
from probing.in_text.certainty import Columns
from probing.in_text.profile import HowFarBack
from probing.in_text.windows import Windows
from probing.parallel import GoOn
from probing.patterns import attention_of
from probing.replay import finish

TOLERANCE = 0.02  # nats per token that may be lost where heads need to look no further back


def spans(length: int) -> list[int]:
    """1, 2, 4, ... and ``length``: how many tokens a query may see, itself among them."""
    return [*(1 << k for k in range((length - 1).bit_length())), length]


def limited_losses(model: GPT, windows: Windows, limits: list[int], say: Count) -> np.ndarray:
    """Loss in nats on every predicted token when a query sees the last so many tokens alone: [len(limits), N, T].

    What a head does not see by itself, as in a window (W), stays unseen. Weights of what is left sum to 1. Raises
    ValueError for a recurrent layer, whose memory cannot be limited to a number of tokens.
    """
    if len(model.config.layers_with_heads) < model.config.n_layer:
        raise ValueError(f"attention={model.config.attention}: a recurrent layer's sight cannot be limited")
    losses = np.zeros((len(limits), len(windows), windows.length), dtype=np.float32)

    def measure(_: int, chosen: np.ndarray, go_on: GoOn) -> None:
        tokens, targets = split_windows(model, windows, chosen)
        start = clean_pass(model, tokens).x[0]
        for i, limit in enumerate(limits):
            go_on()
            x = start
            for block in model.blocks:
                x = limited_block(model, block, x, limit)
            losses[i, chosen] = token_losses(model, x, targets).cpu().numpy()

    read_batches(model, windows, measure, say)
    return losses


def limited_block(model: GPT, block: Block, x: Tensor, limit: int) -> Tensor:
    """A block's output [B, T, D] from x [B, T, D] when its queries see the last ``limit`` tokens alone."""
    attention, n = attention_of(block), x.size(1)
    rows = torch.arange(n, device=x.device)
    visible = attention.visible(rows[None], n) & (rows[:, None] - rows < limit)  # [1, T, T]
    q, k, v = attention.project(block.norm_attention(x), None if model.rotary is None else model.rotary[:, :n])
    if isinstance(attention, LinearAttention):
        weights = attention.weights(q, k, rows.expand(len(x), -1)) * visible[:, None]
        z = weights / weights.sum(-1, keepdim=True) @ repeat_groups(v, attention.n_head)
    else:
        z = attention.fused(q, k, v, visible[:, None])
    return finish(block, x, z[None])


def measure_reach(model: GPT, windows: Windows, columns: Columns, clean: np.ndarray, say: Count) -> HowFarBack:
    """The curve of loss against how far back queries may look; the last point is the model's own loss, ``clean``."""
    limits = spans(windows.length)
    losses = np.concatenate((limited_losses(model, windows, limits[:-1], say), clean[None]))
    loss, cost = columns.means(losses), columns.means(losses - clean)
    enough = next(limit for limit, high in zip(limits, cost.ci[:, 0, 1], strict=True) if high <= TOLERANCE)
    return HowFarBack(tuple(limits), loss.nats[:, 0], loss.ci[:, 0], cost.nats[:, 0], cost.ci[:, 0], TOLERANCE, enough)
