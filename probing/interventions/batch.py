"""Some cases with one clean pass, in which heads are changed, many variants at a time."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from data import EncodedCase
from model import GPT
from probing.heads import case_batches, mark_spans
from probing.replay import Replay
from probing.scoring import pad

NUMBERS_PER_BATCH = 1 << 22  # numbers of a feed-forward layer


class Batch:
    """Some cases on the model's device, with one clean pass to change things in."""

    def __init__(self, model: GPT, cases: Sequence[EncodedCase]) -> None:
        self.model, self.cases = model, cases
        device = model.embed.weight.device
        self.tokens = pad([case.tokens for case in cases], device)
        self.asked = self.rows("A-1")
        self.answer = torch.tensor([case.answer for case in cases], device=device)
        self.foil = torch.tensor([case.foil for case in cases], device=device)
        self.replay = Replay(model, self.tokens, self.asked)

    def rows(self, site: str) -> Tensor:
        """The positions [B] of a site."""
        return torch.tensor([case.sites[site] for case in self.cases], device=self.model.embed.weight.device)

    def marks(self) -> Tensor:
        return mark_spans(self.cases, self.tokens.size(1), self.tokens.device)

    def counterfactuals(self) -> Tensor:
        """Each case's counterfactual, as its index [B] in this batch: the one beside it."""
        return torch.arange(len(self.cases), device=self.tokens.device) ^ 1

    def log_odds(self, logits: Tensor) -> Tensor:
        """logits [V, B, vocabulary] -> log P(answer) - log P(foil) [V, B]."""
        return logit_of(self.answer, logits) - logit_of(self.foil, logits)

    def answers(self, logits: Tensor) -> Tensor:
        """logits [V, B, vocabulary] -> ``log_odds`` and log P(answer) [V, B, 2]."""
        return torch.stack((self.log_odds(logits), logit_of(self.answer, logits) - logits.logsumexp(-1)), -1)

    @cached_property
    def clean_logits(self) -> Tensor:
        """Logits [1, B, vocabulary] without any change."""
        return self.replay.logits(self.model.config.layers_with_heads[-1], self.asked)

    @cached_property
    def clean(self) -> Tensor:
        """The log-odds [B] without any change."""
        return self.log_odds(self.clean_logits)[0]

    def variants_per_batch(self) -> int:
        return max(1, NUMBERS_PER_BATCH // (4 * self.model.config.n_embd * self.tokens.numel()))


def logit_of(ids: Tensor, logits: Tensor) -> Tensor:
    """The logit [V, B] of each case's own token, ``ids`` [B]."""
    return logits.gather(-1, ids.expand(len(logits), -1)[..., None])[..., 0]


def clean_batches(model: GPT, cases: Sequence[EncodedCase]) -> Iterator[Batch]:
    """All cases, few enough at a time for what a clean pass keeps: five numbers a token, layer and dimension."""
    numbers = 5 * model.config.n_layer * model.config.n_embd
    parts = case_batches([len(case.tokens) for case in cases], numbers)
    return (Batch(model, cases[part]) for part in parts)


Read = Callable[[Batch, Tensor], Tensor]  # from logits [V, B, vocabulary] to numbers [V, B, ...]
Job = Callable[[Batch], Tensor]  # one intervention in several variants: what it reads, by default log-odds [V, B]


def in_order(parts: Sequence[Tensor], order: Sequence[int]) -> Tensor:
    """Numbers of variants, [V, ...] in all, of which the i-th is that of variant order[i]."""
    numbers = torch.cat(list(parts))
    return torch.empty_like(numbers).index_copy_(0, torch.tensor(order, device=numbers.device), numbers)
