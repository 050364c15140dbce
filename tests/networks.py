"""Networks of random weights whose patterns are far from uniform, one of which byte follows which; and a recorder."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig, Hooks

BYTES, WIDTH = byte_tokenizer(), 264
# What follows each byte, and how likely; after the question mark, the five that a sentence is asked for.
FOLLOWING = {
    b"?": {b" ": 0.4, b"A": 0.3, b"x": 0.15, b"": 0.1, b".": 0.05},
    b" ": {b"P": 0.9, b".": 0.1},
    b"P": {b"i": 0.3, b"e": 0.25, b".": 0.45},  # more goes on with the word than ends it
    b"i": {b"a": 0.4, b" ": 0.3, b".": 0.3},
    b"A": {b"\xc3": 0.7, b".": 0.3},
    b"\xc3": {b"\xa9": 0.9, b".": 0.1},  # é
    b"\xa9": {b"": 1.0},
    b"x": {b"\xe2": 1.0},
    b"\xe2": {b"\x80": 1.0},
    b"\x80": {b"\x99": 1.0},  # an apostrophe, which is no letter
    b".": {b"A": 1.0},
    b"": {b"A": 1.0},
}


def loud_model(config: GPTConfig, queries: float = 1.5, rest: float = 0.3) -> GPT:
    """Normal weights with these deviations: of W_Q and W_K, and of everything else."""
    model = GPT(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = queries if ".q." in name or ".k." in name else rest
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model


@torch.no_grad()
def value_sizes(model: GPT) -> Tensor:
    """How large the first layer's value vector of every token is, [V, H] in float64: of rmsnorm and no shared keys."""
    x = model.embed.weight.double()
    x = x / x.square().mean(-1, keepdim=True).sqrt()
    v = x @ model.blocks[0].attention.v.weight.double().T
    return v.unflatten(-1, (model.config.n_head, -1)).square().sum(-1).sqrt()


class Heads(Hooks):
    """Keeps every layer's pattern [B, H, R, T] and outputs of heads [B, H, T, d], as they are before a change:
    ``pattern`` and ``z`` get a copy of what ``layer`` has, and return what takes its place.
    """

    def __init__(
        self,
        layer: int | None = None,
        pattern: Callable[[Tensor], Tensor] | None = None,
        z: Callable[[Tensor], Tensor] | None = None,
        rows: Tensor | None = None,
    ) -> None:
        super().__init__(rows)
        self.layer, self.new_pattern, self.new_z = layer, pattern, z
        self.patterns: list[Tensor] = []
        self.outputs: list[Tensor] = []

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        self.patterns.append(pattern)
        return self.new_pattern(pattern.clone()) if layer == self.layer and self.new_pattern else pattern

    def z(self, layer: int, z: Tensor) -> Tensor:
        self.outputs.append(z)
        return self.new_z(z.clone()) if layer == self.layer and self.new_z else z


def bigram_model(block_size: int) -> GPT:
    """One whose blocks do nothing, and whose head has log P of FOLLOWING for the last token."""
    config = GPTConfig(
        BYTES.vocab_size, block_size, n_layer=1, n_head=1, n_embd=WIDTH, softcap=0.0, tie_embeddings=False
    )
    model = GPT(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embed.weight.fill_diagonal_(1)
        model.head.weight.fill_(-30 / math.sqrt(WIDTH))  # the last norm makes sqrt(D) of the 1
        for before, following in FOLLOWING.items():
            for after, p in following.items():
                model.head.weight[BYTES.pieces.index(after), BYTES.pieces.index(before)] = math.log(p) / math.sqrt(
                    WIDTH
                )
    return model
