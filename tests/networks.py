"""Networks of random weights whose patterns are far from uniform."""

import torch

from model import GPT, GPTConfig


def loud_model(config: GPTConfig, queries: float = 1.5, rest: float = 0.3) -> GPT:
    """Normal weights with these deviations: of W_Q and W_K, and of everything else."""
    model = GPT(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = queries if ".q." in name or ".k." in name else rest
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model
