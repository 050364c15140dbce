"""What would have been found is found so often, in worlds whose truth is known."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from clusters import scores_of, split_into

from probing import effects
from probing.effects import Change, Effect, with_p
from probing.power import POWER, least_accuracy
from probing.quotes import choice_flips
from probing.splits import Split
from probing.statistics import SignFlips, leans

WORLDS = 300
NEAR = 3 * sqrt(POWER * (1 - POWER) / WORLDS)  # what so many worlds can say about a share
N, N_GROUPS, N_TEMPLATES, OTHERS = 240, 60, 12, 3


@pytest.fixture(scope="module")
def split() -> Split:
    """Groups of four cases about the same words, each group in one template."""
    groups = np.arange(N) // 4
    return split_into(groups % N_TEMPLATES, groups)


def choices(rng: np.random.Generator, accuracy: float, alike: float) -> np.ndarray:
    """[N, 1, 1 + OTHERS]: one head that is right so often, and in ``alike`` of all cases as its whole group is; others
    that choose at random.
    """
    whole, own = np.repeat(rng.random(N_GROUPS), 4), rng.random(N)
    head = np.where(rng.random(N) < alike, whole, own) < accuracy
    return np.concatenate((head[:, None], rng.random((N, OTHERS)) < 0.5), axis=1)[:, None].astype(float)


@pytest.mark.parametrize(("baseline", "alike"), [(0.62, 0.6), (0.62, 0.0), (0.5, 0.6)])
def test_an_accuracy_of_this_size_is_found_so_often(split, baseline, alike):
    """Limited by the interval above a high baseline, or by p where the baseline is a coin."""
    rng = np.random.default_rng(0)

    def least(choice: np.ndarray) -> float:
        critical = 0.5 + choice_flips(scores_of(choice), split).critical(0.01) / N
        return least_accuracy(choice[:, 0, 0], split, baseline, critical)

    true = np.mean([least(choices(rng, baseline + 0.13, alike)) for _ in range(60)])
    found = 0
    for _ in range(WORLDS):
        choice = choices(rng, true, alike)
        low, _ = split.interval(choice[:, 0, 0])
        found += low > baseline and choice_flips(scores_of(choice), split).p()[0] < 0.01
    assert found / WORLDS == pytest.approx(POWER, abs=NEAR)


def swaps(rng: np.random.Generator, size: float) -> np.ndarray:
    """Effects [1 + OTHERS, N] of one head, of this mean, and of others that have none."""
    noise = np.repeat(rng.normal(size=(1 + OTHERS, N_GROUPS)), 4, axis=1) + rng.normal(size=(1 + OTHERS, N))
    noise[0] += size
    return noise


@pytest.mark.parametrize(("reference", "n_tasks"), [(2.0, 1), (None, 13)])
def test_an_effect_of_this_size_is_found_so_often(split, reference, n_tasks, monkeypatch):
    """Limited by the interval above what other heads cost, or by p adjusted for heads and tasks."""
    monkeypatch.setattr(effects, "FLIPS", 2_000)
    rng = np.random.default_rng(0)
    changes = [Change(f"0.{k}", "A-1", np.ones(N, bool), True) for k in range(1 + OTHERS)]

    def measured(size: float) -> Effect:
        drops = swaps(rng, size)
        own = Effect(drops[0].mean(), split.clusters.interval(drops[0]), 0.0, reference, 0.0)
        before = {change.head: own for change in changes}  # only the first is looked at
        return with_p(before, changes, drops, split, n_tasks)["0.0"]

    true = np.mean([measured(1.0).detectable for _ in range(30)])
    found = sum(measured(true).matters for _ in range(WORLDS))
    assert found / WORLDS == pytest.approx(POWER, abs=NEAR)


def test_with_too_few_groups_nothing_would_have_been_found():
    split = split_into(np.arange(20) % 5, np.arange(20) // 4)
    drops = np.random.default_rng(0).normal(5, 1, size=(1, 20))
    before = {"0.0": Effect(5.0, (4.0, 6.0), 0.0, None, 0.0)}
    found = with_p(before, [Change("0.0", "A-1", np.ones(20, bool), True)], drops, split, n_tasks=1)["0.0"]
    assert found.detectable is None
    assert not found.matters
    flips = SignFlips(leans(np.ones((20, 1, 1)), split.groups), 100)
    assert least_accuracy(np.ones(20), split, 0.5, flips.critical(0.01)) is None


def test_more_cases_find_less():
    least = []
    for n in (100, 400, 1_600):
        split = split_into(np.arange(n) % 20, np.arange(n))
        choice = (np.random.default_rng(0).random(n) < 0.7).astype(float)
        least.append(least_accuracy(choice, split, 0.6, 0.6))
    assert least == sorted(least, reverse=True)
    assert least[0] - 0.6 == pytest.approx(4 * (least[2] - 0.6), rel=0.3), "as one over the root of their number"


def test_a_head_that_is_right_in_one_case_of_each_pair_promises_no_more_than_pairs_do():
    """Its accuracy never varies: taken at its word, any accuracy would be found at once."""
    split = Split(
        [
            replace(case, case=replace(case.case, counterfactual=f"{i ^ 1}"))
            for i, case in enumerate(split_into(np.arange(400) // 2 % 20, np.arange(400) // 2).cases)
        ]
    )
    always, one_of_two = (least_accuracy(choice, split, 0.55, 0.5) for choice in (np.ones(400), np.arange(400) % 2.0))
    assert one_of_two == always
