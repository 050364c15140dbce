"""Equivalence and minimality of sets of heads: exact, and over pairs."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest
import toys

from probing.circuits.hypotheses import EPSILON, INFLATED, equivalence, holm, inflate, means_of_pairs, minimality

PAIRS = 30
CASES = toys.encoded("report", 2 * PAIRS)


def in_pairs(values: np.ndarray) -> np.ndarray:
    """One value a pair [..., G] as one a case."""
    return np.repeat(values, 2, axis=-1)


def test_pairs_are_averaged_and_a_case_alone_stays_alone():
    alone = [*CASES[:2], CASES[2], *CASES[4:6]]
    assert means_of_pairs(np.array([[1.0, 3, 5, 7, 8]]), alone).tolist() == [[2.0, 5.0, 7.5]]


def test_a_model_is_as_good_as_itself_and_no_set_that_is_always_worse_is():
    whole = np.linspace(1, 5, 2 * PAIRS)
    same = equivalence(whole, whole, CASES)
    assert (same.better, same.pairs, same.p, same.rejected) == (PAIRS / 2, PAIRS, 1.0, False)
    worse = equivalence(whole - 1, whole, CASES)
    assert worse.better == 0
    assert worse.rejected
    better = equivalence(whole + 1, whole, CASES)
    assert (better.better, better.p) == (PAIRS, worse.p)


def test_p_of_equivalence_is_that_of_the_binomial_distribution_at_the_end_of_the_interval():
    lower = 8
    change = in_pairs(np.where(np.arange(PAIRS) < lower, 1.0, -1.0))
    chance = 0.5 + EPSILON
    far = [k for k in range(PAIRS + 1) if abs(k - PAIRS / 2) >= PAIRS / 2 - lower]
    expected = sum(comb(PAIRS, k) * chance**k * (1 - chance) ** (PAIRS - k) for k in far)
    assert equivalence(change, np.zeros(2 * PAIRS), CASES).p == pytest.approx(expected)


def test_equivalence_is_rarely_rejected_where_the_chance_is_within_the_interval():
    rng = np.random.default_rng(0)
    draws = in_pairs(np.where(rng.random((400, PAIRS)) < 0.5 + EPSILON, 1.0, -1.0))
    rejected = [equivalence(change, np.zeros(2 * PAIRS), CASES).rejected for change in draws]
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
    random = in_pairs(rng.normal(0, 0.1, (INFLATED, PAIRS)))
    changes = in_pairs(np.stack([rng.normal(5, 1, PAIRS), np.zeros(PAIRS), np.where(np.arange(PAIRS) % 2, 4.0, -4.0)]))
    useful, useless, either_way = minimality(["0.0", "0.1", "1.0"], changes, random, CASES, seed=0)
    assert (useful.larger, useful.p, useful.superfluous) == (INFLATED, 1.0, False)
    assert useful.drop == pytest.approx(changes[0].mean())
    assert (useless.larger, useless.superfluous) == (0, True)
    assert not either_way.superfluous, "it changes pairs, if not their mean"


def test_where_no_head_has_any_effect_each_member_is_superfluous():
    nothing = np.zeros((INFLATED, 2 * PAIRS))
    (member,) = minimality(["0.0"], nothing[:1], nothing, CASES, seed=0)
    assert member.superfluous


def test_a_set_of_all_heads_has_nothing_to_be_compared_with():
    assert minimality(["0.0"], np.ones((1, 2 * PAIRS)), np.zeros((0, 2 * PAIRS)), CASES, seed=0) == ()


def test_p_is_adjusted_by_holm():
    assert holm(np.array([0.04, 0.01, 0.03])).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_cases_without_counterfactuals_are_units_of_their_own():
    alone = [replace(case, case=replace(case.case, counterfactual=None)) for case in CASES]
    assert equivalence(np.ones(2 * PAIRS), np.zeros(2 * PAIRS), alone).pairs == 2 * PAIRS
