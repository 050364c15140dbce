"""A small set of heads that is necessary: without it the model no longer knows the answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.progress import Say, silent
from probing.behaviour import how_to_judge, preferred
from probing.circuits.head_sets import HeadSets
from probing.splits import Split

SEARCHED = 100  # cases on which sets of heads are searched and compared
CANDIDATES, LARGEST_SET, RANDOM_SETS = 12, 8, 10
NOT_KNOWN = 0.55  # the search ends where the answer is preferred hardly more often than by chance


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


def find_necessary_heads(
    head_sets: HeadSets, select: Split, report: Split, judged_by: str, seed: int, say: Say = silent
) -> NecessaryHeads:
    """Takes heads out one by one, always the one that costs the *select* cases most, until the answer is not known.

    Heads share work, and repair each other: single effects do not add up, which is why each is chosen with the earlier
    ones already out. Only the CANDIDATES with the largest single effects are tried. ``judged_by``: how the
    *report* cases are judged (`behaviour`).
    """
    each, select, report = head_sets.each, select.part(SEARCHED), report.part(SEARCHED)
    how = how_to_judge(select.cases)  # *select* may lack counterfactuals that *report* has
    left, chosen = [*range(len(each))], []
    while left and len(chosen) < LARGEST_SET:
        say(f"which heads are necessary together, {len(chosen)} found")
        odds = head_sets.without(select, each[chosen].any(0) | each[left])
        order = odds.mean(1).argsort().tolist()
        chosen.append(left[order[0]])
        left = [left[i] for i in order[1:CANDIDATES]]
        if preferred(odds[order[0]].numpy(), how).mean() <= NOT_KNOWN:
            break
    return quote_sets(head_sets, report, prune(head_sets, select, chosen, how), judged_by, seed)


def prune(head_sets: HeadSets, select: Split, chosen: list[int], judged_by: str) -> list[int]:
    """What is left of a set of heads when those are put back, the first chosen first, that it does not need."""
    for k in list(chosen):
        fewer = [other for other in chosen if other != k]
        if fewer:
            odds = head_sets.without(select, np.stack([head_sets.each[fewer].any(0)]))
            if preferred(odds.numpy(), judged_by).mean() <= NOT_KNOWN:
                chosen = fewer
    return chosen


def quote_sets(head_sets: HeadSets, report: Split, chosen: Sequence[int], judged_by: str, seed: int) -> NecessaryHeads:
    """The sets of the first 1, 2, ... of ``chosen`` on *report*, beside as many heads at random."""
    each, sizes, rng = head_sets.each, range(1, len(chosen) + 1), np.random.default_rng(seed)
    first = [each[chosen[:k]].any(0) for k in sizes]
    others = [k for k in range(len(each)) if k not in chosen]
    others = others if len(others) >= len(chosen) else [*range(len(each))]
    drawn = [each[rng.choice(others, k, replace=False)].any(0) for k in sizes for _ in range(RANDOM_SETS)]
    measured = head_sets.without_and_clean(report, np.stack([*first, *drawn]))
    odds, clean = (values.double().numpy() for values in measured)
    drops = (clean - odds).mean(1)
    random = drops[len(chosen) :].reshape(len(chosen), RANDOM_SETS)
    shares = preferred(odds[: len(chosen)], judged_by)
    intervals = [(float(low), float(high)) for low, high in report.intervals(shares.T)]
    return NecessaryHeads(
        heads=tuple(head_sets.names[k] for k in chosen),
        preference=tuple(shares.mean(1).tolist()),
        preference_ci=tuple(intervals),
        drop=tuple(drops[: len(chosen)].tolist()),
        random=tuple((float(row.mean()), float(row.max())) for row in random),
        complete=intervals[-1][0] <= 0.5,
    )


def necessary_json(necessary: NecessaryHeads | None) -> dict | None:
    if necessary is None:
        return None
    columns = zip(
        necessary.heads, necessary.preference, necessary.preference_ci, necessary.drop, necessary.random, strict=True
    )
    steps = [
        {"head": head, "preference": preference, "ci": ci, "drop": drop, "random_drop": mean, "random_most": most}
        for head, preference, ci, drop, (mean, most) in columns
    ]
    return {"complete": necessary.complete, "heads": necessary.heads, "steps": steps}
