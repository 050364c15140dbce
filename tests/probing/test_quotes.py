"""The p of choices: honest among many heads, over groups of cases, at sites at which a head may be chosen."""

from dataclasses import replace

import numpy as np
import pytest
from clusters import scores_of, split_into

from probing.quotes import choice_flips, quote_heads
from probing.splits import Split


def pairs(n: int) -> Split:
    """n cases, two about the same words."""
    return split_into(np.arange(n), np.arange(n) // 2)


def test_the_smallest_p_of_many_useless_heads_is_honest():
    """Twenty predictors that choose at random: the family-wise error at 5 % is about 5 %."""
    rng, split = np.random.default_rng(0), pairs(60)
    drawn = [scores_of(rng.integers(2, size=(60, 2, 10)), ("P", "A-1")) for _ in range(200)]
    smallest = [choice_flips(scores, split).p().min() for scores in drawn]
    assert np.mean(np.array(smallest) <= 0.05) <= 0.10
    assert np.mean(smallest) > 0.3


def test_a_perfect_head_among_useless_ones_is_found_alone():
    choice = np.random.default_rng(1).integers(2, size=(100, 1, 12))
    choice[:, 0, 7] = 1
    p = choice_flips(scores_of(choice), pairs(100)).p()
    assert p[7] == pytest.approx(1 / 2001)
    assert np.delete(p, 7).min() > 0.05


def test_counterfactuals_flip_together():
    """A head that always takes the first candidate is right in just one case of each pair: no evidence."""
    choice = np.tile([1.0, 0.0], 50).reshape(100, 1, 1)
    assert choice_flips(scores_of(choice), pairs(100)).p().item() == 1


def test_the_answer_itself_which_is_no_site_to_choose_raises_no_p():
    choice = np.random.default_rng(2).integers(2, size=(100, 2, 12))
    choice[:, 1] = 1
    both, alone = scores_of(choice, ("A-1", "A")), scores_of(choice[:, :1])
    np.testing.assert_array_equal(choice_flips(both, pairs(100)).p(), choice_flips(alone, pairs(100)).p())


@pytest.mark.parametrize(
    ("change", "looks"),
    [
        ({}, True),
        ({"resolved": False}, False),
        ({"baseline": 0.99}, False),
        ({"uniform": 0.9}, False),
        ({"groups": 5}, False),  # of which all are right by chance with 2^-5
    ],
)
def test_a_head_looks_by_behaviour_interval_lift_and_p(change, looks):
    given = {"resolved": True, "baseline": 0.6, "uniform": 0.15, "groups": 40} | change
    split = split_into(np.arange(80) % 20, np.arange(80) % given["groups"])
    scores = scores_of(np.ones((80, 1, 1), dtype=bool))
    scores = replace(scores, uniform=np.full((80, 1, 1), given["uniform"]))
    flips = choice_flips(scores, split)
    heads = quote_heads(scores, scores, split, flips, given["baseline"], given["resolved"], np.ones((1, 1)))
    assert heads["0.0"].looks is looks
