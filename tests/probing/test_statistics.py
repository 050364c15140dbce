"""Intervals that cover and p-values that hold, on data whose truth is known."""

import numpy as np
import pytest

from probing.statistics import bootstrap_interval, family_wise_p


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        frame_means = rng.normal(0.7, 0.1, size=30)
        values = (frame_means[:, None] + rng.normal(0, 0.2, size=(30, 10))).ravel()
        low, high = bootstrap_interval(values, np.repeat(np.arange(30), 10).astype(str), seed=trial)
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_frames_that_agree_within_themselves_widen_the_interval():
    values = np.repeat([0.0, 1.0] * 10, 20)
    by_frame = bootstrap_interval(values, np.repeat(np.arange(20), 20).astype(str))
    by_case = bootstrap_interval(values, np.arange(400).astype(str))
    assert np.ptp(by_frame) > 3 * np.ptp(by_case)


def test_the_smallest_p_of_many_useless_heads_is_honest():
    """Twenty predictors that choose at random: the family-wise error at 5 % is about 5 %."""
    rng = np.random.default_rng(0)
    groups = [str(i // 2) for i in range(60)]
    smallest = [
        family_wise_p(rng.integers(2, size=(60, 2, 10)).astype(float), groups, seed=trial).min() for trial in range(200)
    ]
    assert np.mean(np.array(smallest) <= 0.05) <= 0.10
    assert np.mean(smallest) > 0.3


def test_a_perfect_head_among_useless_ones_is_found_alone():
    choice = np.random.default_rng(1).integers(2, size=(100, 1, 12)).astype(float)
    choice[:, 0, 7] = 1
    p = family_wise_p(choice, [str(i // 2) for i in range(100)])
    assert p[0, 7] == pytest.approx(1 / 2001)
    assert np.delete(p[0], 7).min() > 0.05


def test_twins_flip_together():
    """A head that always takes the first candidate is right in one twin and wrong in the other: no evidence at all."""
    choice = np.tile([1.0, 0.0], 50).reshape(100, 1, 1)
    assert family_wise_p(choice, [str(i // 2) for i in range(100)]).item() == 1
