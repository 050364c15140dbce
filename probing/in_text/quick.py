"""What it costs a model to do without each head in a text, measured quickly enough to be repeated while it trains."""

from dataclasses import asdict, dataclass

import numpy as np

from common.progress import silent
from data import Tokenizer
from data.languages import Language
from model import GPT
from probing.heads import head_names
from probing.in_text.ablation import PER_POSITION, ablate, means_over_windows
from probing.in_text.budget import Plan
from probing.in_text.certainty import FEWEST_TOKENS
from probing.in_text.kinds import KIND_CODES, kinds_for, token_kinds
from probing.in_text.windows import Windows, cut_windows

QUICK_TOKENS = 4_096  # that are read without each head
FOR_MEANS = 4  # times as many tokens give the heads' mean outputs, which cost little


@dataclass(frozen=True)
class QuickCost:
    """How much the loss grows without a head, in nats per token: on all tokens, and on the ``kind`` of token (see
    ``probing.in_text.kinds``) that it grows by most. None where no kind has tokens enough.
    """

    nats: float
    kind: str | None
    kind_nats: float | None


@dataclass(frozen=True)
class QuickText:
    """What is read each time: ``windows`` for mean outputs; ``part`` of them, indices, without each head; and the
    tokens ``of_kind`` of these, by kind: masks [N, T].
    """

    windows: Windows
    part: np.ndarray
    of_kind: dict[str, np.ndarray]


def quick_text(plan: Plan, ids: np.ndarray, tokenizer: Tokenizer, language: Language | None) -> QuickText:
    """Windows of a text, spread evenly, and no more of it without each head than ``plan`` reads. ``language``: whose
    pronouns are a kind of their own.

    Raises InputError where it is too short for two windows.
    """
    windows = cut_windows(ids, tokenizer, plan.length, FOR_MEANS * QUICK_TOKENS)
    n = min(len(windows), max(2, min(QUICK_TOKENS, plan.n_tokens) // windows.length))
    part = np.linspace(0, len(windows) - 1, n).astype(int)
    kind = token_kinds(windows.tokens[part], tokenizer, language).kind
    masks = {name: kind == KIND_CODES[name] for name in kinds_for(tokenizer, language)}
    return QuickText(windows, part, {name: mask for name, mask in masks.items() if mask.sum() >= FEWEST_TOKENS})


def quick_costs(model: GPT, text: QuickText) -> dict[str, QuickCost]:
    """For each head what it costs to put its mean output over all other windows in its place, at each position."""
    means = means_over_windows(model, text.windows, silent)
    few = text.windows.take(text.part)
    grown = ablate(model, few, means, (PER_POSITION,), 0, silent, sets_too=False).heads[PER_POSITION]  # [K, N, T]
    found = {}
    for head, own in zip(head_names(model), grown, strict=True):
        by_kind = {name: float(own[mask].mean()) for name, mask in text.of_kind.items()}
        kind = max(by_kind, key=lambda name: by_kind[name], default=None)
        found[head] = QuickCost(float(own.mean()), kind, None if kind is None else by_kind[kind])
    return found


def quick_cost_metrics(costs: dict[str, QuickCost]) -> dict[str, float | str | None]:
    """Costs as a row of a run's metrics: probe/text/HEAD/NAME."""
    return {f"probe/text/{head}/{name}": value for head, cost in costs.items() for name, value in asdict(cost).items()}


def costs_at(moment: dict, model: GPT, text: QuickText) -> dict:
    """``moment``, its step and tokens, and what each head costs in the ``model`` of this moment, by head."""
    return {**moment, "heads": {head: asdict(cost) for head, cost in quick_costs(model, text).items()}}
