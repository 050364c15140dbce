"""Which heads matter to the answer: the effect of each intervention on each head, and the smallest set that is needed.

An effect is the drop of log P(answer) - log P(foil), in nats, with an interval and, as its reference, the largest mean
drop that the same intervention brings about in any head that does not look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.cases import aligned
from model import GPT
from probing.heads import head_names
from probing.interventions import (
    AT_A_SITE,
    FROM_THE_TWIN,
    at_sites,
    leads_to_answer,
    measure,
    resampled,
    single_heads,
    without_sets,
)
from probing.splits import Split
from probing.statistics import Bootstrap

SEARCHED = 100  # cases on which sets of heads are searched and compared
CANDIDATES, LARGEST_SET, RANDOM_SETS = 12, 8, 10
ENOUGH = 0.55  # the search ends where the answer is preferred hardly more often than by chance


@dataclass(frozen=True)
class Effect:
    """What one intervention on one head did to the answers: ``drop`` in nats, its mean and interval.

    ``flip``: how often the preferred of answer and foil changed. ``reference``: see above. ``directions``, of patches
    from the twin: the drop in the first and in the second of each pair of twins.
    """

    drop: float
    ci: tuple[float, float]
    flip: float
    reference: float
    directions: tuple[float, float] | None = None

    @property
    def matters(self) -> bool:
        """Whether the whole interval lies above 0 and above what other heads cost."""
        return self.ci[0] > max(0.0, self.reference)


@dataclass(frozen=True)
class NeededSet:
    """Heads without which a model no longer knows the answer, found on *select* one by one, quoted on *report*.

    After each head: ``preference``, how often the answer is still preferred to the foil, with its interval, and
    ``drop`` in nats; ``random``: the mean and the largest drop of as many other heads. ``complete``: whether
    the last preference is no longer surely better than chance: its interval reaches 1/2.
    """

    heads: tuple[str, ...]
    preference: tuple[float, ...]
    preference_ci: tuple[tuple[float, float], ...]
    drop: tuple[float, ...]
    random: tuple[tuple[float, float], ...]
    complete: bool


Effects = dict[str, dict[str, Effect]]  # intervention -> head -> effect


def measure_effects(
    model: GPT,
    split: Split,
    sites: dict[str, str],
    looking: Sequence[str],
    means: Tensor,
    seed: int,
) -> Effects:
    """Every intervention on every head, those at a site at the head's own one of ``sites`` (head -> site).

    What a head of the last layer does at a site that is not A-1 is read by nothing: it has no effect there.
    Patches need twins that stand beside each other with their sites in the same places.
    """
    names, cases = list(sites), split.cases
    joined = [name for name in names if leads_to_answer(model, cases, name, sites[name])]
    kinds = (*AT_A_SITE, *(FROM_THE_TWIN if aligned(cases) else ()))
    jobs = {kind: at_sites(model, cases, joined, [sites[name] for name in joined], kind) for kind in kinds if joined}
    jobs |= {"mean": without_sets(single_heads(model), means), "resample": resampled(single_heads(model), seed)}
    odds = {kind: values.double().numpy() for kind, values in measure(model, cases, jobs).items()}
    clean = odds.pop("clean")[0]
    places = [names.index(name) for name in joined]
    for kind in kinds:  # what is read by nothing leaves the answers as they are
        after = np.tile(clean, (len(names), 1))
        after[places] = odds.get(kind, after[places])
        odds[kind] = after
    return {
        kind: compare(names, clean, after, looking, split.bootstrap, twins=kind in FROM_THE_TWIN)
        for kind, after in odds.items()
    }


def compare(
    names: Sequence[str],
    clean: np.ndarray,
    after: np.ndarray,
    looking: Sequence[str],
    bootstrap: Bootstrap,
    twins: bool,
) -> dict[str, Effect]:
    """Effects by head from log-odds ``clean`` [N] and ``after`` [K, N]."""
    drops = clean - after
    intervals = bootstrap.intervals(drops.T)
    flips = ((after > 0) != (clean > 0)).mean(1)
    means = drops.mean(1)
    reference = max((float(mean) for name, mean in zip(names, means, strict=True) if name not in looking), default=0.0)
    return {
        name: Effect(
            drop=float(means[k]),
            ci=(float(intervals[k, 0]), float(intervals[k, 1])),
            flip=float(flips[k]),
            reference=reference,
            directions=(float(drops[k, ::2].mean()), float(drops[k, 1::2].mean())) if twins else None,
        )
        for k, name in enumerate(names)
    }


def needed_set(
    model: GPT,
    select: Split,
    report: Split,
    means: Tensor,
    seed: int,
) -> NeededSet:
    """Takes heads out one by one, always the one that costs the *select* cases most, until the answer is not known.

    Heads share work, and repair each other: single effects do not add up, which is why each is chosen with the earlier
    ones already out. Only the CANDIDATES with the largest single effects are tried.
    """
    names, singles = head_names(model), single_heads(model)
    select, report = select.part(SEARCHED), report.part(SEARCHED)
    left, out, chosen = [*range(len(names))], torch.zeros_like(singles[0]), []
    while left and len(chosen) < LARGEST_SET:
        tried = torch.stack([out | singles[k] for k in left])
        odds = measure(model, select.cases, {"mean": without_sets(tried, means)})["mean"]
        order = odds.mean(1).argsort().tolist()
        out = tried[order[0]]
        chosen.append(left[order[0]])
        left = [left[i] for i in order[1:CANDIDATES]]
        if (odds[order[0]] > 0).double().mean() <= ENOUGH:
            break
    return quote_sets(model, report, [names[k] for k in chosen], means, seed)


def quote_sets(model: GPT, report: Split, chosen: Sequence[str], means: Tensor, seed: int) -> NeededSet:
    """The sets of the first 1, 2, ... of ``chosen`` on *report*, beside as many heads at random."""
    names, singles = head_names(model), single_heads(model)
    first = [singles[[names.index(name) for name in chosen[:k]]].any(0) for k in range(1, len(chosen) + 1)]
    rng = np.random.default_rng(seed)
    others = [k for k, name in enumerate(names) if name not in chosen] or [*range(len(names))]
    drawn = [
        singles[rng.choice(others, min(k, len(others)), replace=False)].any(0)
        for k in range(1, len(chosen) + 1)
        for _ in range(RANDOM_SETS)
    ]
    measured = measure(model, report.cases, {"sets": without_sets(torch.stack([*first, *drawn]), means)})
    odds, clean = (measured[name].double().numpy() for name in ("sets", "clean"))
    drops = (clean - odds).mean(1)
    random = drops[len(chosen) :].reshape(len(chosen), RANDOM_SETS)
    preferred = (odds[: len(chosen)] > 0).astype(float)
    intervals = [(float(low), float(high)) for low, high in report.intervals(preferred.T)]
    return NeededSet(
        heads=tuple(chosen),
        preference=tuple(preferred.mean(1).tolist()),
        preference_ci=tuple(intervals),
        drop=tuple(drops[: len(chosen)].tolist()),
        random=tuple((float(row.mean()), float(row.max())) for row in random),
        complete=intervals[-1][0] <= 0.5,
    )
