"""How small an effect would have been found: without it, "not shown to look" cannot be read.

Both verdicts ask for an interval above a bar and for a small p; what else they ask for is taken as met. A true value
is *found with power 80 %* if in 80 % of such draws of cases both are met. The estimate exceeds its true value less
t(.80) standard errors in 80 % of draws; so the smallest true value is the smallest estimate that passes both, plus
t(.80) standard errors (Cohen 1988, chapter 2).
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from data.cases.case import counterfactual_groups
from probing.splits import Split
from probing.statistics import CONFIDENCE, binomial_intervals, student

POWER = 0.8
GRID = 2_001  # accuracies that are tried: a twentieth of a percent apart


@dataclass(frozen=True)
class Power:
    """What would have been found with this ``probability`` in the chosen head, at its site.

    ``choice_accuracy``: this much or more; ``weight_swap_drop``: so many nats or more. None where not even the most
    would have been, or where no effect was measured.
    """

    choice_accuracy: float | None
    weight_swap_drop: float | None
    probability: float = POWER


def least_accuracy(choice: np.ndarray, split: Split, baseline: float, critical: float) -> float | None:
    """The smallest choice accuracy of a head that would have been found to be above ``baseline``; None: not even 1.

    ``choice`` [N] of the head, whose errors say how much cases of a cluster resemble each other: its standard error
    over that of independent counterfactual pairs, at least 1, holds for every accuracy. ``critical``: the accuracy
    above which p is small enough.
    """
    n, mean, clusters = len(counterfactual_groups(split.cases)), choice.mean(), split.clusters
    if clusters.df == 0:
        return None
    tried = np.linspace(0, 1, GRID)
    (error,) = clusters.standard_errors(choice[:, None])
    inflation = max(1.0, error / sqrt(mean * (1 - mean) / n)) if 0 < mean < 1 else 1.0
    errors = inflation * np.sqrt(tried * (1 - tried) / n)
    low = np.minimum(binomial_intervals(tried, n)[:, 0], tried - student(clusters.df, (1 + CONFIDENCE) / 2) * errors)
    slack = student(clusters.df, POWER) * errors
    passing = tried[(low > baseline) & (tried > critical)]
    if not len(passing):
        return None
    return float(tried[tried - slack >= passing[0]][0])


def least_drop(drop: np.ndarray, split: Split, bar: float, critical: float) -> float | None:
    """The smallest mean effect in nats that would have been found, with the standard error that ``drop`` [N] has;
    None: however large.

    ``bar``: above which the interval must be. ``critical``: of Z, above which p is small enough. Z of G groups whose
    means have the mean m and the variance v is G m / sqrt(G m^2 + (G - 1) v).
    """
    clusters = split.clusters
    means = np.bincount(split.groups, drop) / np.bincount(split.groups)
    n, left = len(means), len(means) - critical**2
    if clusters.df == 0 or left <= 0:
        return None
    (error,) = clusters.standard_errors(drop[:, None])
    above_bar = bar + (student(clusters.df, (1 + CONFIDENCE) / 2) + student(clusters.df, POWER)) * error
    error = means.std(ddof=1) / sqrt(n)
    small_p = critical * sqrt((n - 1) / left) * error + student(n - 1, POWER) * error
    return float(max(above_bar, small_p))
