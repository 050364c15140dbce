"""How the next token is drawn from a model's logits."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from model.config import require_types

SMALLEST_TEMPERATURE = 1e-30  # the likeliest token alone; float32 makes 0 of smaller ones


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. ``temperature`` 0 takes the likeliest; the filters apply in the order given here.

    ``top_k``: the k likeliest tokens (0: all). ``top_p``: the fewest tokens that hold this much probability (Holtzman
    et al. 2020; 1: all). ``min_p``: tokens at least this fraction as likely as the likeliest (Nguyen et al. 2024).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        require_types(fields(Sampling), vars(self))
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature={self.temperature}: must be 0 or more")
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k}: must be 0 (all tokens) or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p}: must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p={self.min_p}: must be between 0 and 1")


def filter_logits(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits [B, V] after temperature, with every token that the filters exclude at minus infinity."""
    temperature = max(sampling.temperature, SMALLEST_TEMPERATURE)
    logits = (logits - logits.max(-1, keepdim=True).values) / temperature  # no overflow near temperature 0
    if 0 < sampling.top_k < logits.size(-1):
        smallest_kept = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < smallest_kept, -math.inf)
    if sampling.top_p < 1:
        probabilities, order = logits.softmax(-1).sort(descending=True)
        before = probabilities.cumsum(-1) - probabilities
        outside = before >= sampling.top_p
        outside[:, 0] = False  # the likeliest stays, also where float32 makes 0 of top_p
        excluded = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, outside)
        logits = logits.masked_fill(excluded, -math.inf)
    if sampling.min_p > 0:
        threshold = logits.max(-1, keepdim=True).values + math.log(sampling.min_p)
        logits = logits.masked_fill(logits < threshold, -math.inf)
    return logits


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Next tokens [B] from logits [B, V]; raises FloatingPointError where these are NaN or infinite."""
    if not logits.amax(-1).isfinite().all():  # one wait for a GPU a token
        raise FloatingPointError("the model's logits are not finite")
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = filter_logits(logits, sampling).softmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
