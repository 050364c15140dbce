"""The mean of a network's weights over training steps, which is often better than the weights of any step."""

import copy

import torch

from model import GPT
from training.config import OptimizerConfig


class Average:
    """The mean, in a network of its own. Training never reads it: the weights go on as if there were none.

    ``steps``: of how many it is. It takes the memory of the weights once more, and two passes over them a step.
    """

    def __init__(self, model: GPT, config: OptimizerConfig) -> None:
        self.model, self.config, self.steps = copy.deepcopy(model).eval().requires_grad_(False), config, 0
        self.pairs = list(zip(self.model.parameters(), model.parameters(), strict=True))

    @torch.no_grad()
    def update(self, fraction: float) -> None:
        """Takes in the weights after the step that began at this share of the budget."""
        if self.config.average == "last" and fraction < 1 - self.config.average_fraction:
            self.steps, share = 0, 1.0  # too early: the mean is the weights themselves
        else:
            self.steps += 1
            share = newest_share(self.config, self.steps)
        for mean, weight in self.pairs:
            mean.lerp_(weight, share)


def newest_share(config: OptimizerConfig, steps: int) -> float:
    """How much the newest of ``steps`` weights counts in their mean.

    last: as much as every other. ema: (1 - 1 / t)^(1 / f) of the mean before it stays, so that its memory is always
    about the last share f of the steps so far, whatever their number: the power function average of Karras et al. 2024
    ("Analyzing and improving the training dynamics of diffusion models", equation 2, where 1 / f is gamma + 1).
    """
    if config.average == "last":
        return 1 / steps
    return 1 - (1 - 1 / steps) ** (1 / config.average_fraction)
