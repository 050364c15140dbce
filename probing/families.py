"""One family of cases, measured: does the model resolve it, which head looks, and does that head matter?

Heads and baselines are chosen on the *select* cases and quoted on the *report* cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from data import EncodedCase, InputError
from data.cases import answer_columns
from model import GPT
from model.score import AnswerScores, score_answers
from probing.heads import HeadScores, score_heads
from probing.interventions import swap
from probing.predictions import Predictions, chance, first, nearest, offsets, sites_of
from probing.statistics import bootstrap_interval, family_wise_p

# At A the answer itself has been read, so that any same-word head finds its antecedent: shown, never chosen.
NEVER_CHOSEN = ("A",)
LOOKS_P = 0.01


@dataclass(frozen=True)
class Quoted:
    """One predictor at one site, chosen on *select*, with its number on *report* (``ci``: 95 %, over frames)."""

    name: str
    site: str
    accuracy: float
    ci: tuple[float, float]


@dataclass(frozen=True)
class HeadQuote(Quoted):
    """A head's quote, with its mean mass on gold, its engagement, and its p adjusted for all heads and sites."""

    mass: float
    engagement: float
    p_adj: float
    looks: bool


@dataclass(frozen=True)
class Effect:
    """What swapping gold and distractor mass did: ``drop`` of log P(answer) - log P(foil) in nats, mean and interval.

    ``flip``: how often the preferred of the two changed. ``reference``: the largest mean drop among the heads that do
    not look. A head matters where the whole interval lies above both 0 and that reference.
    """

    drop: float
    ci: tuple[float, float]
    flip: float
    reference: float

    @property
    def matters(self) -> bool:
        return self.ci[0] > max(0.0, self.reference)


@dataclass(frozen=True)
class FamilyResult:
    name: str
    cases: Sequence[EncodedCase]
    behaviour: AnswerScores
    accuracy: float
    accuracy_ci: tuple[float, float]
    heads: HeadScores  # on report
    quotes: dict[str, HeadQuote]  # every head, each at its own best site
    best: str
    baselines: dict[str, Quoted]
    effects: dict[str, Effect] = field(default_factory=dict)

    @property
    def resolved(self) -> bool:
        """Whether the model itself is above choosing between the two candidates by chance; else no head is read."""
        return self.accuracy_ci[0] > 0.5

    @property
    def best_baseline(self) -> Quoted:
        return max(self.baselines.values(), key=lambda quoted: quoted.accuracy)


def frames(cases: Sequence[EncodedCase]) -> list[str]:
    return [case.case.frame for case in cases]


def twin_groups(cases: Sequence[EncodedCase]) -> list[str]:
    """One name for a case and its twin."""
    return [min(case.case.id, case.case.twin or case.case.id) for case in cases]


def best_place(select: Predictions, k: int | slice = slice(None)) -> tuple[int, int]:
    """(site, predictor) of the highest choice accuracy on *select*; ties go to more mass, then to the earlier one."""
    value = select.accuracy() + 1e-6 * select.gold.mean(0)
    if isinstance(select, HeadScores):
        value = np.where(select.engagement() < 1, value - 2, value)
    allowed = np.array([site not in NEVER_CHOSEN for site in select.sites])
    value = np.where(allowed[:, None], value, -np.inf)[:, k]
    site, predictor = np.unravel_index(value.argmax(), value.shape)
    return int(site), int(predictor)


def quote(select: Predictions, report: Predictions, cases: Sequence[EncodedCase]) -> Quoted:
    """The best of ``select``, quoted on ``report``, whose cases are ``cases``."""
    site, k = best_place(select)
    values = report.choice()[:, site, k]
    name = report.names[k]
    return Quoted(name, report.sites[site], float(values.mean()), bootstrap_interval(values, frames(cases)))


def measure_baselines(
    untrained: GPT, select: Sequence[EncodedCase], report: Sequence[EncodedCase], sites: tuple[str, ...]
) -> dict[str, Quoted]:
    """Every baseline, chosen and quoted exactly as heads are."""
    longest = max(len(case.tokens) for case in (*select, *report))
    makers = {
        "chance": lambda cases: chance(cases, sites),
        "nearest": lambda cases: nearest(cases, sites),
        "first": lambda cases: first(cases, sites),
        "offset": lambda cases: offsets(cases, sites, longest),
        "untrained": lambda cases: score_heads(untrained, cases),
    }
    return {name: quote(make(select), make(report), report) for name, make in makers.items()}


def quote_heads(
    select: HeadScores, report: HeadScores, cases: Sequence[EncodedCase], baseline: float
) -> dict[str, HeadQuote]:
    """Each head at the site where *select* says it is best. It looks, if on *report* it beats every baseline surely."""
    choice = report.choice()
    allowed = [i for i, site in enumerate(report.sites) if site not in NEVER_CHOSEN]
    p_adj = np.ones(choice.shape[1:])
    p_adj[allowed] = family_wise_p(choice[:, allowed], twin_groups(cases))
    mass, engagement = report.mass(), report.engagement()
    quotes = {}
    for k, name in enumerate(report.names):
        site, _ = best_place(select, slice(k, k + 1))
        values = choice[:, site, k]
        ci = bootstrap_interval(values, frames(cases))
        looks = ci[0] > baseline and p_adj[site, k] < LOOKS_P and engagement[site, k] >= 1
        numbers = (float(mass[site, k]), float(engagement[site, k]), float(p_adj[site, k]), bool(looks))
        quotes[name] = HeadQuote(name, report.sites[site], float(values.mean()), ci, *numbers)
    return quotes


def measure_effects(
    model: GPT, cases: Sequence[EncodedCase], behaviour: AnswerScores, quotes: dict[str, HeadQuote]
) -> dict[str, Effect]:
    """Swaps masses in each head at its own site, on *report*."""
    drops, flips = {}, {}
    for name, quoted in quotes.items():
        odds = swap(model, cases, quoted.site, name).log_odds
        drops[name] = (behaviour.log_odds - odds).double().cpu().numpy()
        flips[name] = float(((odds > 0) != (behaviour.log_odds > 0)).float().mean())
    reference = max((float(drops[name].mean()) for name, quoted in quotes.items() if not quoted.looks), default=0.0)
    return {
        name: Effect(float(drop.mean()), bootstrap_interval(drop, frames(cases)), flips[name], reference)
        for name, drop in drops.items()
    }


def fitting(cases: Sequence[EncodedCase], block_size: int) -> list[EncodedCase]:
    """The cases that fit into the block; raises InputError where less than half of them do."""
    kept = [case for case in cases if len(case.tokens) <= block_size]
    if 2 * len(kept) < len(cases):
        raise InputError(f"{len(cases) - len(kept)} of {len(cases)} cases are longer than block_size={block_size}")
    return kept


def measure_family(
    model: GPT, untrained: GPT, select: Sequence[EncodedCase], report: Sequence[EncodedCase]
) -> FamilyResult:
    """Everything about one family; ``select`` and ``report`` are its cases, twins next to each other."""
    select, report = (fitting(cases, model.config.block_size) for cases in (select, report))
    behaviour = score_answers(model, *answer_columns(report))
    right = behaviour.right.double().cpu().numpy()
    select_heads, report_heads = score_heads(model, select), score_heads(model, report)
    baselines = measure_baselines(untrained, select, report, sites_of(report))
    strongest = max(quoted.accuracy for quoted in baselines.values())
    quotes = quote_heads(select_heads, report_heads, report, strongest)
    _, best = best_place(select_heads)
    ci = bootstrap_interval(right, frames(report))
    effects = measure_effects(model, report, behaviour, quotes) if ci[0] > 0.5 else {}
    return FamilyResult(
        report[0].case.family,
        report,
        behaviour,
        float(right.mean()),
        ci,
        report_heads,
        quotes,
        report_heads.names[best],
        baselines,
        effects,
    )


def impossible_probe(results: Sequence[FamilyResult]) -> float | None:
    """The accuracy farthest from 1/2 of any head at the pronoun, where twins are still identical: must be 1/2.

    Only families whose twins first differ after the pronoun can be asked; None where there are none.
    """
    accuracies = []
    for result in results:
        if "P" in result.heads.sites and all(same_until_pronoun(*twins) for twins in pairs(result.cases)):
            accuracies += result.heads.accuracy()[result.heads.sites.index("P")].tolist()
    return max(accuracies, key=lambda accuracy: abs(accuracy - 0.5), default=None)


def pairs(cases: Sequence[EncodedCase]) -> list[tuple[EncodedCase, EncodedCase]]:
    return list(zip(cases[::2], cases[1::2], strict=True))


def same_until_pronoun(one: EncodedCase, other: EncodedCase) -> bool:
    end = one.sites["P"] + 1
    return one.tokens[:end] == other.tokens[:end] and one.gold == other.distractors
