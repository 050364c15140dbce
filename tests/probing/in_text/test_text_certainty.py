"""Means by kind are means, rare kinds are left out, and p-values hold."""

import numpy as np
import pytest

from probing.in_text.certainty import Columns, flip_p
from probing.statistics import Clusters

KINDS = ("one", "two", "rare")
KIND = np.where(np.random.default_rng(0).random((20, 30)) < 0.3, 5, 2)
KIND[0, :3] = 8


def columns() -> Columns:
    return Columns(KIND, KINDS, (2, 5, 8), ("documents", np.arange(20) // 2), ("windows", np.arange(20)))


def test_columns_are_all_tokens_and_every_kind_that_has_enough():
    own = columns()
    assert own.names == ["all", "one", "two"]
    assert own.n_tokens == [600, (KIND == 2).sum(), (KIND == 5).sum()]
    assert own.too_few == ["rare"]


def test_a_kind_of_few_clusters_is_left_out_however_many_tokens_it_has():
    kind = np.zeros((20, 30), dtype=int)
    kind[:4] = 1
    windows = "windows", np.arange(20)
    assert Columns(kind, ["a", "b"], [0, 1], windows, windows).too_few == ["b"]


def test_means_and_intervals_are_over_the_tokens_of_a_kind_and_clusters():
    values = np.random.default_rng(1).normal(size=(3, *KIND.shape))
    found = columns().means(values)
    assert found.nats.shape == (3, 3)
    assert found.nats[1, 2] == pytest.approx(values[1][KIND == 5].mean())
    clusters = np.repeat(np.arange(20) // 2, 30)
    assert found.ci[1, 0] == pytest.approx(Clusters(clusters).interval(values[1].ravel()))


def test_p_says_which_head_costs_which_kind_something():
    values = np.random.default_rng(2).normal(size=(4, *KIND.shape))
    values[2][KIND == 5] += 2
    p = columns().p_adjusted(values)
    assert p[2, 2] < 0.01
    assert p[[0, 1, 3]].min() > 0.05


def test_the_smallest_p_of_many_useless_columns_is_honest():
    """Thirty columns of very different size: the family-wise error at 5 % is about 5 %."""
    sizes = np.geomspace(0.01, 100, 30)
    smallest = np.array(
        [flip_p(np.random.default_rng(i).normal(size=(20, 30)) * sizes, seed=i).min() for i in range(200)]
    )
    assert np.mean(smallest <= 0.05) <= 0.10
    assert smallest.mean() > 0.3


def test_p_does_not_depend_on_a_columns_size_and_is_one_without_any_effect():
    sums = np.random.default_rng(3).normal(size=(12, 3)) + 1
    assert flip_p(sums).tolist() == flip_p(sums * [1e-6, 1, 1e6]).tolist()
    assert flip_p(np.zeros((12, 2))).tolist() == [1, 1]
    assert flip_p(-np.ones((12, 1))).item() == 1
