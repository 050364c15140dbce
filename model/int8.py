"""Weights of one byte for sampling: a CPU reads a quarter as much for every token, which is what a token costs."""

import torch
from torch import Tensor, nn

from model.gpt import GPT

LARGEST = 127


class Int8Linear(nn.Module):
    """x W^T + b with W in int8, a scale for each row, and x rounded to int8 as well, a scale for each token; products
    and sums are exact (LLM.int8, Dettmers et al. 2022, without its outliers). ``weight`` is empty: new caches take
    their device and dtype from it.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight.detach()[:0], linear.bias
        self.rounded, scales = round_rows(linear.weight.detach())
        self.scales = scales[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        rounded, scales = round_rows(x)
        products = torch._int_mm(rounded.flatten(0, -2), self.rounded.t()).unflatten(0, x.shape[:-1])
        y = products * scales * self.scales
        return y if self.bias is None else y + self.bias


def round_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """x [..., d] as int8 and a scale for each row [..., 1]; their product is x but for half a scale."""
    scales = x.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny * LARGEST) / LARGEST
    return (x / scales).round().to(torch.int8), scales


def to_int8(model: GPT) -> None:
    """Replaces all linear layers of ``model``, which from then on gives logits, no loss.

    What differs in float32's last digit may be rounded to another byte, so that a text may go on otherwise with
    ``speculate``, or without a cache. Raises ValueError on another device than a CPU, and where its products overflow.
    """
    if model.embed.weight.device.type != "cpu":
        raise ValueError(f"weights of 8 bits are for a CPU, not for {model.embed.weight.device}")
    most = torch.full((1, 64), LARGEST, dtype=torch.int8)
    if torch._int_mm(most, most.t()).item() != 64 * LARGEST**2:  # processors before 2019 may add in 16 bits
        raise ValueError("products of 8 bits overflow on this processor")
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, Int8Linear(child))
