"""Every initial weight of every network, in one function."""

import math

import torch
from torch import nn

from model.linear import LinearAttention
from model.recurrent import Recurrent

MEMORY = 8, 1024  # tokens after which the first and the last head of letter L keep 1/e of what they read


@torch.no_grad()
def initialize(model: nn.Module, seed: int) -> None:
    """Draws all weights of a GPT from ``seed`` alone, whatever the global generator's state.

    ==================  =====================================  ==========================================
    weight              ``norm="rmsnorm"`` (modern)            ``norm="layernorm"`` (GPT-2)
    ==================  =====================================  ==========================================
    token embedding     normal, std 1 (it is normalised next)  normal, std 0.02
    position embedding  normal, std 1                          normal, std 0.02
    q, k, v, up         uniform, std 1 / sqrt(fan in)          normal, std 0.02
    recurrent (R)       uniform, std 1 / sqrt(fan in)          the same
    o, down             zero: each block starts as identity    normal, std 0.02 / sqrt(2 n_layer)
    gates (L)           zero; biases: memories from MEMORY[0] to MEMORY[1] tokens, head by head, in both
    head (if untied)    normal, std 0.001: starts at ln V      normal, std 0.02
    norm gains, biases  -, 0                                   1, 0
    ==================  =====================================  ==========================================

    A tied head shares the embedding, which then starts at std 0.02 in both families, so that no token begins favoured.
    """
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    modern = config.norm == "rmsnorm"

    def normal(weight: nn.Parameter, std: float) -> None:
        weight.copy_(torch.randn(weight.shape, generator=generator) * std)

    def uniform(weight: nn.Parameter) -> None:
        std = weight.size(1) ** -0.5
        weight.copy_((torch.rand(weight.shape, generator=generator) * 2 - 1) * math.sqrt(3) * std)

    for module in model.modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.zero_()
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
    embedding_std = 1.0 if modern and not config.tie_embeddings else 0.02
    normal(model.embed.weight, embedding_std)
    if config.position == "learned":
        normal(model.position.weight, embedding_std)
    for block in model.blocks:
        attention, mlp = block.attention, block.mlp
        if isinstance(attention, Recurrent):
            for parameter in attention.gru.parameters():
                uniform(parameter) if parameter.ndim == 2 else parameter.zero_()
        else:
            for linear in (attention.q, attention.k, attention.v):
                uniform(linear.weight) if modern else normal(linear.weight, 0.02)
        if isinstance(attention, LinearAttention):
            shortest, longest = MEMORY
            memory = torch.logspace(math.log10(shortest), math.log10(longest), config.n_head)
            attention.gate.weight.zero_()
            attention.gate.bias.copy_(-torch.expm1(1 / memory).log())  # sigmoid of which is exp(-1 / memory)
        uniform(mlp.up.weight) if modern else normal(mlp.up.weight, 0.02)
        for linear in (attention.o, mlp.down):
            linear.weight.zero_() if modern else normal(linear.weight, 0.02 / math.sqrt(2 * config.n_layer))
    if not config.tie_embeddings:
        normal(model.head.weight, 0.001 if modern else 0.02)
