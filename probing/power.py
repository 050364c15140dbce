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
from probing.statistics import CONFIDENCE, binomial_intervals

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


def quantile(df: int, share: float) -> float:
    """Of Student's t."""
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(df, share))


def least_accuracy(choice: np.ndarray, split: Split, baseline: float, critical: float) -> float | None:
    """The smallest choice accuracy of a head that would have been found to be above ``baseline``; None: not even 1.

    ``choice`` [N] of the head, whose errors say how much cases of a cluster resemble each other: its standard errors
    over those of independent cases, at least 1, hold for every accuracy. ``critical``: the accuracy above which p
    is small enough.
    """
    n, mean = len(choice), choice.mean()
    tried = np.linspace(0, 1, GRID)
    alone = np.sqrt(tried * (1 - tried) / n)
    low, slack = binomial_intervals(tried, len(counterfactual_groups(split.cases)))[:, 0], np.zeros(GRID)
    for error, df in split.bootstrap.standard_errors(choice):
        inflation = max(1.0, error / sqrt(mean * (1 - mean) / n)) if 0 < mean < 1 else 1.0
        low = np.minimum(low, tried - quantile(df, (1 + CONFIDENCE) / 2) * inflation * alone)
        slack = np.maximum(slack, quantile(df, POWER) * inflation * alone)
    passing = tried[(low > baseline) & (tried > critical)]
    if not len(passing):
        return None
    return float(tried[tried - slack >= passing[0]][0])


def least_drop(drop: np.ndarray, split: Split, bar: float, critical: float) -> float | None:
    """The smallest mean effect in nats that would have been found, with the standard errors that ``drop`` [N] has;
    None: however large.

    ``bar``: above which the interval must be. ``critical``: of Z, above which p is small enough. Z of G groups whose
    means have the mean m and the variance v is G m / sqrt(G m^2 + (G - 1) v).
    """
    errors = split.bootstrap.standard_errors(drop)
    means = np.bincount(split.groups, drop) / np.bincount(split.groups)
    n, left = len(means), len(means) - critical**2
    if not errors or left <= 0:
        return None
    above_bar = [bar + (quantile(df, (1 + CONFIDENCE) / 2) + quantile(df, POWER)) * error for error, df in errors]
    error = means.std(ddof=1) / sqrt(n)
    small_p = critical * sqrt((n - 1) / left) * error + quantile(n - 1, POWER) * error
    return float(max(*above_bar, small_p))
