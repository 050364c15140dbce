"""What untrained networks of the same shape do: a baseline, and what a head's mass on gold is compared with.

Among many heads that have learned nothing, some agree with a task's cases by chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from common.progress import Say, silent
from model import GPT
from probing.heads import HeadScores, lift_over, score_heads
from probing.parallel import GoOn, side_by_side
from probing.predictions import sites_of
from probing.quotes import Quoted, quote
from probing.splits import Split, Tasks

UNTRAINED = 8  # one initialisation may be lucky; the luckiest of eight is a baseline to trust
UNTRAINED_CASES = 100  # of each split, for time; on all cases the luckiest is within a few percent of it, more or less


@dataclass(frozen=True)
class Untrained:
    """UNTRAINED untrained networks on one task: the best quote of any; and the mean mass on gold [S, K] that the heads
    of each head's layer give in all of them, over the ``cases`` [N] of *report* that they were measured on.
    """

    quoted: Quoted
    mass: np.ndarray
    cases: np.ndarray

    def lift(self, report_scores: HeadScores) -> np.ndarray:
        """The mean mass on gold of each head over that of untrained ones [S, K], on the same cases."""
        return lift_over(report_scores.gold[self.cases].mean(0), self.mass)


def untrained_models(model: GPT, seed: int) -> Iterator[GPT]:
    """The same network with initial weights, UNTRAINED times, one at a time."""
    for i in range(1, UNTRAINED + 1):
        yield GPT(model.config, seed + i).to(model.embed.weight.device).eval()


def measure_untrained(model: GPT, tasks: Tasks, seed: int, say: Say = silent) -> dict[str, Untrained]:
    """What untrained networks of this shape do on each task."""

    def measured(i: int, other: GPT, name: str, go_on: GoOn) -> tuple[Quoted, np.ndarray]:
        go_on()
        say(f"untrained network {i} of {UNTRAINED}, {name}")
        return quote_untrained(other, *tasks[name])

    networks = []  # of each, the tasks' results
    for i, other in enumerate(untrained_models(model, seed), start=1):
        results = side_by_side(partial(measured, i, other), [*tasks], other.embed.weight.device)
        networks.append(dict(zip(tasks, results, strict=True)))
    found = {}
    for name, task in tasks.items():
        quotes, masses = zip(*(network[name] for network in networks), strict=True)
        luckiest = max(quotes, key=lambda quoted: quoted.accuracy)
        found[name] = Untrained(luckiest, np.mean(masses, axis=0), task.report.drawn(UNTRAINED_CASES))
    return found


def quote_untrained(other: GPT, select: Split, report: Split) -> tuple[Quoted, np.ndarray]:
    """The best head of an untrained network, and the mean mass on gold of the heads of each head's layer [S, K]."""
    sites = sites_of((*select.cases, *report.cases))
    select, report = select.part(UNTRAINED_CASES), report.part(UNTRAINED_CASES)
    select_scores, report_scores = (score_heads(other, split.cases, sites) for split in (select, report))
    n_head = other.config.n_head
    by_layer = report_scores.mass().reshape(len(sites), -1, n_head).mean(-1)
    return quote(select_scores, report_scores, report), by_layer.repeat(n_head, axis=1)
