"""Equivalence and minimality of sets of heads: exact, and over groups."""

from math import comb

import numpy as np
import pytest

from probing.circuits.hypotheses import EPSILON, INFLATED, equivalence, holm, inflate, minimality
from probing.statistics import means_of

GROUPS = 30
GROUP = np.repeat(np.arange(GROUPS), 2)  # of each of 60 cases


def in_groups(values: np.ndarray) -> np.ndarray:
    """One value a group [..., G] as one a case."""
    return np.repeat(values, 2, axis=-1)


def test_the_cases_of_a_group_are_averaged_wherever_they_stand():
    values = np.array([1.0, 8, 3, 5, 7])
    assert means_of(values, [0, 2, 0, 1, 1]).tolist() == [2.0, 6.0, 8.0]
    assert means_of(np.stack([values, -values], axis=1), [0, 2, 0, 1, 1]).tolist() == [[2, -2], [6, -6], [8, -8]]


def test_a_model_is_as_good_as_itself_and_no_set_that_is_always_worse_is():
    whole = np.linspace(1, 5, 2 * GROUPS)
    same = equivalence(whole, whole, GROUP)
    assert (same.better, same.groups, same.p, same.rejected) == (GROUPS / 2, GROUPS, 1.0, False)
    worse = equivalence(whole - 1, whole, GROUP)
    assert worse.better == 0
    assert worse.rejected
    better = equivalence(whole + 1, whole, GROUP)
    assert (better.better, better.p) == (GROUPS, worse.p)


def test_p_of_equivalence_is_that_of_the_binomial_distribution_at_the_end_of_the_interval():
    lower = 8
    change = in_groups(np.where(np.arange(GROUPS) < lower, 1.0, -1.0))
    chance = 0.5 + EPSILON
    far = [k for k in range(GROUPS + 1) if abs(k - GROUPS / 2) >= GROUPS / 2 - lower]
    expected = sum(comb(GROUPS, k) * chance**k * (1 - chance) ** (GROUPS - k) for k in far)
    assert equivalence(change, np.zeros(2 * GROUPS), GROUP).p == pytest.approx(expected)


def test_half_a_tie_counts_against_rejection():
    """8 groups that are better and one tie: as far from one half as 9 better ones."""
    change = np.where(np.arange(GROUPS) < 8, 1.0, -1.0)
    tie = np.where(np.arange(GROUPS) == 8, 0.0, change)
    more = np.where(np.arange(GROUPS) == 8, 1.0, change)
    found, expected = (equivalence(in_groups(one), np.zeros(2 * GROUPS), GROUP) for one in (tie, more))
    assert (found.better, found.p) == (8.5, expected.p)


def test_equivalence_is_rarely_rejected_where_the_chance_is_within_the_interval():
    rng = np.random.default_rng(0)
    draws = in_groups(np.where(rng.random((400, GROUPS)) < 0.5 + EPSILON, 1.0, -1.0))
    rejected = [equivalence(change, np.zeros(2 * GROUPS), GROUP).rejected for change in draws]
    assert np.mean(rejected) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_inflated_sets_have_the_circuit_and_more_and_lose_one_of_what_is_added():
    circuit = np.array([True, False, False, True, False])
    inflated, fewer = inflate(circuit, seed=1)
    assert len(inflated) == len(fewer) == INFLATED
    assert inflated[:, circuit].all()
    assert fewer[:, circuit].all()
    assert ((inflated.sum(1) - fewer.sum(1)) == 1).all()
    assert (inflated >= fewer).all()
    assert set(inflated.sum(1)) == {3, 4, 5}
    everything, _ = inflate(np.ones(3, dtype=bool), seed=1)
    assert everything.shape == (0, 3)


def test_a_member_that_changes_nothing_is_superfluous_and_one_that_changes_most_is_not():
    rng = np.random.default_rng(0)
    random = in_groups(rng.normal(0, 0.1, (INFLATED, GROUPS)))
    changes = in_groups(
        np.stack([rng.normal(5, 1, GROUPS), np.zeros(GROUPS), np.where(np.arange(GROUPS) % 2, 4.0, -4.0)])
    )
    useful, useless, either_way = minimality(["0.0", "0.1", "1.0"], changes, random, GROUP, seed=0)
    assert (useful.larger, useful.p, useful.superfluous) == (INFLATED, 1.0, False)
    assert useful.drop == pytest.approx(changes[0].mean())
    assert (useless.larger, useless.superfluous) == (0, True)
    assert not either_way.superfluous, "it changes groups, if not their mean"


def test_where_no_head_has_any_effect_each_member_is_superfluous():
    nothing = np.zeros((INFLATED, 2 * GROUPS))
    (member,) = minimality(["0.0"], nothing[:1], nothing, GROUP, seed=0)
    assert member.superfluous


def test_a_set_of_all_heads_has_nothing_to_be_compared_with():
    assert minimality(["0.0"], np.ones((1, 2 * GROUPS)), np.zeros((0, 2 * GROUPS)), GROUP, seed=0) == ()


def test_p_is_adjusted_by_holm():
    assert holm(np.array([0.04, 0.01, 0.03])).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_many_cases_about_the_same_words_say_no_more_than_one():
    """Three groups that are better in all of their cases, however many these are, reject nothing."""
    many = np.repeat(np.arange(3), 20)
    found = equivalence(np.ones(60), np.zeros(60), many)
    assert (found.better, found.groups, found.rejected) == (3, 3, False)


def test_what_a_member_costs_is_a_mean_over_cases():
    """As the log-odds beside it are; a group of eight cases counts more in it than one of two."""
    changes, groups = np.array([[1.0] * 8 + [6.0] * 2]), np.array([0] * 8 + [1] * 2)
    (member,) = minimality(["0.0"], changes, np.zeros((INFLATED, 10)), groups, seed=0)
    assert member.drop == 2.0
