"""How much text can be read in minutes: taking away every head of a large network is long work on a CPU."""

from dataclasses import dataclass

import numpy as np

from common.errors import InputError
from data import Tokenizer
from model import GPT, GPTConfig
from probing.in_text.ablation import ABLATIONS
from probing.in_text.certainty import FEWEST_CLUSTERS
from probing.in_text.windows import TOKENS, Windows, cut_windows

WORK = {"cpu": 1e13, "cuda": 1e15, "mps": 1e14}  # additions and multiplications in two minutes, or so
FEWEST_WINDOWS, SHORTEST = 12, 64  # below which nothing can be shown: 2^12 sign flips reach p < 0.001


@dataclass(frozen=True)
class Plan:
    """What to read: windows of ``length`` tokens, ``n_tokens`` in all, and which ways to take heads away."""

    length: int
    n_tokens: int
    ablations: tuple[str, ...]


def work_per_token(config: GPTConfig, ablations: int) -> float:
    """Additions and multiplications a token to ablate each head, and all heads of each layer, in ``ablations`` ways:
    two for each weight after the change.
    """
    block, vocabulary = 12 * config.n_embd**2, config.vocab_size * config.n_embd
    later = [config.n_layer - layer for layer in config.layers_with_heads]
    return 2 * ablations * (config.n_head + 1) * sum(block * n + vocabulary for n in later)


def affordable(model: GPT) -> Plan:
    """As much as can be read in minutes: up to TOKENS in windows as long as the block. Where that would be fewer than
    FEWEST_WINDOWS, windows are shorter, down to SHORTEST; where it still is, only the first of ABLATIONS is measured.
    """
    config, work = model.config, WORK[model.embed.weight.device.type]
    fewest = FEWEST_WINDOWS * min(SHORTEST, config.block_size)
    for n in (len(ABLATIONS), 1):
        n_tokens = min(TOKENS, int(work / work_per_token(config, n)))
        if n_tokens >= fewest:
            break
    n_tokens = max(n_tokens, fewest)
    return Plan(min(config.block_size, n_tokens // FEWEST_WINDOWS), n_tokens, ABLATIONS[:n])


def windows_within(plan: Plan, ids: np.ndarray, tokenizer: Tokenizer, n_tokens: int | None = None) -> Windows:
    """The windows of a text, ids [n], that a plan reads, or ``n_tokens`` of it. If these are few, windows are shorter:
    down to SHORTEST for FEWEST_WINDOWS, and shorter still for FEWEST_CLUSTERS, below which no interval means anything.

    Raises InputError for a text that is too short even so, and for windows of one token, where a head can look at
    nothing but this.
    """
    if plan.length < 2:
        raise InputError(f"model.block_size={plan.length}: a head sees its own token alone; train with a longer block")
    n_tokens = min(len(ids) - 1, n_tokens or plan.n_tokens)
    length = min(plan.length, max(n_tokens // FEWEST_WINDOWS, min(SHORTEST, n_tokens // FEWEST_CLUSTERS)))
    if length < 2:
        least = 2 * FEWEST_CLUSTERS + 1
        raise InputError(f"the text has {len(ids)} tokens, too few to measure heads in; give at least {least}")
    return cut_windows(ids, tokenizer, length, n_tokens)
