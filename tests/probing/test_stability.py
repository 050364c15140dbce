"""How stable the choice of a head is, on cases whose clusters are known."""

from dataclasses import replace

import numpy as np
from clusters import scores_of, split_into

from probing.heads import HeadScores
from probing.stability import best_predictor, measure_stability, merit


def some_scores(rng: np.random.Generator, n: int) -> HeadScores:
    """Heads at three sites whose accuracies tie in many resamples; one has a lift that is now below 1, now above."""
    scores = scores_of(rng.random((n, 3, 5)) < 0.6, ("C", "A-1", "A"))
    gold = np.round(scores.gold * rng.random(scores.gold.shape), 1)
    uniform = scores.uniform.copy()
    uniform[:, :, 2] = rng.random((n, 3)) * 0.5
    return replace(scores, gold=gold, rival=gold[rng.permutation(n)], uniform=uniform)


def test_weighted_choices_are_those_of_the_cases_really_drawn():
    rng, n = np.random.default_rng(0), 12
    scores = some_scores(rng, n)
    weights = rng.multinomial(n, np.full(n, 1 / n), 300)
    values = merit(scores, weights.astype(float))
    chosen = []
    for value, counts in zip(values, weights, strict=True):
        drawn = np.repeat(np.arange(n), counts)
        parts = {name: getattr(scores, name)[drawn] for name in ("gold", "rival", "uniform")}
        really = best_predictor(replace(scores, **parts))
        assert divmod(int(value.argmax()), 5) == really
        chosen.append(really)
    assert len(set(chosen)) > 4, "else nothing is compared"


def test_ties_go_to_the_site_before_the_answer_then_to_more_mass():
    scores = scores_of(np.ones((20, 2, 3), dtype=bool), ("C", "A-1"))
    scores.gold[:, 0, 1] = 0.9
    scores.gold[:, 1, 2] = 0.8
    assert best_predictor(scores) == (1, 2)


def test_a_head_that_is_always_right_is_chosen_in_every_resample():
    right = np.ones((40, 1, 3), dtype=bool)
    right[::2, 0, 1:] = False
    found = measure_stability(scores_of(right), split_into(np.arange(40) % 8, range(40)))
    assert (found.head, found.same_head, found.same_site, found.resamples) == ("0.0", 200, 200, 200)
    assert found.runner_up is None
    assert found.heads == {"0.0": 200}


def test_heads_that_are_right_in_other_cases_share_the_resamples():
    right = np.zeros((80, 1, 3), dtype=bool)
    right[:42, 0, 0] = right[38:, 0, 2] = True
    found = measure_stability(scores_of(right), split_into(range(80), range(80)))
    assert (found.head, found.runner_up) == ("0.0", "0.2")
    assert 60 < found.heads["0.2"] < 140
    assert sum(found.heads.values()) == 200


def test_the_site_counts_apart_from_the_head():
    right = np.zeros((60, 2, 2), dtype=bool)
    right[:41, 0, 0] = right[20:, 1, 0] = True
    found = measure_stability(scores_of(right, ("P", "C")), split_into(range(60), range(60)))
    assert found.same_head == 200
    assert 60 < found.same_site < 180


def test_whole_templates_are_drawn_and_the_less_stable_way_counts():
    """Head 0.0 fails in one of four templates, 0.1 in 30 % of any: so it is 0.0 in three draws of four."""
    templates, n = np.repeat(np.arange(4), 100), 400
    right = np.ones((n, 1, 2), dtype=bool)
    right[:100, 0, 0] = False
    right[np.arange(n) % 10 < 3, 0, 1] = False
    found = measure_stability(scores_of(right), split_into(templates, range(n)))
    assert found.clusters == "templates"
    assert 128 < found.same_head < 168  # P(at most one of four draws) = .738
    turned = measure_stability(scores_of(right), split_into(range(n), templates))
    assert turned.clusters == "words"
    assert turned.same_head == found.same_head
