"""The numbers of what articles claim, and the verdicts that follow from them."""

import pytest
from networks import loud_model

from data import encode_case
from data.cases.case import words_at
from data.stories import cases
from experiments.articles import (
    attention_types,
    causality,
    claim,
    distance,
    explanations,
    heads,
    translation,
)
from model import GPTConfig
from probing.alignment import linked_texts


def test_intervals_over_seeds_are_students():
    assert claim.t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)
    assert claim.t_interval([0.5]) == (0.5, 0.5)
    assert claim.over_seeds([1.0, 2.0, 3.0]) == "2.00 (-0.48 to 4.48; 1.00, 2.00, 3.00)"
    assert claim.share_over_seeds([1.0, 0.98]) == "99.0 % (86.3 to 100.0; 100.0, 98.0)"
    assert claim.share_over_seeds([0.98]) == "98.0 %"


def test_equal_numbers_get_no_interval():
    assert claim.share_over_seeds([1.0, 1.0, 1.0]) == "100.0 % in each of 3 seeds"
    assert claim.over_seeds([7, 7], str) == "7 in each of 2 seeds"


def test_a_claim_holds_wholly_in_part_or_not():
    assert [claim.judge(outcomes) for outcomes in ([True, True], [True, False], [False, False])] == [
        "holds",
        "holds in part",
        "does not hold",
    ]
    assert translation.judge_alignment([0.1, 0.4], [0.9, 0.9]) == "holds"
    assert translation.judge_alignment([0.1, 0.6], [0.9, 0.9]) == "holds in part"
    assert translation.judge_alignment([0.1, 0.9], [0.9, 0.8]) == "does not hold"
    weights_tell, weights_do_not = dict.fromkeys(explanations.EFFECTS, 0.8), dict.fromkeys(explanations.EFFECTS, 0.1)
    assert explanations.judge_weights(weights_tell) == "does not hold"
    assert explanations.judge_weights(weights_do_not) == "holds"


@pytest.mark.parametrize(
    ("leaders", "few", "verdict"), [(2, 10, "holds"), (2, 11, "holds in part"), (1, 11, "does not hold")]
)
def test_several_heads_are_needed_where_one_resolves_less(leaders, few, verdict):
    four = [{"leaders": leaders, "tasks resolved": 12}, {"leaders": leaders, "tasks resolved": 11}]
    assert heads.judge_heads(four, [{"tasks resolved": few + 1}, {"tasks resolved": few}]) == verdict


def test_ranks_share_places_where_values_are_equal():
    assert explanations.spearman([1, 2, 3], [10, 200, 3000]) == pytest.approx(1)
    assert explanations.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert explanations.spearman([1, 1, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9487, abs=1e-4)  # scipy.stats.spearmanr
    assert explanations.spearman([1, 2], [5, 5]) == 0


def point(mass: float, cost: float, layer: int = -1, **more) -> dict:
    usual = {"seed": 0, "task": "cue", "head": "0.0", "site": "A-1", "mass": mass, "layer": layer, "looks": False}
    return usual | dict.fromkeys(explanations.EFFECTS, cost) | more


def test_heads_are_ranked_within_their_task_and_layer():
    points = [point(0.1, 1, -2), point(0.2, 2, -2), point(0.8, 9), point(0.9, 8)]
    points += [point(p["mass"], -p["weight_swap"], p["layer"], task="roles") for p in points]
    assert explanations.within_tasks(points, "weight_swap") == {
        (0, "cue"): pytest.approx(0.8),
        (0, "roles"): pytest.approx(-0.8),
    }
    mean, low, high = explanations.correlate(points, "weight_swap", None)
    assert (mean, low, high) == (pytest.approx(0), -1, 1), "of two tasks, which say little: t would be far outside"
    assert explanations.within_tasks([p for p in points if p["layer"] == -1], "weight_swap")[0, "cue"] == pytest.approx(
        -1
    )


def test_counter_examples_are_the_clearest_of_their_kind():
    idle, weak = point(0.4, 0.1), point(0.3, 0.0)
    nothing_reads_it, blind = point(0.6, 0.0, site="P"), point(0.01, 0.0, resample_ablation=9.0)
    looking = point(0.9, 10.0, looks=True)
    points = [weak, idle, nothing_reads_it, blind, looking]
    assert explanations.largest_idle(points) is idle
    assert explanations.busiest_blind(points) is blind


def test_an_alignment_is_wrong_where_the_largest_weight_is_not_on_the_linked_word():
    import numpy as np

    weights = np.array([[0.6, 0.1, 0.0], [0.5, 0.1, 0.2], [0.0, 0.1, 0.2]])
    assert translation.Matrix(weights, [(0, 1), (1, 3), (1, 3)]).error_rate == pytest.approx(1 / 3)


def test_patterns_of_a_translation_are_those_that_its_error_rate_is_of(story_tokenizer):
    model = loud_model(GPTConfig(story_tokenizer.vocab_size, block_size=64, n_layer=2, n_head=2, n_embd=32))
    (text, *_) = linked_texts(cases("report", 4, 0, ("translation",)), story_tokenizer, 64)
    before, own = (translation.patterns(model, text, site) for site in translation.SITES)
    assert before.shape == own.shape == (4, len(text.links), text.source[1] - text.source[0])
    assert not before.equal(own)
    assert len(translation.matrix(before[0], text).gold) == len(text.links)


def test_logits_of_counterfactuals_are_equal_until_they_differ(story_tokenizer):
    model = loud_model(GPTConfig(story_tokenizer.vocab_size, block_size=64, n_layer=2, n_head=2, n_embd=32))
    one, other = (encode_case(case, story_tokenizer) for case in cases("report", 2, 0, ("cue",)))
    before, after = causality.leaks(model, one, other)
    assert before == 0 < after


def test_a_kind_of_attention_keeps_up_with_the_full_one_to_one_answer_in_a_hundred():
    assert attention_types.keep_up({"F": 99.0, "WWWF": 98.5, "WS": 97.0, "L": 99.9}) == [True, False, True]


def test_a_name_of_another_story_is_none_of_its_own():
    stories = cases("report", 400, 1, ("recall",))
    for case in distance.with_names_of_others(stories, 1):
        own = [words_at(case, span) for span in (*case.spans.gold, *case.spans.distractors)]
        assert case.foil not in own
