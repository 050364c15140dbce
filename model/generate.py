"""From a prompt to new tokens: once with a cache and, equal to it, once without."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from model.gpt import GPT


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
    logits = (logits - logits.max(-1, keepdim=True).values) / sampling.temperature  # no overflow near temperature 0
    if 0 < sampling.top_k < logits.size(-1):
        smallest_kept = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < smallest_kept, -math.inf)
    if sampling.top_p < 1:
        probabilities, order = logits.softmax(-1).sort(descending=True)
        before = probabilities.cumsum(-1) - probabilities
        excluded = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= sampling.top_p)
        logits = logits.masked_fill(excluded, -math.inf)
    if sampling.min_p > 0:
        threshold = logits.max(-1, keepdim=True).values + math.log(sampling.min_p)
        logits = logits.masked_fill(logits < threshold, -math.inf)
    return logits


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Next tokens [B] from logits [B, V]."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = filter_logits(logits, sampling).softmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def context_start(length: int, block_size: int) -> int:
    """Where the context of the next token starts when ``length`` tokens exist: 0 while they fit into the block.

    After that the context moves on by half a block at a time, so that the cache is refilled once every half block
    instead of at every token.
    """
    if length <= block_size:
        return 0
    hop = max(1, block_size // 2)
    return math.ceil((length - block_size) / hop) * hop


@torch.inference_mode()
def generate(
    model: GPT, prompt: Tensor, n: int, max_new_tokens: int, sampling: Sampling, seed: int, use_cache: bool = True
) -> Iterator[Tensor]:
    """Continues one prompt [T] (any length but zero) n times; yields the n new tokens [n] of each step.

    The prompt is read once and its cache forked. ``use_cache=False`` reads the whole context again for every token:
    the same tokens, slowly.
    """
    if len(prompt) == 0:
        raise ValueError("the prompt has no tokens")
    if model.training:
        raise ValueError("call model.eval() first: dropout would disturb what is generated")
    block_size = model.config.block_size
    generator = torch.Generator(prompt.device).manual_seed(seed)
    tokens = prompt.expand(n, -1)  # [n, T so far]
    caches, start = None, None
    for _ in range(max_new_tokens):
        previous_start, start = start, context_start(tokens.size(1), block_size)
        if not use_cache:
            logits = model(tokens[:, start:])[:, -1]
        elif caches is not None and start == previous_start:
            logits = model.step(tokens[:, -1:], caches)
        else:
            same = tokens.size(1) == len(prompt)
            caches = model.new_caches(1 if same else n)
            logits = model.step(tokens[: 1 if same else n, start:], caches)
            if same:
                caches, logits = [cache.fork(n) for cache in caches], logits.expand(n, -1)
        new = choose(logits, sampling, generator)
        tokens = torch.cat((tokens, new[:, None]), dim=1)
        yield new
