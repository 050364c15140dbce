"""Which heads matter to the answer: the effect of each intervention on each head.

An effect is the mean drop of log P(answer) - log P(foil), in nats, with an interval. Its reference is the largest mean
*size* of a drop, whatever its direction, that the same intervention brings about in any head that does not look: at its
own site, and at A-1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from data.cases.case import aligned
from data.text.download import silent
from model import GPT
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
