"""Does a head matter? Change what it does at one place and see what happens to the answer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from data import EncodedCase
from data.cases import answer_columns
from model import GPT, Watch
from model.score import AnswerScores, score_answers
from probing.heads import BATCH, mark_spans, parse_head


class SwapWatch(Watch):
    """Exchanges what one head gives to gold and to the distractor it weighs most, in one row; the rest stays.

    Each span receives the other one's mass, spread as its own was (evenly, where it had none).
    """

    def __init__(self, rows: Tensor, marks: Tensor, layer: int, head: int) -> None:
        super().__init__(rows)
        self.marks, self.layer, self.head = marks, layer, head

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        if layer != self.layer:
            return pattern
        row = pattern[:, self.head, 0]  # [B, T]
        masses = (row[:, None] * self.marks).sum(-1)  # [B, M]
        best = 1 + masses[:, 1:].argmax(1)
        each = torch.arange(len(row), device=row.device)
        gold, rival = self.marks[:, 0], self.marks[each, best]  # [B, T]
        swapped = row * (1 - gold) * (1 - rival)
        swapped += spread(row, gold) * masses[each, best, None] + spread(row, rival) * masses[:, :1]
        pattern = pattern.clone()
        pattern[:, self.head, 0] = swapped
        return pattern


def spread(row: Tensor, mark: Tensor) -> Tensor:
    """The shares of a span's mass that its tokens have, summing to 1: [B, T]."""
    own = row * mark
    total = own.sum(-1, keepdim=True)
    return torch.where(total > 0, own / total.clamp(min=1e-30), mark / mark.sum(-1, keepdim=True))


def swap(model: GPT, cases: Sequence[EncodedCase], site: str, head: str) -> AnswerScores:
    """Answer scores with gold and distractor exchanged in ``head`` ("LAYER.HEAD") at ``site``."""
    layer, index = parse_head(head)
    device = model.embed.weight.device

    def watch(part: slice) -> SwapWatch:
        batch = cases[part]
        rows = torch.tensor([[case.sites[site]] for case in batch], device=device)
        return SwapWatch(rows, mark_spans(batch, max(len(case.tokens) for case in batch), device), layer, index)

    return score_answers(model, *answer_columns(cases), watch=watch, batch_size=BATCH)
