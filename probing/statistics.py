"""How sure a number is. Everything is seeded; arrays are numpy."""

from collections.abc import Sequence
from math import ceil, inf

import numpy as np

from common.errors import InputError

RESAMPLES = 2_000
CONFIDENCE = 0.95
FLIPS_IN_MEMORY = 2_000
FLIPS = 20_000  # of the signs of effects: p, then multiplied by the number of tasks, can fall below .01 for 200 of them


def require_finite(log_probs: np.ndarray, what: str) -> None:
    """Raises InputError where a model's log-probabilities are NaN or infinite: nothing measured on it would count."""
    if not np.isfinite(log_probs).all():
        raise InputError(f"{what}: the model's log-probabilities are not finite; give another checkpoint=STEP")


class Clusters:
    """Cases in clusters, those of one resembling each other, and how sure that leaves a mean over the cases.

    A 95 % interval is the mean and t standard errors on either side. The standard error is that of the jackknife, which
    leaves out one cluster at a time: where clusters differ in size, others are too small (MacKinnon, Nielsen & Webb
    2023, "Fast and reliable jackknife and bootstrap methods for cluster-robust inference"). Where there are two ways to
    cluster (templates, word pairs), their variances add up, less that of the clusters of cases that share both
    (Cameron, Gelbach & Miller 2011, "Robust inference with multiway clustering"), but are no smaller than either. t is
    Student's, with a degree of freedom less than the way with the fewest clusters has of them. Of a single cluster, an
    interval reaches as far as its cases do.
    """

    def __init__(self, *ways: Sequence[str] | np.ndarray) -> None:
        """``ways``: one or two ways to cluster, each the cluster of each case [N]."""
        self.ways = [np.unique(way, return_inverse=True)[1] for way in ways]
        self.df = int(min(way.max() for way in self.ways))
        self.shared = np.unique(self.ways, axis=1, return_inverse=True)[1] if len(ways) > 1 else None

    def standard_errors(self, values: np.ndarray, per: np.ndarray | None = None) -> np.ndarray:
        """Of the means of ``values`` [N, K], or of their sums over that of ``per`` [N]: [K]. ``df`` must be above 0."""
        values, per = np.asarray(values, dtype=float), np.ones(len(values)) if per is None else per
        left = values - per[:, None] * (values.sum(0) / per.sum())
        variances = [jackknife(left, per, way) for way in self.ways]
        if self.shared is not None:
            variances.append(sum(variances) - jackknife(left, per, self.shared))
        return np.sqrt(np.max(variances, axis=0))

    def intervals(self, values: np.ndarray, per: np.ndarray | None = None) -> np.ndarray:
        """values [N, K] -> lower and upper ends [K, 2] for each column's mean, or its sum over that of ``per`` [N]."""
        unit = 1 if per is None else per.mean()
        if self.df == 0:  # nothing is known of how clusters differ
            return np.stack((values.min(0), values.max(0)), axis=1) / unit
        mean = values.mean(0, dtype=float) / unit
        half = student(self.df, (1 + CONFIDENCE) / 2) * self.standard_errors(values, per)
        return np.stack((mean - half, mean + half), axis=1)

    def interval(self, values: np.ndarray, per: np.ndarray | None = None) -> tuple[float, float]:
        """The same for one column [N]."""
        low, high = self.intervals(values[:, None], per)[0]
        return float(low), float(high)

    def resamples(self, n: int, seed: int = 0) -> list[np.ndarray]:
        """How often each case is in each of n resamples of whole clusters: [n, N] for each way to cluster."""
        found = []
        for way in self.ways:
            size = way.max() + 1
            found.append(np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), n)[:, way])
        return found


def jackknife(left: np.ndarray, per: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """The variance of a ratio of sums, by leaving out one cluster at a time: [K]. ``left`` [N, K]: what is left of the
    values after ``per`` [N] times the ratio. Without a cluster, the ratio moves by its sum, over the ``per`` of others.
    """
    moved = sums_of(left, cluster) / (per.sum() - np.bincount(cluster, per))[:, None]
    return (1 - 1 / len(moved)) * (moved**2).sum(0)


def student(df: int, share: float) -> float:
    """The quantile of Student's t."""
    from scipy.special import stdtrit  # slow to import, and training and sampling do without

    return float(stdtrit(df, share))


def binomial_intervals(shares: np.ndarray, n: int) -> np.ndarray:
    """The exact 95 % interval (Clopper & Pearson 1934) for shares [K] of n independent trials: [K, 2].

    Nothing but successes has no standard error; this one says what n successes can exclude.
    """
    from scipy.special import betaincinv  # slow to import

    tail, hits = (1 - CONFIDENCE) / 2, shares * n
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-9), n - hits + 1, tail), 0.0)
    high = np.where(hits < n, betaincinv(hits + 1, np.maximum(n - hits, 1e-9), 1 - tail), 1.0)
    return np.stack((low, high), axis=1)


def leans(choice: np.ndarray, groups: Sequence[str] | np.ndarray) -> np.ndarray:
    """How far each group's sum of choices [N, S, K] is above one half of its cases: [G, S * K]."""
    return sums_of(choice.reshape(len(choice), -1) - 0.5, groups)


def standardised(values: np.ndarray, groups: Sequence[str] | np.ndarray) -> np.ndarray:
    """The means m of ``values`` [N, K] over groups, each divided by sqrt(sum m^2): [G, K]. Their total is Z.

    No flip of signs changes this size. Means, because in sums a few large groups would outweigh all others.
    """
    return by_own_size(means_of(values, groups))


def by_own_size(values: np.ndarray) -> np.ndarray:
    """Each column of values [G, K] divided by the root of its sum of squares; 0 where that is 0."""
    size = np.sqrt((values**2).sum(0))
    return np.divide(values, size, out=np.zeros(values.shape), where=size > 0)


def means_of(values: np.ndarray, groups: Sequence[str] | np.ndarray) -> np.ndarray:
    """The means of values [N, K] over the cases of each group, [G, K]; or of [N], [G]."""
    sizes = np.unique(groups, return_counts=True)[1]
    means = sums_of(values.reshape(len(values), -1), groups) / sizes[:, None]
    return means.reshape(-1, *values.shape[1:])


def sums_of(values: np.ndarray, groups: Sequence[str] | np.ndarray) -> np.ndarray:
    """The sums of values [N, K] over the cases of each group: [G, K]."""
    _, group = np.unique(groups, return_inverse=True)
    sums = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(sums, group, values)
    return sums


class SignFlips:
    """A test of K totals against 0, by flips of the signs of whole groups; one-sided, and adjusted for all K by taking
    the largest total under each flip as the reference (Westfall & Young 1993).
    """

    def __init__(self, sums: np.ndarray, flips: int, seed: int = 0) -> None:
        """``sums`` [G, K] of groups: as likely as their opposites, if there is nothing to be found."""
        self.observed, self.groups = sums.sum(0), len(sums)
        rng, maxima = np.random.default_rng(seed), []
        for start in range(0, flips, FLIPS_IN_MEMORY):
            signs = rng.choice((-1.0, 1.0), size=(min(FLIPS_IN_MEMORY, flips - start), len(sums)))
            maxima.append((signs @ sums).max(1))
        self.maxima = np.sort(np.concatenate(maxima))  # [flips]

    def p(self) -> np.ndarray:
        """[K]; the observed signs count as one of the flips. Never less than the share of one of all possible flips."""
        reached = len(self.maxima) - np.searchsorted(self.maxima, self.observed - 1e-9)
        return np.maximum((1 + reached) / (1 + len(self.maxima)), 0.5**self.groups)

    def critical(self, alpha: float) -> float:
        """The total above which p is below ``alpha``; infinite where none can be, with so few groups or flips."""
        allowed = ceil(alpha * (1 + len(self.maxima)) - 1) - 1  # flips that may reach it
        possible = allowed >= 0 and 0.5**self.groups < alpha  # one flip of all is the signs that were observed
        return float(self.maxima[-1 - allowed]) if possible else inf
