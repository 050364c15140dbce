"""How often a head, or a baseline, is right: chosen on *select*, quoted on *report*; and whether a head looks.

All are chosen by the same rule and quoted on the same cases, or a head would win merely by being the best of many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from probing.heads import HeadScores
from probing.predictions import Predictions, chance, first, frequent, last_pronoun, nearest, offsets, subject
from probing.splits import Split
from probing.stability import NEVER_CHOSEN, best_predictor, best_sites
from probing.statistics import RESAMPLES, SignFlips, leans

LOOKS_P = 0.01
SHUFFLES = 50


@dataclass(frozen=True)
class Quoted:
    """One predictor at one site, chosen on *select*, with its number on *report* (``ci``: see ``Split.intervals``)."""

    name: str
    site: str
    accuracy: float
    ci: tuple[float, float]


@dataclass(frozen=True)
class HeadQuote(Quoted):
    """A head's quote, with its mean mass on gold, its contrast to the best distractor, its lift, and its p
    adjusted for all heads and sites; ``chain_mass``: on the pronouns between the pronoun and gold, None without any;
    ``lift_untrained``: over what the heads of its layer give gold in untrained networks.
    """

    mass: float
    contrast: float
    lift: float
    p_adj: float
    looks: bool
    chain_mass: float | None = None
    chain_lift: float | None = None
    lift_untrained: float | None = None


def strongest(baselines: dict[str, Quoted]) -> tuple[str, Quoted]:
    return max(baselines.items(), key=lambda item: item[1].accuracy)


def quote(select_scores: Predictions, report_scores: Predictions, report: Split) -> Quoted:
    """The predictor that is best on *select*, quoted on *report*."""
    site, k = best_predictor(select_scores)
    values = report_scores.choice()[:, site, k]
    return Quoted(report_scores.names[k], report_scores.sites[site], float(values.mean()), report.interval(values))


def plain_baselines(select: Split, report: Split, sites: tuple[str, ...]) -> dict[str, Quoted]:
    """The baselines that need no network, chosen and quoted exactly as heads are."""
    longest = max(len(case.tokens) for case in (*select.cases, *report.cases))
    makers = {
        "chance": chance,
        "nearest": nearest,
        "first": first,
        "subject": subject,
        "frequent": frequent,
        "offset": partial(offsets, longest=longest),
    }
    if any(case.last_pronoun for case in (*select.cases, *report.cases)):
        makers["last pronoun"] = last_pronoun
    return {name: quote(make(select.cases, sites), make(report.cases, sites), report) for name, make in makers.items()}


def shuffled(scores: HeadScores, split: Split, seed: Sequence[int]) -> Predictions:
    """The same heads with labels that mean nothing: in whole groups of cases, gold and distractor are exchanged."""
    coins = np.random.default_rng(seed).integers(2, size=split.groups.max() + 1).astype(bool)
    flip = coins[split.groups][:, None, None]
    gold, rival = np.where(flip, scores.rival, scores.gold), np.where(flip, scores.gold, scores.rival)
    return Predictions(scores.names, scores.sites, gold, rival)


def quote_shuffled(
    select_scores: HeadScores, report_scores: HeadScores, select: Split, report: Split, seed: int
) -> Quoted:
    """What choosing the best of as many heads and sites yields by itself: the mean over SHUFFLES, with 95 % of them."""
    accuracies = []
    for i in range(SHUFFLES):
        # Coins of its own for each split: with the same ones, what *select* happens to favour *report* would, too.
        chosen_on = shuffled(select_scores, select, (seed, i, 0))
        quoted_on = shuffled(report_scores, report, (seed, i, 1))
        site, k = best_predictor(chosen_on)
        accuracies.append(quoted_on.choice()[:, site, k].mean())
    low, high = map(float, np.quantile(accuracies, (0.025, 0.975)))
    # pyrefly: ignore [unbound-name] SHUFFLES is above 0
    return Quoted(f"{SHUFFLES} shuffles", report_scores.sites[site], float(np.mean(accuracies)), (low, high))


def allowed_sites(scores: Predictions) -> list[int]:
    """The indices of the sites at which a head may be chosen."""
    return [i for i, site in enumerate(scores.sites) if site not in NEVER_CHOSEN]


def choice_flips(report_scores: Predictions, report: Split) -> SignFlips:
    """A one-sided test of each predictor's accuracy against 1/2 at each site at which one may be chosen, adjusted for
    looking at all of them.

    Null hypothesis: gold and distractor are exchangeable within each group, whose cases all flip together:
    counterfactuals, and all stories about the same two words, since whatever a head has against one of them it has in
    every story. Each flip turns choices c into 1 - c.
    """
    return SignFlips(leans(report_scores.choice()[:, allowed_sites(report_scores)], report.groups), RESAMPLES)


def quote_heads(
    select_scores: HeadScores,
    report_scores: HeadScores,
    report: Split,
    flips: SignFlips,
    baseline: float,
    resolved: bool,
    lift_untrained: np.ndarray,
) -> dict[str, HeadQuote]:
    """Each head at the site where *select* says it is best; ``flips``: ``choice_flips`` of *report*;
    ``lift_untrained``: see ``Untrained.lift``.

    It looks, if the model resolves the task and the head on *report* surely beats every baseline.
    """
    choice = report_scores.choice()
    allowed = allowed_sites(report_scores)
    p_adj = np.ones(choice.shape[1:])
    p_adj[allowed] = flips.p().reshape(len(allowed), -1)
    sites = best_sites(select_scores)
    intervals = report.intervals(np.stack([choice[:, site, k] for k, site in enumerate(sites)], axis=1))
    chained = bool(report_scores.chain_uniform.any())
    accuracy, mass, contrast = report_scores.accuracy(), report_scores.mass(), report_scores.contrast()
    lift, chain_lift = report_scores.lift(), report_scores.chain_lift()
    quotes = {}
    for k, (name, site) in enumerate(zip(report_scores.names, sites, strict=True)):
        low, high = map(float, intervals[k])
        sure = low > baseline and p_adj[site, k] < LOOKS_P and lift[site, k] >= 1
        quotes[name] = HeadQuote(
            name,
            report_scores.sites[site],
            float(accuracy[site, k]),
            (low, high),
            mass=float(mass[site, k]),
            contrast=float(contrast[site, k]),
            lift=float(lift[site, k]),
            p_adj=float(p_adj[site, k]),
            looks=bool(resolved and sure),
            chain_mass=float(report_scores.chain[:, site, k].mean()) if chained else None,
            chain_lift=float(chain_lift[site, k]) if chained else None,
            lift_untrained=float(lift_untrained[site, k]),
        )
    return quotes
