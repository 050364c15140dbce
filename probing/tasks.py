"""One task of cases, measured: does the model resolve it, which head looks, and does that head matter?

Heads and baselines are chosen on the *select* cases and quoted on the *report* cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from common.progress import Say, silent
from data import EncodedCase
from data.cases.case import counterfactual_groups
from model import GPT
from probing.behaviour import Behaviour, judge
from probing.circuits import (
    Edges,
    HeadSets,
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
from probing.heads import HeadScores, score_heads
from probing.interventions import mean_outputs
from probing.power import Power, least_accuracy
from probing.predictions import sites_of
from probing.quotes import (
    LOOKS_P,
    HeadQuote,
    Quoted,
    choice_flips,
    plain_baselines,
    quote_heads,
    quote_shuffled,
    strongest,
)
from probing.splits import Split
from probing.stability import Stability, measure_stability
from probing.statistics import SignFlips
from probing.untrained import Untrained


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """All that was measured on one task; ``heads`` and every number are of ``split``, the *report* cases.

    ``quotes`` has every head, each at its own best site; ``best`` is the one chosen on *select*. Where the model does
    not resolve the task, ``effects`` (by intervention and head) is empty, and ``necessary``, ``score_parts`` (of
    ``best``), ``sufficient`` and ``edges`` are None; the last two also where they were not asked for.
    """

    name: str
    split: Split
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
    def cases(self) -> Sequence[EncodedCase]:
        return self.split.cases

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


def fitting(cases: Sequence[EncodedCase], block_size: int) -> list[EncodedCase]:
    """The cases that fit into the block, short ones first, so that batches need little padding; pairs stay together."""
    groups = sorted(counterfactual_groups(cases), key=lambda group: max(len(case.tokens) for case in group))
    return [case for group in groups if max(len(case.tokens) for case in group) <= block_size for case in group]


def measure_task(
    model: GPT,
    select: Split,
    report: Split,
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
    behaviour = judge(model, report)
    sites = sites_of((*select.cases, *report.cases))
    select_scores, report_scores = (score_heads(model, split.cases, sites) for split in (select, report))
    baselines = plain_baselines(select, report, sites) | {
        "shuffled": quote_shuffled(select_scores, report_scores, select, report, seed),
        "untrained": untrained.quoted,
    }
    bar = strongest(baselines)[1].accuracy
    lift_untrained, flips = untrained.lift(report_scores), choice_flips(report_scores, report)
    quotes = quote_heads(select_scores, report_scores, report, flips, bar, behaviour.resolved, lift_untrained)
    stability = measure_stability(select_scores, select)
    effects, necessary, sufficient, edges, score_parts = {}, None, None, None, None
    if behaviour.resolved:
        means = mean_outputs(model, select.cases)
        own_sites = {name: quoted.site for name, quoted in quotes.items()}
        looking = [name for name, quoted in quotes.items() if quoted.looks]
        effects = measure_effects(model, report, own_sites, looking, means, seed, say, n_tasks)
        head_sets = HeadSets(model, means.over_rows)
        necessary = find_necessary_heads(head_sets, select, report, behaviour.judged_by, seed, say)
        score_parts = measure_scores(model, report, stability.head, quotes[stability.head].site, say)
        if circuits:
            sufficient = measure_sufficiency(
                head_sets, select, report, own_sites, necessary, behaviour.judged_by, seed, say
            )
            by_swap, by_ablation = (sufficient.curves[order].heads for order in ("effect", "necessary"))
            receivers = choose_receivers(model, looking, by_swap, by_ablation)
            edges = measure_edges(model, report, looking, receivers, say)
    return TaskResult(
        name=report.cases[0].case.task,
        split=report,
        behaviour=behaviour,
        heads=report_scores,
        baselines=baselines,
        quotes=quotes,
        best=stability.head,
        effects=effects,
        necessary=necessary,
        sufficient=sufficient,
        edges=edges,
        score_parts=score_parts,
        stability=stability,
        power=power_of(quotes[stability.head], report_scores, report, flips, bar, effects),
    )


def power_of(
    chosen: HeadQuote, report_scores: HeadScores, report: Split, flips: SignFlips, baseline: float, effects: Effects
) -> Power:
    """What would have been found in the chosen head; ``flips``: ``choice_flips`` of *report*."""
    choice = report_scores.choice()
    critical = 0.5 + flips.critical(LOOKS_P) / len(choice)
    own = choice[:, report_scores.sites.index(chosen.site), report_scores.names.index(chosen.name)]
    swap = effects.get("weight_swap", {}).get(chosen.name)
    return Power(least_accuracy(own, report, baseline, critical), swap.detectable if swap else None)
