"""Attention patterns of texts, shown to hooks or kept."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from model import GPT, Hooks
from model.attention import CausalSelfAttention
from model.gpt import Block

Made = TypeVar("Made")


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


def by_layer(model: GPT, rows: Tensor, n_keys: int, make: Callable[[Tensor], Made]) -> dict[int, Made]:
    """For every layer that has heads what ``make`` makes of what its queries ``rows`` [B, R] see of ``n_keys`` keys,
    [B, R, T]. All layers of an attention type see the same, so it is made once for each type.
    """
    types, layers = model.config.attention_types, model.config.layers_with_heads
    one_of = {types[layer]: attention_of(model.blocks[layer]) for layer in layers}
    made = {kind: make(attention.visible(rows, n_keys)) for kind, attention in one_of.items()}
    return {layer: made[types[layer]] for layer in layers}
