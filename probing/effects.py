"""Which heads matter to the answer: the effect of each intervention on each head.

An effect is the mean drop of log P(answer) - log P(foil), in nats, with an interval. Its reference is the largest mean
*size* of a drop, whatever its direction, that the same intervention brings about in any head that does not look: at its
own site, and at A-1. Beside it stands the drop of log P(answer) alone, which also grows where both lose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from common.progress import Say, silent
from data.cases.case import aligned
from model import GPT
from probing.interventions import (
    AT_A_SITE,
    FROM_THE_COUNTERFACTUAL,
    AtSites,
    Batch,
    Job,
    MeanOutputs,
    measure,
    paths_to_answer,
    resampled,
    single_heads,
    without_sets,
)
from probing.power import least_drop
from probing.splits import Split
from probing.statistics import FLIPS, SignFlips, standardised

MATTERS_P = 0.01
SMALLEST_EFFECT = 0.1  # nats, 10 % in the odds: less does not matter, even if there is no other head to compare with

FEWER = 100  # cases for ablations of whole heads, each of which takes as long as all changes at a site


@dataclass(frozen=True)
class Effect:
    """What one intervention on one head did to the answers: ``drop`` in nats, its mean and interval.

    ``flip``: how often the preference changed from answer to foil or back. ``reference``: see above; None where all
    heads look. ``log_prob_drop``: the mean drop of log P(answer), in nats.
    ``directions``, of patches from the counterfactual: the drop in the first and in the second of each pair.
    Of weight swaps, ``p_adj``: of no effect, adjusted for all heads and tasks of the probe; ``detectable``: the
    smallest drop that would have been found (``power.least_drop``), None where none would.
    """

    drop: float
    ci: tuple[float, float]
    flip: float
    reference: float | None
    log_prob_drop: float
    directions: tuple[float, float] | None = None
    p_adj: float | None = None
    detectable: float | None = None

    @property
    def bar(self) -> float:
        """What the whole interval has to exceed: what other heads cost, and what counts as an effect at all."""
        return max(SMALLEST_EFFECT, self.reference or 0.0)

    @property
    def matters(self) -> bool:
        return self.p_adj is not None and self.p_adj < MATTERS_P and self.ci[0] > self.bar


Effects = dict[str, dict[str, Effect]]  # intervention -> head -> effect


def measure_effects(
    model: GPT,
    split: Split,
    sites: dict[str, str],
    looking: Sequence[str],
    means: MeanOutputs,
    seed: int,
    say: Say = silent,
    n_tasks: int = 1,
) -> Effects:
    """Every intervention on every head, those at a site at the head's own one of ``sites`` (head -> site).

    Ablations of whole heads are measured on FEWER cases.

    A head from whose site nothing leads to the answer, as from the last layer where it is not A-1, has no effect and
    is left out. Patches need counterfactuals that stand beside each other with their sites at the same positions.
    ``n_tasks``: of the probe, for all of which the p of weight swaps are adjusted.
    """
    fewer, singles, read = split.part(FEWER), single_heads(model), Batch.answers
    made = changes_at_sites(model, split, sites)
    heads, where = [change.head for change in made], [change.site for change in made]
    kinds = (*AT_A_SITE, *(FROM_THE_COUNTERFACTUAL if aligned(split.cases) else ()))
    # pyrefly: ignore [bad-argument-type] all of these changes are at a site
    at_a_site: dict[str, Job] = {kind: AtSites(model, split.cases, heads, where, kind, read) for kind in kinds}
    whole_heads: dict[str, Job] = {
        "mean_ablation": without_sets(singles, means.over_rows, read),
        "resample_ablation": resampled(singles, seed, read),
        "zero_ablation": without_sets(singles, torch.zeros_like(means.over_rows), read),
        "mean_ablation_per_position": without_sets(singles, means.per_position, read),
    }
    every = measure_answers(model, split, at_a_site, lambda done: say(f"changing heads at their sites, {done}"))
    some = measure_answers(model, fewer, whole_heads, lambda done: say(f"taking whole heads away, {done}"))
    effects = compare_all(every, made, looking, split)
    everywhere = np.ones(len(fewer.cases), dtype=bool)
    effects |= compare_all(some, [Change(head, None, everywhere, own=True) for head in sites], looking, fewer)
    swapped = (every["clean"] - every["weight_swap"])[..., 0]
    effects["weight_swap"] = with_p(effects["weight_swap"], made, swapped, split, n_tasks)
    return effects


def measure_answers(model: GPT, split: Split, jobs: dict[str, Job], say: Say) -> dict[str, np.ndarray]:
    """Log-odds and log P(answer) [V, N, 2] after each of ``jobs``, and "clean" [1, N, 2] without any."""
    jobs = jobs | {"clean": lambda batch: batch.answers(batch.clean_logits)}
    return {kind: values.double().numpy() for kind, values in measure(model, split.cases, jobs, say).items()}


@dataclass(frozen=True)
class Change:
    """A head changed at a site, or in every row (None); ``path`` [N]: the cases in which that can reach the answer.

    ``own``: the head is quoted there; elsewhere it is changed for the reference alone.
    """

    head: str
    site: str | None
    path: np.ndarray
    own: bool


def changes_at_sites(model: GPT, split: Split, sites: dict[str, str]) -> list[Change]:
    """Each head at its own one of ``sites``, then at A-1 for the reference; only where that can reach some answer."""
    at = [*sites.items(), *((head, "A-1") for head, site in sites.items() if site != "A-1")]
    changes = [
        Change(head, site, np.array(paths_to_answer(model, split.cases, head, site)), own=site == sites[head])
        for head, site in at
    ]
    return [change for change in changes if change.path.any()]


def compare_all(answers: dict[str, np.ndarray], changes: list[Change], looking: Sequence[str], split: Split) -> Effects:
    """The effects of the ``changes`` that each kind of intervention made, from what ``measure_answers`` gives."""
    clean = answers["clean"][0]
    return {
        kind: compare(changes, clean, after, looking, split, counterfactuals=kind in FROM_THE_COUNTERFACTUAL)
        for kind, after in answers.items()
        if kind != "clean"
    }


def compare(
    made: Sequence[Change],
    clean: np.ndarray,
    after: np.ndarray,
    looking: Sequence[str],
    split: Split,
    counterfactuals: bool,
) -> dict[str, Effect]:
    """The effect of each head's own change, from the log-odds and log P(answer) ``clean`` [N, 2] and ``after``
    [changes, N, 2].

    All changes of heads that are not ``looking`` give the reference. Cases without a path do not count.
    """
    drops = clean - after
    sizes = [
        float(np.abs(drop[change.path, 0]).mean())
        for change, drop in zip(made, drops, strict=True)
        if change.head not in looking
    ]
    flipped = (after[..., 0] > 0) != (clean[:, 0] > 0)
    effects: dict[str, Effect] = {}
    for change, drop, flips in zip(made, drops, flipped, strict=True):
        path, everywhere, (odds, log_prob) = change.path, bool(change.path.all()), drop.T
        if not change.own:
            continue
        effects[change.head] = Effect(
            drop=float(odds[path].mean()),
            ci=split.where(path).clusters.interval(odds[path]),
            flip=float(flips[path].mean()),
            reference=max(sizes, default=None),
            log_prob_drop=float(log_prob[path].mean()),
            directions=(float(odds[::2].mean()), float(odds[1::2].mean())) if counterfactuals and everywhere else None,
        )
    return effects


def with_p(
    effects: dict[str, Effect], made: Sequence[Change], drops: np.ndarray, split: Split, n_tasks: int
) -> dict[str, Effect]:
    """Weight swaps with their p and the smallest effect that would have been found; ``drops`` [changes, N].

    Null hypothesis: what a swap does to the answers of a group of cases is as likely to be the opposite. The p of a
    head is adjusted for all heads of the task (``SignFlips``, of totals by their own size, since heads differ in
    theirs), and multiplied by the number of tasks (Bonferroni), since these have other cases each. Holm's step down
    would gain nothing: the factor may fall only once *every* head of a task has been found to have an effect.
    """
    own = [(change, drop) for change, drop in zip(made, drops, strict=True) if change.own]
    if not own:
        return effects
    counted = np.stack([np.where(change.path, drop, 0) for change, drop in own], axis=1)
    flips = SignFlips(standardised(counted, split.groups), FLIPS)
    critical, found = flips.critical(MATTERS_P / n_tasks), {}
    for (change, drop), p in zip(own, flips.p(), strict=True):
        effect = effects[change.head]
        least = least_drop(drop[change.path], split.where(change.path), effect.bar, critical)
        found[change.head] = replace(effect, p_adj=min(1.0, float(n_tasks * p)), detectable=least)
    return found
