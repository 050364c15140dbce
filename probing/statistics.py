"""How sure a number is. Everything is seeded; arrays are numpy."""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2_000
CONFIDENCE = 0.95


def bootstrap_interval(values: np.ndarray, *clusterings: Sequence[str], seed: int = 0) -> tuple[float, float]:
    """A 95 % interval for the mean of ``values`` [N], resampling whole clusters, because cases of one are alike.

    The percentile bootstrap over clusters (Davison & Hinkley 1997, section 3.8). With several ways to cluster (frames,
    word pairs) the interval is the widest that any of them asks for.
    """
    bounds = [cluster_bootstrap(values, clusters, seed) for clusters in clusterings]
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def cluster_bootstrap(values: np.ndarray, clusters: Sequence[str], seed: int) -> tuple[float, float]:
    _, cluster = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(cluster, weights=values), np.bincount(cluster)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


def family_wise_p(choice: np.ndarray, groups: Sequence[str], seed: int = 0) -> np.ndarray:
    """One-sided p of each predictor's accuracy, adjusted for looking at all of them: [S, K] from ``choice`` [N, S, K].

    Null hypothesis: gold and distractor are exchangeable within each group, whose cases all flip together: twins, and
    all stories about the same two words, since whatever a head has against one of them it has in every story.
    Each flip turns choices c into 1 - c; the largest accuracy over all sites and predictors is the reference
    (Westfall & Young 1993). All flips are one matrix product.
    """
    n, n_sites, n_predictors = choice.shape
    _, group = np.unique(groups, return_inverse=True)
    lean = np.zeros((group.max() + 1, n_sites * n_predictors))
    np.add.at(lean, group, choice.reshape(n, -1) - 0.5)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(RESAMPLES, len(lean)))
    largest = (signs @ lean).max(1)
    reached = (largest[:, None] >= lean.sum(0)[None] - 1e-9).sum(0)
    return ((1 + reached) / (1 + RESAMPLES)).reshape(n_sites, n_predictors)
