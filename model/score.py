"""How likely a model finds one of two continuations at a chosen place of many texts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.gpt import GPT


def pad(sequences: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Sequences of unequal length as one tensor [B, T], zeros behind them: a causal model never looks there."""
    longest = max(map(len, sequences))
    return torch.tensor([[*sequence, *[0] * (longest - len(sequence))] for sequence in sequences], device=device)


def in_batches(n: int, size: int) -> Iterator[slice]:
    """Slices that cover 0 .. n - 1."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


class AnswerScores(NamedTuple):
    """Log-probabilities of answers and foils in nats, [N] each, and whether the answer was the likeliest token."""

    answer: Tensor
    foil: Tensor
    right: Tensor

    @property
    def log_odds(self) -> Tensor:
        """log P(answer) - log P(foil), [N]."""
        return self.answer - self.foil


@torch.inference_mode()
def score_answers(
    model: GPT,
    sequences: Sequence[Sequence[int]],
    sites: Sequence[int],
    answers: Sequence[int],
    foils: Sequence[int],
    batch_size: int = 64,
) -> AnswerScores:
    """Scores the token after position ``sites[i]`` of ``sequences[i]``: is it ``answers[i]`` or ``foils[i]``?"""
    device = model.embed.weight.device
    rows, answers, foils = (torch.tensor(column, device=device)[:, None] for column in (sites, answers, foils))
    parts = []
    for part in in_batches(len(sequences), batch_size):
        logits = model(pad(sequences[part], device), rows=rows[part])[:, 0]
        log_probs = logits.log_softmax(-1)
        right = log_probs.argmax(-1) == answers[part, 0]
        parts.append((log_probs.gather(1, answers[part])[:, 0], log_probs.gather(1, foils[part])[:, 0], right))
    return AnswerScores(*map(torch.cat, zip(*parts, strict=True)))
