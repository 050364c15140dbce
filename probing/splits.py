"""The cases of a task that heads are chosen on and quoted on, and how sure a mean over them is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from data import EncodedCase
from data.cases.case import counterfactual_groups
from probing.statistics import Clusters, binomial_intervals

CLUSTERINGS = ("templates", "words")  # see Split.clusters


@dataclass(frozen=True)
class Split:
    """Cases of one task and split, with the clusters that they fall into."""

    cases: Sequence[EncodedCase]

    @cached_property
    def groups(self) -> np.ndarray:
        """The group of each case [N]: counterfactuals are in one, and so are all cases about the same words."""
        groups = np.unique([case.case.candidates for case in self.cases], return_inverse=True)[1]
        start = 0
        for counterfactuals in counterfactual_groups(self.cases):
            own = groups[start : start + len(counterfactuals)]
            for other in own[1:]:
                groups = np.where(groups == other, own[0], groups)
            start += len(counterfactuals)
        return np.unique(groups, return_inverse=True)[1]

    @cached_property
    def clusters(self) -> Clusters:
        """Templates, and groups of counterfactuals and words: cases that share either resemble each other."""
        return Clusters([case.case.template for case in self.cases], self.groups)

    def intervals(self, shares: np.ndarray) -> np.ndarray:
        """95 % [K, 2] for the means of ``shares`` [N, K] in [0, 1]; never narrower than for independent pairs."""
        low, high = np.clip(self.clusters.intervals(shares), 0, 1).T
        exact = binomial_intervals(shares.mean(0), len(counterfactual_groups(self.cases)))
        return np.stack((np.minimum(low, exact[:, 0]), np.maximum(high, exact[:, 1])), 1)

    def interval(self, shares: np.ndarray) -> tuple[float, float]:
        """The same for one column [N]."""
        low, high = self.intervals(shares[:, None])[0]
        return float(low), float(high)

    def part(self, n: int) -> "Split":
        """About n cases, drawn at random, always the same ones; counterfactuals together."""
        return self.where(self.drawn(n))

    def drawn(self, n: int) -> np.ndarray:
        """Which cases ``part`` takes: [N]. Drawn, because every k-th of a file may all be of one template."""
        groups = counterfactual_groups(self.cases)
        n_groups = max(1, n * len(groups) // len(self.cases))
        taken = np.random.default_rng(0).permutation(len(groups)) < n_groups
        return taken.repeat([len(group) for group in groups])

    def where(self, wanted: np.ndarray) -> "Split":
        """The cases that are ``wanted`` [N]; this split, with what it has computed, where all are."""
        return self if wanted.all() else Split([case for case, own in zip(self.cases, wanted, strict=True) if own])


class TaskCases(NamedTuple):
    """The cases of one task: those that heads and baselines are chosen on, and those that they are quoted on."""

    select: Split
    report: Split


Tasks = dict[str, TaskCases]  # by name
