"""Intervals that cover and p-values that hold, on data whose truth is known."""

import numpy as np
import pytest

from probing.statistics import Clusters, SignFlips, binomial_intervals, standardised


def crossed(rng: np.random.Generator, n_templates: int, n_words: int) -> list[np.ndarray]:
    """The templates and words of 200 pairs of cases, drawn independently, as those of stories mostly are."""
    return [np.unique(rng.integers(n, size=200).repeat(2), return_inverse=True)[1] for n in (n_templates, n_words)]


@pytest.mark.parametrize(("n_templates", "n_words"), [(4, 0), (7, 0), (30, 0), (4, 40), (30, 69)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(n_templates, n_words):
    """Also with few templates, and where cases that share either a template or words resemble each other."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        ways = crossed(rng, n_templates, n_words) if n_words else [np.arange(n_templates).repeat(10)]
        values = 0.5 * rng.normal(size=len(ways[0])) + sum(rng.normal(size=way.max() + 1)[way] for way in ways)
        low, high = Clusters(*ways).interval(values)
        covered += low <= 0 <= high
    assert 0.93 <= covered / 500 <= 0.98


@pytest.mark.parametrize("sizes", [[10] * 9 + [90], [200 // i for i in range(1, 21)]])
def test_intervals_cover_the_truth_where_clusters_differ_in_size(sizes):
    """As documents do. Were each cluster's deviation taken from a mean that it makes itself, 82 and 89 %."""
    rng, cluster = np.random.default_rng(0), np.repeat(np.arange(len(sizes)), sizes)
    covered = 0
    for _ in range(500):
        values = 0.3 * rng.normal(size=len(cluster)) + rng.normal(size=len(sizes))[cluster]
        low, high = Clusters(cluster).interval(values)
        covered += low <= 0 <= high
    assert 0.89 <= covered / 500 <= 0.98


def test_templates_that_agree_within_themselves_widen_the_interval():
    values = np.repeat([0.0, 1.0] * 10, 20)
    templates, each = np.repeat(np.arange(20), 20).astype(str), np.arange(400).astype(str)
    assert np.ptp(Clusters(templates).interval(values)) > 3 * np.ptp(Clusters(each).interval(values))
    assert Clusters(each, templates).interval(values) == Clusters(templates).interval(values)


def test_a_single_cluster_says_no_more_than_its_cases():
    values = np.array([0.2, 0.5, 0.9])
    assert Clusters(["same"] * 3).interval(values) == (0.2, 0.9)
    assert Clusters(["a", "b", "c"], ["same"] * 3).interval(values) == (0.2, 0.9)


def test_a_ratio_of_means_has_the_interval_of_a_mean_where_what_it_is_per_is_the_same_everywhere():
    values = np.random.default_rng(0).normal(size=40)
    clusters = Clusters([str(i // 4) for i in range(40)])
    half = tuple(end / 2 for end in clusters.interval(values))
    assert clusters.interval(values, per=np.full(40, 2.0)) == pytest.approx(half)
    per = np.linspace(1, 5, 40)  # a ratio that is the same everywhere is sure
    assert clusters.interval(0.3 * per, per=per) == pytest.approx((0.3, 0.3))
    assert Clusters(["same"] * 2).interval(np.array([1.0, 4.0]), per=np.array([2.0, 6.0])) == (0.25, 1.0)


def test_columns_have_the_intervals_that_they_have_alone():
    values = np.random.default_rng(0).normal(size=(40, 3))
    clusters = Clusters([str(i // 4) for i in range(40)])
    for column, both in zip(values.T, clusters.intervals(values), strict=True):
        assert clusters.interval(column) == pytest.approx(tuple(both))


def test_binomial_intervals_are_the_published_ones():
    """Clopper & Pearson for 0, 5 and 10 of 10."""
    expected = [[0, 0.3085], [0.1871, 0.8129], [0.6915, 1]]
    np.testing.assert_allclose(binomial_intervals(np.array([0, 0.5, 1]), 10), expected, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 3, 6])
def test_p_is_never_below_what_all_flips_of_so_few_groups_could_give(groups):
    """Of 2,000 random flips fewer than one in 2^groups may happen to reach the signs that were observed."""
    smallest = [float(SignFlips(np.ones((groups, 1)), 200, seed).p()[0]) for seed in range(50)]
    assert min(smallest) == 0.5**groups


def some_effects(rng: np.random.Generator) -> np.ndarray:
    """Effects [N, K] of twelve heads that have none, of sizes from 0.1 to 10 nats, with outliers; by pairs."""
    effects = np.repeat(rng.standard_t(3, size=(50, 12)), 2, axis=0) + rng.normal(size=(100, 12))
    return effects * np.geomspace(0.1, 10, 12)


def test_the_smallest_p_of_many_useless_effects_is_honest():
    rng, pairs = np.random.default_rng(0), np.arange(100) // 2
    flips = [SignFlips(standardised(some_effects(rng), pairs), 500, seed=trial) for trial in range(300)]
    smallest = np.array([flip.p().min() for flip in flips])
    assert np.mean(smallest <= 0.05) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 300))


def test_a_small_effect_is_found_beside_a_large_and_noisy_one():
    """Were totals compared by their nats, no flip of the noisy head would let the steady one pass."""
    effects = some_effects(np.random.default_rng(0))
    effects[:, 0] = 0.2 + 0.05 * np.random.default_rng(1).normal(size=100)
    p = SignFlips(standardised(effects, np.arange(100) // 2), 2_000).p()
    assert p[0] == pytest.approx(1 / 2001)
    assert p[1:].min() > 0.05


def test_a_steady_effect_is_found_in_groups_of_any_size():
    """In sums, the one group of 200 would be nearly all of it, and heads that do nothing there would reach its Z."""
    rng, groups = np.random.default_rng(0), np.r_[np.zeros(200, int), np.arange(1, 31)]
    others = rng.normal(size=(230, 11))
    others[:200] = 0
    effects = np.concatenate((rng.normal(1, 0.2, size=(230, 1)), others), axis=1)
    p = SignFlips(standardised(effects, groups), 2_000).p()
    assert p[0] < 0.001
    assert p[1:].min() > 0.05


def test_what_one_half_of_a_pair_loses_and_the_other_gains_is_no_effect():
    effects = np.tile([1.0, -1.0], 50)[:, None]
    assert SignFlips(standardised(effects, np.arange(100) // 2), 200).p().item() == 1


def test_p_falls_below_alpha_just_above_the_critical_total():
    sums = np.random.default_rng(0).normal(size=(30, 4))
    flips = SignFlips(sums, 999)
    for alpha in (0.01, 0.05, 0.2):
        critical = flips.critical(alpha)
        flips.observed = np.array([critical, critical + 1e-6])
        at, above = flips.p()
        assert above < alpha <= at
    assert flips.critical(0.001) == np.inf, "999 flips cannot show it"


def test_standard_errors_are_those_of_means_over_clusters():
    """Of equal clusters: the standard deviation of their means over the root of their number."""
    values = np.random.default_rng(0).normal(size=60)
    clusters = Clusters(np.arange(60) // 4)
    (error,) = clusters.standard_errors(values[:, None])
    assert clusters.df == 14
    assert error == pytest.approx(values.reshape(15, 4).mean(1).std(ddof=1) / np.sqrt(15))


def left_out(values: np.ndarray, cluster: np.ndarray) -> float:
    """The variance of the mean, from the means without each cluster in turn, as the jackknife is defined."""
    n = cluster.max() + 1
    means = np.array([values[cluster != own].mean() for own in range(n)])
    return (n - 1) / n * ((means - values.mean()) ** 2).sum()


def test_two_ways_to_cluster_add_up_less_what_they_share():
    rng = np.random.default_rng(0)
    ways, values = crossed(rng, 6, 9), rng.normal(size=400)
    values += ways[0] + ways[1]
    both = np.unique(ways[0] * 10 + ways[1], return_inverse=True)[1]
    expected = left_out(values, ways[0]) + left_out(values, ways[1]) - left_out(values, both)
    assert Clusters(*ways).standard_errors(values[:, None])[0] == pytest.approx(np.sqrt(expected))
    assert expected > max(left_out(values, way) for way in ways)


def test_a_ratio_without_a_cluster_has_that_of_all_others():
    rng = np.random.default_rng(0)
    per, cluster = rng.uniform(1, 9, size=40), np.arange(40) // 7
    values = per + rng.normal(size=40)
    ratios = np.array([values[cluster != k].sum() / per[cluster != k].sum() for k in range(6)])
    expected = np.sqrt(5 / 6 * ((ratios - values.sum() / per.sum()) ** 2).sum())
    assert Clusters(cluster).standard_errors(values[:, None], per)[0] == pytest.approx(expected)
