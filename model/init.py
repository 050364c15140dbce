"""Every initial weight of every network, in one function."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.linear import LinearAttention
from model.recurrent import Recurrent

if TYPE_CHECKING:
    from model.gpt import GPT

# Tokens after which 1/e of what was read is left: in the first and the last head of L, unit of R.
MEMORY = {"L": (8, 1024), "R": (2, 128)}


@torch.no_grad()
def initialize(model: "GPT", seed: int) -> None:
    """Draws all weights of a GPT from ``seed`` alone, whatever the global generator's state.

    ==================  =====================================  ==========================================
    weight              ``norm="rmsnorm"``, modern, or "none"  ``norm="layernorm"`` (GPT-2)
    ==================  =====================================  ==========================================
    token embedding     normal, std 1 (rmsnorm comes next)     normal, std 0.02
    position embedding  as the token embedding                 normal, std 0.02
    q, k, v, up         uniform, std 1 / sqrt(fan in)          normal, std 0.02
    recurrent (R)       uniform, std 1 / sqrt(fan in)          the same
    o, down             zero: each block starts as identity    normal, std 0.02 / sqrt(2 n_layer)
    gates (L, R)        zero (L), as above (R); biases: memories of all lengths between MEMORY's, in both
    head (if untied)    normal, std 0.001: starts at ln V      normal, std 0.02
    norm gains, biases  -, 0                                   1, 0
    ==================  =====================================  ==========================================

    Without memories of their own, recurrent units forget half at every token and learn no long one (Tallec & Ollivier
    2018, "Can recurrent neural networks warp time?").

    A tied head shares the token embedding, which then starts at std 0.02, so that no token begins favoured.
    """
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    modern = config.norm != "layernorm"

    def normal(weight: Tensor, std: float) -> None:
        weight.copy_(torch.randn(weight.shape, generator=generator) * std)

    def uniform(weight: Tensor) -> None:
        std = weight.size(1) ** -0.5
        weight.copy_((torch.rand(weight.shape, generator=generator) * 2 - 1) * math.sqrt(3) * std)

    for module in model.modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.zero_()
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
    embedding_std = 1.0 if modern and not config.tie_embeddings else 0.02
    normal(model.embed.weight, embedding_std)
    if model.position is not None:
        normal(model.position.weight, embedding_std)
    for block in model.blocks:
        attention, mlp = block.attention, block.mlp
        if isinstance(attention, Recurrent):
            for parameter in attention.gru.parameters():
                uniform(parameter) if parameter.ndim == 2 else parameter.zero_()
            _, update, _ = attention.gru.get_parameter("bias_ih_l0").chunk(3)
            update.copy_(keeping(MEMORY["R"], len(update)))
        else:
            for linear in (attention.q, attention.k, attention.v):
                uniform(linear.weight) if modern else normal(linear.weight, 0.02)
        if isinstance(attention, LinearAttention):
            attention.gate.weight.zero_()
            attention.gate.bias.copy_(keeping(MEMORY["L"], config.n_head))
        outputs = [attention.o]
        if mlp is not None:
            uniform(mlp.up.weight) if modern else normal(mlp.up.weight, 0.02)
            outputs.append(mlp.down)
        for linear in outputs:
            linear.weight.zero_() if modern else normal(linear.weight, 0.02 / math.sqrt(2 * config.n_layer))
    if not config.tie_embeddings:
        normal(model.head.weight, 0.001 if modern else 0.02)


def keeping(memories: tuple[float, float], n: int) -> Tensor:
    """n biases of gates that keep exp(-1 / memory) of everything a token; memories log-spaced between these."""
    shortest, longest = memories
    memory = torch.logspace(math.log10(shortest), math.log10(longest), n)
    return -torch.expm1(1 / memory).log()  # sigmoid of which is that share
