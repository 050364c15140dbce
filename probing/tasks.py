"""One task of cases, measured: does the model resolve it, which head looks, and does that head matter?

Heads and baselines are chosen on the *select* cases and quoted on the *report* cases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from common.progress import Say, silent
from data import EncodedCase
from data.cases.case import counterfactual_groups
from model import GPT
from probing.behaviour import Behaviour, judge
from probing.circuits import (
    Edges,
    NecessaryHeads,
    NotMeasured,
    ScoreParts,
    Sufficiency,
    choose_receivers,
    find_necessary_heads,
    measure_edges,
    measure_scores,
    measure_sufficiency,
)
from probing.effects import Effects, measure_effects
from probing.heads import HeadScores, lift_over, score_heads
from probing.interventions import mean_outputs
from probing.parallel import GoOn, side_by_side
from probing.power import Power, least_accuracy
from probing.predictions import (
    Predictions,
    chance,
    first,
    frequent,
    last_pronoun,
    nearest,
    offsets,
    sites_of,
    subject,
)
from probing.splits import Split, Tasks
from probing.stability import NEVER_CHOSEN, Stability, best_predictor, best_sites, measure_stability
from probing.statistics import RESAMPLES, SignFlips, leans

LOOKS_P = 0.01
FEWEST_CASES, FEWEST_TEMPLATES = 20, 4  # below which an interval says nothing
SHUFFLES = 50
UNTRAINED = 8  # one initialisation may be lucky; the luckiest of eight is a baseline to trust
UNTRAINED_CASES = 100  # of each split, for time; on all cases the luckiest is within a few percent of it, more or less


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


@dataclass(frozen=True)
class Untrained:
    """UNTRAINED untrained networks on one task: the best quote of any; and the mean mass on gold [S, K] that the heads
    of each head's layer give in all of them, over the ``cases`` [N] of *report* that they were measured on.
    """

    quoted: Quoted
    mass: np.ndarray
    cases: np.ndarray

    def lift(self, report: HeadScores) -> np.ndarray:
        """The mean mass on gold of each head over that of untrained ones [S, K], on the same cases."""
        return lift_over(report.gold[self.cases].mean(0), self.mass)


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """All that was measured on one task; ``heads``, ``cases`` and every number are of the *report* split.

    ``quotes`` has every head, each at its own best site; ``best`` is the one chosen on *select*. Where the model does
    not resolve the task, ``effects`` (by intervention and head) is empty, and ``necessary``, ``score_parts`` (of
    ``best``), ``sufficient`` and ``edges`` are None; the last two also where they were not asked for.
    """

    name: str
    cases: Sequence[EncodedCase]
    behaviour: Behaviour
    heads: HeadScores
    baselines: dict[str, Quoted]
    quotes: dict[str, HeadQuote]
    best: str
    effects: Effects
    necessary: NecessaryHeads | None
    stability: Stability
    power: Power
    sufficient: Sufficiency | None = None
    edges: Edges | NotMeasured | None = None
    score_parts: ScoreParts | NotMeasured | None = None

    @property
    def resolved(self) -> bool:
        return self.behaviour.resolved

    @property
    def best_baseline(self) -> tuple[str, Quoted]:
        return strongest(self.baselines)

    def matters(self, head: str) -> bool:
        """Whether the answer depends on what a head looks at: asked of heads that look alone."""
        swaps = self.effects.get("weight_swap", {})
        return self.quotes[head].looks and head in swaps and swaps[head].matters


def strongest(baselines: dict[str, Quoted]) -> tuple[str, Quoted]:
    return max(baselines.items(), key=lambda item: item[1].accuracy)


def quote(select: Predictions, report: Predictions, split: Split) -> Quoted:
    """The best of ``select``, quoted on ``report``, whose cases are those of ``split``."""
    site, k = best_predictor(select)
    values = report.choice()[:, site, k]
    return Quoted(report.names[k], report.sites[site], float(values.mean()), split.interval(values))


def untrained_models(model: GPT, seed: int) -> Iterator[GPT]:
    """The same network with initial weights, UNTRAINED times, one at a time."""
    for i in range(1, UNTRAINED + 1):
        yield GPT(model.config, seed + i).to(model.embed.weight.device).eval()


def measure_untrained(model: GPT, tasks: Tasks, seed: int, say: Say = silent) -> dict[str, Untrained]:
    """What untrained networks of this shape do on each task, given its *select* and *report* cases."""
    splits = {name: [Split(cases) for cases in both] for name, both in tasks.items()}

    def measured(i: int, other: GPT, name: str, go_on: GoOn) -> tuple[Quoted, np.ndarray]:
        go_on()
        say(f"untrained network {i} of {UNTRAINED}, {name}")
        return quote_untrained(other, *splits[name])

    networks = []  # of each, the tasks' results
    for i, other in enumerate(untrained_models(model, seed), start=1):
        results = side_by_side(partial(measured, i, other), [*tasks], other.embed.weight.device)
        networks.append(dict(zip(tasks, results, strict=True)))
    found = {}
    for name, (_, report) in splits.items():
        quotes, masses = zip(*(network[name] for network in networks), strict=True)
        luckiest = max(quotes, key=lambda quoted: quoted.accuracy)
        found[name] = Untrained(luckiest, np.mean(masses, axis=0), report.drawn(UNTRAINED_CASES))
    return found


def quote_untrained(other: GPT, select: Split, report: Split) -> tuple[Quoted, np.ndarray]:
    """The best head of an untrained network, and the mean mass on gold of the heads of each head's layer [S, K]."""
    parts = [split.part(UNTRAINED_CASES) for split in (select, report)]
    sites = sites_of((*select.cases, *report.cases))
    chosen, quotable = (score_heads(other, part.cases, sites) for part in parts)
    return quote(chosen, quotable, parts[1]), of_layers(quotable.mass(), other.config.n_head)


def of_layers(mass: np.ndarray, n_head: int) -> np.ndarray:
    """The mean of each head's layer in its stead: [S, K]."""
    by_layer = mass.reshape(len(mass), -1, n_head).mean(-1)
    return by_layer.repeat(n_head, axis=1)


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


def shuffled(scores: HeadScores, split: Split, seed: int) -> Predictions:
    """The same heads with labels that mean nothing: in whole groups of cases, gold and distractor are exchanged."""
    coins = np.random.default_rng(seed).integers(2, size=split.groups.max() + 1).astype(bool)
    flip = coins[split.groups][:, None, None]
    gold, rival = np.where(flip, scores.rival, scores.gold), np.where(flip, scores.gold, scores.rival)
    return Predictions(scores.names, scores.sites, gold, rival)


def quote_shuffled(select: Split, report: Split, heads: tuple[HeadScores, HeadScores], seed: int) -> Quoted:
    """What choosing the best of as many heads and sites yields by itself: the mean over SHUFFLES, with 95 % of them."""
    accuracies = []
    for i in range(SHUFFLES):
        labelled = [shuffled(scores, split, seed + i) for scores, split in zip(heads, (select, report), strict=True)]
        site, k = best_predictor(labelled[0])
        accuracies.append(labelled[1].choice()[:, site, k].mean())
    low, high = np.quantile(accuracies, (0.025, 0.975))
    # pyrefly: ignore [unbound-name] SHUFFLES is above 0
    return Quoted(f"{SHUFFLES} shuffles", heads[1].sites[site], float(np.mean(accuracies)), (float(low), float(high)))


def allowed_sites(scores: Predictions) -> list[int]:
    """The indices of the sites at which a head may be chosen."""
    return [i for i, site in enumerate(scores.sites) if site not in NEVER_CHOSEN]


def choice_flips(report: Predictions, split: Split) -> SignFlips:
    """A one-sided test of each predictor's accuracy against 1/2 at each site at which one may be chosen, adjusted for
    looking at all of them.

    Null hypothesis: gold and distractor are exchangeable within each group, whose cases all flip together:
    counterfactuals, and all stories about the same two words, since whatever a head has against one of them it has in
    every story. Each flip turns choices c into 1 - c.
    """
    return SignFlips(leans(report.choice()[:, allowed_sites(report)], split.groups), RESAMPLES)


def quote_heads(
    select: HeadScores,
    report: HeadScores,
    split: Split,
    flips: SignFlips,
    baseline: float,
    resolved: bool,
    lift_untrained: np.ndarray,
) -> dict[str, HeadQuote]:
    """Each head at the site where *select* says it is best; ``flips``: ``choice_flips`` of *report*;
    ``lift_untrained``: see ``Untrained.lift``.

    It looks, if the model resolves the task and the head on *report* surely beats every baseline.
    """
    choice = report.choice()
    allowed = allowed_sites(report)
    p_adj = np.ones(choice.shape[1:])
    p_adj[allowed] = flips.p().reshape(len(allowed), -1)
    sites = best_sites(select)
    intervals = split.intervals(np.stack([choice[:, site, k] for k, site in enumerate(sites)], axis=1))
    chained = bool(report.chain_uniform.any())
    mass, contrast, lift, accuracy = report.mass(), report.contrast(), report.lift(), report.accuracy()
    chain_lift = report.chain_lift()
    quotes = {}
    for k, (name, site) in enumerate(zip(report.names, sites, strict=True)):
        low, high = map(float, intervals[k])
        sure = low > baseline and p_adj[site, k] < LOOKS_P and lift[site, k] >= 1
        quotes[name] = HeadQuote(
            name,
            report.sites[site],
            float(accuracy[site, k]),
            (low, high),
            mass=float(mass[site, k]),
            contrast=float(contrast[site, k]),
            lift=float(lift[site, k]),
            p_adj=float(p_adj[site, k]),
            looks=bool(resolved and sure),
            chain_mass=float(report.chain[:, site, k].mean()) if chained else None,
            chain_lift=float(chain_lift[site, k]) if chained else None,
            lift_untrained=float(lift_untrained[site, k]),
        )
    return quotes


def fitting(cases: Sequence[EncodedCase], block_size: int) -> list[EncodedCase]:
    """The cases that fit into the block, short ones first, so that batches need little padding; pairs stay together."""
    groups = sorted(counterfactual_groups(cases), key=lambda group: max(len(case.tokens) for case in group))
    return [case for group in groups if max(len(case.tokens) for case in group) <= block_size for case in group]


def measure_task(
    model: GPT,
    select: Sequence[EncodedCase],
    report: Sequence[EncodedCase],
    untrained: Untrained,
    seed: int,
    say: Say = silent,
    circuits: bool = False,
    n_tasks: int = 1,
) -> TaskResult:
    """Everything about one task; ``select`` and ``report`` are its cases, counterfactuals next to each other.

    ``untrained``: what untrained models do on it (``measure_untrained``). ``seed`` draws shuffled labels, the cases to
    resample from, and random sets of heads. ``circuits``: also measure heads in sets, see ``probing.circuits``.
    ``n_tasks``: of the probe, for all of which p of weight swaps are adjusted.
    """
    say("what heads attend to")
    chosen, split = Split(select), Split(report)
    behaviour = judge(model, report)
    sites = sites_of((*select, *report))
    select_heads, report_heads = (score_heads(model, cases, sites) for cases in (select, report))
    baselines = plain_baselines(chosen, split, sites) | {
        "shuffled": quote_shuffled(chosen, split, (select_heads, report_heads), seed),
        "untrained": untrained.quoted,
    }
    bar = strongest(baselines)[1].accuracy
    lift_untrained, flips = untrained.lift(report_heads), choice_flips(report_heads, split)
    quotes = quote_heads(select_heads, report_heads, split, flips, bar, behaviour.resolved, lift_untrained)
    stability = measure_stability(select_heads, chosen)
    effects, necessary, sufficient, edges, score_parts = {}, None, None, None, None
    if behaviour.resolved:
        means = mean_outputs(model, select)
        own_sites = {name: quoted.site for name, quoted in quotes.items()}
        looking = [name for name, quoted in quotes.items() if quoted.looks]
        effects = measure_effects(model, split, own_sites, looking, means, seed, say, n_tasks)
        necessary = find_necessary_heads(model, chosen, split, means.over_rows, behaviour.judged_by, seed, say)
        score_parts = measure_scores(model, split, stability.head, quotes[stability.head].site, say)
        if circuits:
            sufficient = measure_sufficiency(
                model, chosen, split, own_sites, necessary, means.over_rows, behaviour.judged_by, seed, say
            )
            by_swap, by_ablation = (sufficient.curves[order].heads for order in ("effect", "necessary"))
            receivers = choose_receivers(model, looking, by_swap, by_ablation)
            edges = measure_edges(model, split, looking, receivers, say)
    return TaskResult(
        name=report[0].case.task,
        cases=report,
        behaviour=behaviour,
        heads=report_heads,
        baselines=baselines,
        quotes=quotes,
        best=stability.head,
        effects=effects,
        necessary=necessary,
        sufficient=sufficient,
        edges=edges,
        score_parts=score_parts,
        stability=stability,
        power=power_of(quotes[stability.head], report_heads, split, flips, bar, effects),
    )


def power_of(
    chosen: HeadQuote, report: HeadScores, split: Split, flips: SignFlips, baseline: float, effects: Effects
) -> Power:
    """What would have been found in the chosen head; ``flips``: ``choice_flips`` of *report*."""
    choice = report.choice()
    critical = 0.5 + flips.critical(LOOKS_P) / len(choice)
    own = choice[:, report.sites.index(chosen.site), report.names.index(chosen.name)]
    swap = effects.get("weight_swap", {}).get(chosen.name)
    return Power(least_accuracy(own, split, baseline, critical), swap.detectable if swap else None)


class NegativeControl(NamedTuple):
    """The accuracy farthest from 1/2 of any head at the pronoun, over ``cases`` whose counterfactuals are still
    identical there: whatever a head sees, it sees in both, so that it must be right in exactly one half.
    """

    accuracy: float
    cases: int


def negative_control_at(result: TaskResult) -> NegativeControl | None:
    """The negative control of one task; None where no counterfactuals first differ after the pronoun."""
    if "P" not in result.heads.sites:
        return None
    same = np.array([same_until_pronoun(group) for group in counterfactual_groups(result.cases) for _ in group])
    if not same.any():
        return None
    accuracies = result.heads.choice()[same, result.heads.sites.index("P")].mean(0).tolist()
    return NegativeControl(max(accuracies, key=from_half), int(same.sum()))


def negative_control(results: Sequence[TaskResult]) -> float | None:
    """The accuracy farthest from 1/2 in any task: must be 1/2. None where no task has such counterfactuals."""
    accuracies = [found.accuracy for result in results if (found := negative_control_at(result))]
    return max(accuracies, key=from_half, default=None)


def from_half(accuracy: float) -> float:
    return abs(accuracy - 0.5)


def same_until_pronoun(group: Sequence[EncodedCase]) -> bool:
    """Whether both are the same up to the pronoun, which has one position, and what is gold in one is the distractor of
    the other.
    """
    if len(group) < 2 or not all("P" in case.sites for case in group):
        return False
    one, other = group
    end = one.sites["P"] + 1
    same = end == other.sites["P"] + 1 and one.tokens[:end] == other.tokens[:end]
    return same and is_only_rival(one, other) and is_only_rival(other, one)


def is_only_rival(one: EncodedCase, other: EncodedCase) -> bool:
    """Whether all mentions of one's gold, and nothing else, are what another case's gold is compared with."""
    return [sorted(spans) for spans in other.rivals] == [sorted(one.gold)]
