"""One family of cases, measured: does the model resolve it, which head looks, and does that head matter?

Heads and baselines are chosen on the *select* cases and quoted on the *report* cases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data import EncodedCase
from data.cases import answer_columns
from model import GPT
from model.score import AnswerScores, score_answers
from probing.heads import HeadScores, score_heads
from probing.interventions import swap
from probing.predictions import Predictions, chance, first, frequent, nearest, offsets, sites_of, subject
from probing.statistics import bootstrap_interval, family_wise_p

# At A the answer itself has been read, so that any same-word head finds its antecedent: shown, never chosen.
NEVER_CHOSEN = ("A",)
LOOKS_P = 0.01
UNTRAINED = 8  # one initialisation may be lucky; the luckiest of eight is a baseline to trust


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


@dataclass(frozen=True, kw_only=True)
class FamilyResult:
    """All that was measured on one family; ``heads``, ``cases`` and every number are of the *report* split.

    ``quotes`` has every head, each at its own best site; ``best`` is the one chosen on *select*. ``effects`` is empty
    where the model does not resolve the family.
    """

    name: str
    cases: Sequence[EncodedCase]
    loss: float
    accuracy: float
    accuracy_ci: tuple[float, float]
    heads: HeadScores
    baselines: dict[str, Quoted]
    quotes: dict[str, HeadQuote]
    best: str
    effects: dict[str, Effect]

    @property
    def resolved(self) -> bool:
        return is_resolved(self.accuracy_ci)

    @property
    def best_baseline(self) -> tuple[str, Quoted]:
        return strongest(self.baselines)


def is_resolved(accuracy_ci: tuple[float, float]) -> bool:
    """Whether a model is surely better than one that takes either candidate at random; else no head is interpreted."""
    return accuracy_ci[0] > 0.5


def strongest(baselines: dict[str, Quoted]) -> tuple[str, Quoted]:
    return max(baselines.items(), key=lambda item: item[1].accuracy)


def interval(values: np.ndarray, cases: Sequence[EncodedCase]) -> tuple[float, float]:
    """95 % for a mean over cases, of which those with the same frame, and those with the same words, are alike."""
    return bootstrap_interval(values, [case.case.frame for case in cases], [case.case.candidates for case in cases])


def best_place(select: Predictions, predictors: slice = slice(None)) -> tuple[int, int]:
    """(site, predictor) of the highest choice accuracy on *select*; ties go to more mass, then to the earlier one."""
    value = select.accuracy() + 1e-6 * select.gold.mean(0)
    if isinstance(select, HeadScores):
        value = np.where(select.engagement() < 1, value - 2, value)
    allowed = np.array([site not in NEVER_CHOSEN for site in select.sites])
    value = np.where(allowed[:, None], value, -np.inf)[:, predictors]
    site, predictor = np.unravel_index(value.argmax(), value.shape)
    return int(site), int(predictor)


def quote(select: Predictions, report: Predictions, cases: Sequence[EncodedCase]) -> Quoted:
    """The best of ``select``, quoted on ``report``, whose cases are ``cases``."""
    site, k = best_place(select)
    values = report.choice()[:, site, k]
    return Quoted(report.names[k], report.sites[site], float(values.mean()), interval(values, cases))


def untrained_models(model: GPT, seed: int) -> Iterator[GPT]:
    """The same network with initial weights, UNTRAINED times, one at a time."""
    for i in range(1, UNTRAINED + 1):
        yield GPT(model.config, seed + i).to(model.embed.weight.device).eval()


def measure_baselines(
    model: GPT, select: Sequence[EncodedCase], report: Sequence[EncodedCase], sites: tuple[str, ...], seed: int
) -> dict[str, Quoted]:
    """Every baseline, chosen and quoted exactly as heads are; of the untrained models, the one that quotes best."""
    longest = max(len(case.tokens) for case in (*select, *report))
    makers = {
        "chance": lambda cases: chance(cases, sites),
        "nearest": lambda cases: nearest(cases, sites),
        "first": lambda cases: first(cases, sites),
        "subject": lambda cases: subject(cases, sites),
        "frequent": lambda cases: frequent(cases, sites),
        "offset": lambda cases: offsets(cases, sites, longest),
    }
    quoted = {name: quote(make(select), make(report), report) for name, make in makers.items()}
    lucky = (
        quote(score_heads(other, select, sites), score_heads(other, report, sites), report)
        for other in untrained_models(model, seed)
    )
    quoted["untrained"] = max(lucky, key=lambda quoted: quoted.accuracy)
    return quoted


def quote_heads(
    select: HeadScores, report: HeadScores, cases: Sequence[EncodedCase], baseline: float, resolved: bool
) -> dict[str, HeadQuote]:
    """Each head at the site where *select* says it is best.

    It looks, if the model resolves the family and the head on *report* surely beats every baseline.
    """
    choice = report.choice()
    allowed = [i for i, site in enumerate(report.sites) if site not in NEVER_CHOSEN]
    p_adj = np.ones(choice.shape[1:])
    p_adj[allowed] = family_wise_p(choice[:, allowed], [case.case.candidates for case in cases])
    mass, engagement = report.mass(), report.engagement()
    quotes = {}
    for k, name in enumerate(report.names):
        site, _ = best_place(select, slice(k, k + 1))
        values = choice[:, site, k]
        ci = interval(values, cases)
        sure = ci[0] > baseline and p_adj[site, k] < LOOKS_P and engagement[site, k] >= 1
        quotes[name] = HeadQuote(
            name,
            report.sites[site],
            float(values.mean()),
            ci,
            mass=float(mass[site, k]),
            engagement=float(engagement[site, k]),
            p_adj=float(p_adj[site, k]),
            looks=bool(resolved and sure),
        )
    return quotes


def measure_effects(
    model: GPT, cases: Sequence[EncodedCase], behaviour: AnswerScores, quotes: dict[str, HeadQuote]
) -> dict[str, Effect]:
    """Swaps masses in each head at its own site, on *report*."""
    drops, flips = {}, {}
    for name, quoted in quotes.items():
        odds = swap(model, cases, quoted.site, name).log_odds
        drops[name] = (behaviour.log_odds - odds).cpu().double().numpy()
        flips[name] = float(((odds > 0) != (behaviour.log_odds > 0)).float().mean())
    reference = max((float(drops[name].mean()) for name, quoted in quotes.items() if not quoted.looks), default=0.0)
    return {
        name: Effect(float(drop.mean()), interval(drop, cases), flips[name], reference) for name, drop in drops.items()
    }


def fitting(cases: Sequence[EncodedCase], block_size: int) -> list[EncodedCase]:
    """The cases that fit into the block; twins stay together."""
    return [case for twins in pairs(cases) if max(len(case.tokens) for case in twins) <= block_size for case in twins]


def measure_family(model: GPT, select: Sequence[EncodedCase], report: Sequence[EncodedCase], seed: int) -> FamilyResult:
    """Everything about one family; ``select`` and ``report`` are its cases, twins next to each other."""
    behaviour = score_answers(model, *answer_columns(report))
    right = behaviour.right.cpu().double().numpy()
    accuracy_ci = interval(right, report)
    resolved = is_resolved(accuracy_ci)
    sites = sites_of((*select, *report))
    select_heads, report_heads = (score_heads(model, cases, sites) for cases in (select, report))
    baselines = measure_baselines(model, select, report, sites, seed)
    quotes = quote_heads(select_heads, report_heads, report, strongest(baselines)[1].accuracy, resolved)
    return FamilyResult(
        name=report[0].case.family,
        cases=report,
        loss=-float(behaviour.answer.mean()),
        accuracy=float(right.mean()),
        accuracy_ci=accuracy_ci,
        heads=report_heads,
        baselines=baselines,
        quotes=quotes,
        best=report_heads.names[best_place(select_heads)[1]],
        effects=measure_effects(model, report, behaviour, quotes) if resolved else {},
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
