"""Every attention head of a model as a predictor: how much it looks at each candidate, from each site."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data import EncodedCase
from model import GPT, Watch
from model.score import in_batches, pad
from model.watch import PatternRecorder
from probing.predictions import Predictions

BATCH = 64  # even, so that twins, which stand next to each other, share a batch


def head_names(model: GPT) -> tuple[str, ...]:
    """LAYER.HEAD for every head, layer by layer, as the axis of all results here."""
    return tuple(f"{layer}.{head}" for layer in range(model.config.n_layer) for head in range(model.config.n_head))


def parse_head(name: str) -> tuple[int, int]:
    """Layer and head of "LAYER.HEAD"."""
    layer, head = name.split(".")
    return int(layer), int(head)


@torch.inference_mode()
def attention_row(model: GPT, tokens: Sequence[int], site: int, head: str) -> list[float]:
    """The weights of one head's query at position ``site`` on every token up to it."""
    layer, index = parse_head(head)
    device = model.embed.weight.device
    rows = torch.tensor([[site]], device=device)
    recorder = PatternRecorder(rows)
    model(torch.tensor([list(tokens)], device=device), rows=rows, watch=recorder)
    return recorder.patterns[layer][0, index, 0, : site + 1].tolist()


@dataclass(frozen=True)
class HeadScores(Predictions):
    """Predictions whose weights are attention mass; K = layers x heads.

    ``uniform`` [N, S]: the mass that attention spread evenly over all visible tokens would give to gold.
    """

    uniform: np.ndarray

    def mass(self) -> np.ndarray:
        """Mean attention mass on gold [S, K]."""
        return self.gold.mean(0)

    def engagement(self) -> np.ndarray:
        """Mean mass over the mean mass of uniform attention [S, K]: below 1 a head looks elsewhere."""
        return self.gold.mean(0) / self.uniform.mean(0)[:, None]


class SpanWatch(Watch):
    """Sums each row's attention over marked tokens: ``masses[layer]`` is [B, H, R, M] for ``marks`` [B, M, T]."""

    def __init__(self, rows: Tensor, marks: Tensor) -> None:
        super().__init__(rows)
        self.marks, self.masses = marks, []

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        self.masses.append(pattern @ self.marks[:, None].mT)
        return pattern


def mark_spans(cases: Sequence[EncodedCase], length: int, device: torch.device) -> Tensor:
    """1 where a token belongs to a mention: [N, M, T]; M = 0 is gold, the rest are the distractors one by one."""
    marks = torch.zeros(len(cases), 1 + max(len(case.distractors) for case in cases), length)
    for i, case in enumerate(cases):
        for start, end in case.gold:
            marks[i, 0, start:end] = 1
        for m, (start, end) in enumerate(case.distractors, start=1):
            marks[i, m, start:end] = 1
    return marks.to(device)


@torch.inference_mode()
def score_heads(model: GPT, cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> HeadScores:
    """Attention mass on gold and on the best distractor, for every head and each of ``sites``, which all cases have."""
    device = model.embed.weight.device
    masses, uniform = [], []
    for part in in_batches(len(cases), BATCH):
        batch = cases[part]
        tokens = pad([case.tokens for case in batch], device)
        rows = torch.tensor([[case.sites[site] for site in sites] for case in batch], device=device)
        marks = mark_spans(batch, tokens.size(1), device)
        watch = SpanWatch(rows, marks)
        model(tokens, rows=rows[:, :1], watch=watch)
        masses.append(torch.stack(watch.masses, dim=1).permute(0, 3, 1, 2, 4).flatten(2, 3))  # [B, S, K, M]
        visible = torch.arange(tokens.size(1), device=device) <= rows[..., None]  # [B, S, T]
        uniform.append((visible * marks[:, :1]).sum(-1) / (rows + 1))
    mass = torch.cat(masses).cpu().double().numpy()
    return HeadScores(
        head_names(model), sites, mass[..., 0], mass[..., 1:].max(-1), torch.cat(uniform).cpu().double().numpy()
    )
