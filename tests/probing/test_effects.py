"""What counts towards an effect, and towards the bar that it has to exceed, in drops that are given."""

import numpy as np
from clusters import split_into

from probing.effects import Change, Effect, compare


def test_an_effect_is_of_the_cases_with_a_path_and_its_reference_the_largest_size_in_heads_that_do_not_look():
    """Head 0.0 looks. 0.1 does not: it is changed at its own site, and at P for the reference alone."""
    split = split_into(["one"] * 6, range(6))  # of a single cluster, an interval reaches as far as its cases
    every, first_four = np.ones(6, dtype=bool), np.arange(6) < 4
    made = [
        Change("0.0", "P", every, own=True),
        Change("0.1", "A-1", first_four, own=True),
        Change("0.1", "P", first_four, own=False),
    ]
    clean = np.stack(([1.0, -1, 2, -2, 3, 3], [-1.0, -2, -3, -4, -5, -6]), axis=1)  # log-odds and log P(answer)
    odds = np.array([[8.0, -10, 1, 3, 0, 1], [2, -2, 1, -1, 7, 9], [3, -3, 3, -3, 9, 9]])
    log_probs = np.array([[0.0, 1, 2, 3, 4, 8], [1, 2, 3, 6, 50, 50], [0, 0, 0, 0, 0, 0]])
    after = clean - np.stack((odds, log_probs), axis=-1)
    assert compare(made, clean, after, ("0.0",), split, counterfactuals=True) == {
        "0.0": Effect(0.5, (-10, 8), flip=1 / 3, reference=3, log_prob_drop=3, directions=(3, -2)),
        "0.1": Effect(0, (-2, 2), flip=1 / 2, reference=3, log_prob_drop=3),
    }
