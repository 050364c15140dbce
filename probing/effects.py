"""Which heads matter to the answer: the effect of each intervention on each head, and a small set of heads that is
necessary.

An effect is the mean drop of log P(answer) - log P(foil), in nats, with an interval. Its reference is the largest mean
*size* of a drop, whatever its direction, that the same intervention brings about in any head that does not look: at its
own site, and at A-1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.cases.case import aligned
from data.text.download import silent
from model import GPT
from probing.behaviour import preferred
from probing.heads import head_names
from probing.interventions import (
    AT_A_SITE,
    FROM_THE_COUNTERFACTUAL,
    Say,
    at_sites,
    measure,
    paths_to_answer,
    resampled,
    single_heads,
    without_sets,
)
from probing.splits import Split

SEARCHED = 100  # cases on which sets of heads are searched and compared
CANDIDATES, LARGEST_SET, RANDOM_SETS = 12, 8, 10
ENOUGH = 0.55  # the search ends where the answer is preferred hardly more often than by chance


@dataclass(frozen=True)
class Effect:
    """What one intervention on one head did to the answers: ``drop`` in nats, its mean and interval.

    ``flip``: how often the preference changed from answer to foil or back. ``reference``: see above; None where all
    heads look.
    ``directions``, of patches from the counterfactual: the drop in the first and in the second of each pair.
    """

    drop: float
    ci: tuple[float, float]
    flip: float
    reference: float | None
    directions: tuple[float, float] | None = None

    @property
    def matters(self) -> bool:
        """Whether the whole interval lies above 0 and above what other heads cost."""
        return self.ci[0] > max(0.0, self.reference or 0.0)


@dataclass(frozen=True)
class NecessaryHeads:
    """Heads without which a model no longer knows the answer, found on *select* one by one, quoted on *report*.

    After each head: ``preference``, how often the answer is still preferred to the foil, with its interval, and
    ``drop`` in nats; ``random``: the mean and the largest drop of as many other heads, or of any heads where these are
    too few. ``complete``: whether the last preference may be chance: its interval reaches down to 1/2.
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
    say: Say = silent,
) -> Effects:
    """Every intervention on every head, those at a site at the head's own one of ``sites`` (head -> site).

    A head from whose site nothing leads to the answer, as from the last layer where it is not A-1, has no effect and
    is left out. Patches need counterfactuals that stand beside each other with their sites at the same positions.
    """
    cases, singles = split.cases, single_heads(model)
    heads_at_sites = [*sites.items(), *((name, "A-1") for name, site in sites.items() if site != "A-1")]
    paths = [np.array(paths_to_answer(model, cases, *head_at_site)) for head_at_site in heads_at_sites]
    changes = [
        Change(*head_at_site, path, own=i < len(sites))
        for i, (head_at_site, path) in enumerate(zip(heads_at_sites, paths, strict=True))
    ]
    made = [change for change in changes if change.path.any()]
    kinds = (*AT_A_SITE, *(FROM_THE_COUNTERFACTUAL if aligned(cases) else ()))
    heads, where = [change.head for change in made], [change.site for change in made]
    # pyrefly: ignore [bad-argument-type] all of these changes are at a site
    jobs = {kind: at_sites(model, cases, heads, where, kind) for kind in kinds}
    jobs |= {"mean_ablation": without_sets(singles, means), "resample_ablation": resampled(singles, seed)}
    odds = {kind: values.double().numpy() for kind, values in measure(model, cases, jobs, say).items()}
    clean = odds.pop("clean")[0]
    whole = [Change(name, None, np.ones(len(cases), dtype=bool), own=True) for name in sites]
    return {
        kind: compare(
            made if kind in kinds else whole,
            clean,
            after,
            looking,
            split,
            counterfactuals=kind in FROM_THE_COUNTERFACTUAL,
        )
        for kind, after in odds.items()
    }


@dataclass(frozen=True)
class Change:
    """A head changed at a site, or in every row (None); ``path`` [N]: the cases in which that can reach the answer.

    ``own``: the head is quoted there; elsewhere it is changed for the reference alone.
    """

    head: str
    site: str | None
    path: np.ndarray
    own: bool


def compare(
    made: Sequence[Change],
    clean: np.ndarray,
    after: np.ndarray,
    looking: Sequence[str],
    split: Split,
    counterfactuals: bool,
) -> dict[str, Effect]:
    """The effect of each head's own change, from log-odds ``clean`` [N] and ``after`` [changes, N].

    All changes of heads that are not ``looking`` give the reference. Cases without a path do not count.
    """
    drops = clean - after
    sizes = [
        float(np.abs(drop[change.path]).mean())
        for change, drop in zip(made, drops, strict=True)
        if change.head not in looking
    ]
    effects: dict[str, Effect] = {}
    for change, drop, odds in zip(made, drops, after, strict=True):
        path, everywhere = change.path, bool(change.path.all())
        if not change.own:
            continue
        counted = split if everywhere else Split([case for case, own in zip(split.cases, path, strict=True) if own])
        effects[change.head] = Effect(
            drop=float(drop[path].mean()),
            ci=counted.bootstrap.interval(drop[path]),
            flip=float(((odds > 0) != (clean > 0))[path].mean()),
            reference=max(sizes, default=None),
            directions=(float(drop[::2].mean()), float(drop[1::2].mean())) if counterfactuals and everywhere else None,
        )
    return effects


def find_necessary_heads(
    model: GPT,
    select: Split,
    report: Split,
    means: Tensor,
    judged_by: str,
    seed: int,
    say: Say = silent,
) -> NecessaryHeads:
    """Takes heads out one by one, always the one that costs the *select* cases most, until the answer is not known.

    Heads share work, and repair each other: single effects do not add up, which is why each is chosen with the earlier
    ones already out. Only the CANDIDATES with the largest single effects are tried. ``judged_by``: see `behaviour`.
    """
    names, singles = head_names(model), single_heads(model)
    select, report = select.part(SEARCHED), report.part(SEARCHED)
    left, out, chosen = [*range(len(names))], torch.zeros_like(singles[0]), []
    while left and len(chosen) < LARGEST_SET:
        say(f"which heads are necessary together, {len(chosen)} found")
        tried = torch.stack([out | singles[k] for k in left])
        odds = measure(model, select.cases, {"mean_ablation": without_sets(tried, means)})["mean_ablation"]
        order = odds.mean(1).argsort().tolist()
        out = tried[order[0]]
        chosen.append(left[order[0]])
        left = [left[i] for i in order[1:CANDIDATES]]
        if preferred(odds[order[0]].numpy(), judged_by).mean() <= ENOUGH:
            break
    needed = [names[k] for k in prune(model, select, chosen, means, judged_by)]
    return quote_sets(model, report, needed, means, judged_by, seed)


def prune(model: GPT, select: Split, chosen: list[int], means: Tensor, judged_by: str) -> list[int]:
    """What is left of a set of heads when those are put back, the first chosen first, that it does not need."""
    singles = single_heads(model)
    for k in list(chosen):
        fewer = [other for other in chosen if other != k]
        if fewer:
            odds = measure(model, select.cases, {"set": without_sets(singles[fewer].any(0)[None], means)})["set"]
            if preferred(odds.numpy(), judged_by).mean() <= ENOUGH:
                chosen = fewer
    return chosen


def quote_sets(
    model: GPT, report: Split, chosen: Sequence[str], means: Tensor, judged_by: str, seed: int
) -> NecessaryHeads:
    """The sets of the first 1, 2, ... of ``chosen`` on *report*, beside as many heads at random."""
    names, singles = head_names(model), single_heads(model)
    first = [singles[[names.index(name) for name in chosen[:k]]].any(0) for k in range(1, len(chosen) + 1)]
    rng = np.random.default_rng(seed)
    others = [k for k, name in enumerate(names) if name not in chosen]
    others = others if len(others) >= len(chosen) else [*range(len(names))]
    drawn = [
        singles[rng.choice(others, k, replace=False)].any(0)
        for k in range(1, len(chosen) + 1)
        for _ in range(RANDOM_SETS)
    ]
    measured = measure(model, report.cases, {"sets": without_sets(torch.stack([*first, *drawn]), means)})
    odds, clean = (measured[name].double().numpy() for name in ("sets", "clean"))
    drops = (clean - odds).mean(1)
    random = drops[len(chosen) :].reshape(len(chosen), RANDOM_SETS)
    shares = preferred(odds[: len(chosen)], judged_by)
    intervals = [(float(low), float(high)) for low, high in report.intervals(shares.T)]
    return NecessaryHeads(
        heads=tuple(chosen),
        preference=tuple(shares.mean(1).tolist()),
        preference_ci=tuple(intervals),
        drop=tuple(drops[: len(chosen)].tolist()),
        random=tuple((float(row.mean()), float(row.max())) for row in random),
        complete=intervals[-1][0] <= 0.5,
    )
