"""Attention patterns of texts, shown to hooks or kept."""

import torch
from torch import Tensor

from model import GPT, Hooks
from model.attention import CausalSelfAttention
from model.gpt import Block


def show_patterns(model: GPT, tokens: Tensor, hooks: Hooks) -> None:
    """Shows ``hooks`` every layer's projections and pattern on tokens [B, T]; of logits, only one row is computed.

    Raises ValueError where no layer has heads.
    """
    if not model.config.layers_with_heads:
        raise ValueError(f"attention={model.config.attention}: this model has no attention to be seen")
    model(tokens, rows=tokens.new_zeros(len(tokens), 1), hooks=hooks)


class PatternRecorder(Hooks):
    """Keeps the pattern of every layer that has one: ``patterns[layer]`` is [B, H, R, T]."""

    def __init__(self, rows: Tensor | None = None) -> None:
        super().__init__(rows)
        self.patterns: dict[int, Tensor] = {}

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        self.patterns[layer] = pattern
        return pattern


@torch.inference_mode()
def patterns_of(model: GPT, tokens: Tensor, rows: Tensor | None = None) -> list[Tensor]:
    """The pattern [B, H, R, T] of every layer that has heads, at the queries ``rows`` [B, R] or at all; errors as
    ``show_patterns``.
    """
    recorder = PatternRecorder(rows)
    show_patterns(model, tokens, recorder)
    return [*recorder.patterns.values()]


def attention_of(block: Block) -> CausalSelfAttention:
    """The attention of a block that has heads."""
    return block.attention  # pyrefly: ignore [bad-return] Recurrent has no heads
