"""Every attention head of a model as a predictor: how much it looks at each candidate, from each site."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.errors import InputError
from data import EncodedCase
from data.cases.case import Span
from model import GPT, GPTConfig, Hooks
from probing.patterns import PatternRecorder, by_layer, show_patterns
from probing.predictions import Predictions
from probing.scoring import in_batches, pad

BATCH, FEWEST = 64, 4  # cases; fewer than BATCH where they are long, FEWEST so that some are of other pairs
NUMBERS_PER_BATCH = 1 << 26  # that a batch may keep


def case_batches(lengths: Sequence[int], numbers_per_token: int) -> list[slice]:
    """Batches of cases of these ``lengths`` in tokens, as nearly equal in size as can be, of about BATCH cases at most.

    Their sizes are even, so that counterfactuals beside each other share one.
    """
    n, fitting = len(lengths), NUMBERS_PER_BATCH // (numbers_per_token * max(lengths))
    n_batches = -(-n // min(BATCH, max(FEWEST, fitting)))
    size = -(-n // n_batches)
    parts = list(in_batches(n, size + size % 2))
    if len(parts) > 1 and n - parts[-1].start < FEWEST:
        parts[-2:] = [slice(parts[-2].start, n)]
    return parts


def require_heads(config: GPTConfig, run: Path) -> None:
    """Raises InputError for the network of ``run`` if it has no heads."""
    if not config.layers_with_heads:
        raise InputError(f"run={run}: attention={config.attention} has no heads to probe")


def head_names(model: GPT) -> tuple[str, ...]:
    """LAYER.HEAD for every head, layer by layer, as the axis of all results here."""
    return tuple(f"{layer}.{head}" for layer in model.config.layers_with_heads for head in range(model.config.n_head))


def layer_names(model: GPT) -> list[str]:
    """The layers' numbers, with their attention types where not all are full attention: "0", or "0 W"."""
    types = model.config.attention_types
    plain = set(types) == {"F"}
    return [str(layer) if plain else f"{layer} {name}" for layer, name in enumerate(types)]


def parse_head(name: str) -> tuple[int, int]:
    """Layer and head of "LAYER.HEAD"."""
    layer, head = name.split(".")
    return int(layer), int(head)


@torch.inference_mode()
def attention_row(model: GPT, tokens: Sequence[int], site: int, head: str) -> list[float]:
    """The weights of one head's query at position ``site`` on every token up to it."""
    layer, index = parse_head(head)
    device = model.embed.weight.device
    recorder = PatternRecorder(torch.tensor([[site]], device=device))
    show_patterns(model, torch.tensor([list(tokens)], device=device), recorder)
    return recorder.patterns[layer][0, index, 0, : site + 1].tolist()


@dataclass(frozen=True)
class HeadScores(Predictions):
    """Predictions whose weights are attention mass; K: the heads of all layers that have any.

    ``uniform`` [N, S, K]: the mass that uniform attention over all tokens that the head sees would give to gold.
    ``chain`` [N, S, K]: mass on the pronouns between the pronoun and gold, which do not count as gold;
    ``chain_uniform``: the same under uniform attention.
    """

    uniform: np.ndarray
    chain: np.ndarray
    chain_uniform: np.ndarray

    def mass(self) -> np.ndarray:
        """Mean attention mass on gold [S, K]."""
        return self.gold.mean(0)

    def contrast(self) -> np.ndarray:
        """Mean mass on gold less mean mass on the best distractor [S, K], in [-1, 1]."""
        return (self.gold - self.rival).mean(0)

    def lift(self) -> np.ndarray:
        """Mean mass over the mean mass of uniform attention [S, K]: below 1 a head looks elsewhere."""
        return lift_over(self.mass(), self.uniform.mean(0))

    def chain_lift(self) -> np.ndarray:
        """The same for the chain's pronouns."""
        return lift_over(self.chain.mean(0), self.chain_uniform.mean(0))


def lift_over(mass: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean mass over the mean mass of other attention, both [..., S, K]; 0 where nothing is in sight."""
    return np.divide(mass, other, out=np.zeros(other.shape), where=other > 0)


def uniform_masses(model: GPT, rows: Tensor, marks: Tensor) -> Tensor:
    """The mass on marked tokens, ``marks`` [B, M, T], of attention spread evenly over what each head sees from the
    queries ``rows`` [B, S]: [B, S, K, M].
    """

    def of_each_head(visible: Tensor) -> Tensor:
        visible = visible.float()  # [B, S, T]
        masses = (visible @ marks.mT) / visible.sum(-1, keepdim=True)  # [B, S, M]
        return masses[:, :, None].expand(-1, -1, model.config.n_head, -1)

    return torch.cat([*by_layer(model, rows, marks.size(2), of_each_head).values()], dim=2)


class SpanHooks(Hooks):
    """Sums each row's attention over tokens marked in ``marks`` [B, M, T]: ``masses`` has a layer's [B, H, R, M]."""

    def __init__(self, rows: Tensor, marks: Tensor) -> None:
        super().__init__(rows)
        self.marks, self.masses = marks, []

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        self.masses.append(pattern @ self.marks[:, None].mT)
        return pattern


def mark_spans(cases: Sequence[EncodedCase], length: int, device: torch.device) -> Tensor:
    """1 where a token belongs to a candidate's mention: [N, M, T]; M = 0 is gold, the rest are its rivals."""
    return mark([(case.gold, *case.rivals) for case in cases], length, device)


def mark(groups: Sequence[Sequence[Sequence[Span]]], length: int, device: torch.device) -> Tensor:
    """1 where a token belongs to one of the spans of a case's m-th group: [N, M, T]."""
    marks = np.zeros((len(groups), max(map(len, groups)), length), dtype=np.float32)
    for i, own in enumerate(groups):
        for m, spans in enumerate(own):
            for start, end in spans:
                marks[i, m, start:end] = 1
    return torch.from_numpy(marks).to(device)


@torch.inference_mode()
def score_heads(model: GPT, cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> HeadScores:
    """Attention mass on gold and on its heaviest rival, for every head and each of ``sites``, which all cases have."""
    device = model.embed.weight.device
    masses, uniform = [], []
    n_marks = 1 + max(len(case.rivals) for case in cases)
    for part in case_batches([len(case.tokens) for case in cases], 4 * model.config.n_embd):  # a feed-forward layer
        batch = cases[part]
        tokens = pad([case.tokens for case in batch], device)
        rows = torch.tensor([[case.sites[site] for site in sites] for case in batch], device=device)
        marks = mark([(case.chain, case.gold, *case.rivals) for case in batch], tokens.size(1), device)  # [B, 1 + M, T]
        hooks = SpanHooks(rows, marks)
        show_patterns(model, tokens, hooks)
        mass = torch.stack(hooks.masses, dim=1).permute(0, 3, 1, 2, 4).flatten(2, 3)  # [B, S, K, 1 + M]
        masses.append(torch.nn.functional.pad(mass, (0, 1 + n_marks - mass.size(-1))))
        uniform.append(uniform_masses(model, rows, marks[:, :2]))  # [B, S, K, 2]
    mass, uniform_mass = (torch.cat(parts).cpu().double().numpy() for parts in (masses, uniform))
    return HeadScores(
        head_names(model),
        sites,
        gold=mass[..., 1],
        rival=mass[..., 2:].max(-1),
        uniform=uniform_mass[..., 1],
        chain=mass[..., 0],
        chain_uniform=uniform_mass[..., 0],
    )
