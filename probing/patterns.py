"""Attention patterns of texts, shown to hooks."""

from torch import Tensor

from model import GPT, Hooks


def show_patterns(model: GPT, tokens: Tensor, hooks: Hooks) -> None:
    """Shows ``hooks`` every layer's projections and pattern on tokens [B, T]; of logits, only one row is computed.

    Raises ValueError where no layer has heads.
    """
    if not model.config.layers_with_heads:
        raise ValueError(f"attention={model.config.attention}: this model has no attention to be seen")
    model(tokens, rows=tokens.new_zeros(len(tokens), 1), hooks=hooks)
