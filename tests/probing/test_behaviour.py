"""When a model counts as right on a task: on stories by the likeliest token, on natural text by pairs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import toys

from common.errors import InputError
from data.cases.case import Case, EncodedCase, Spans, encode_case
from probing import probe, resolved_tasks, to_json
from probing.behaviour import LIKELIEST, PAIRS, PREFERRED, how_to_judge, is_resolved, judge, preferred
from probing.negative_control import same_until_pronoun
from probing.predictions import last_pronoun
from probing.quotes import plain_baselines
from probing.splits import Split


def with_cases(cases: Sequence[EncodedCase], **changes: object) -> list[EncodedCase]:
    return [replace(encoded, case=replace(encoded.case, **changes)) for encoded in cases]


def test_cases_that_state_their_chance_loss_are_judged_by_the_likeliest_token():
    assert how_to_judge(with_cases(toys.encoded("report", 20), chance_loss=0.7)) == LIKELIEST


def test_counterfactuals_that_exchange_answer_and_foil_are_judged_in_pairs():
    assert how_to_judge(toys.encoded("report", 20)) == PAIRS


def test_cases_without_such_counterfactuals_are_judged_by_answer_against_foil():
    cases = toys.encoded("report", 20)
    assert how_to_judge(with_cases(cases, counterfactual=None)) == PREFERRED
    assert how_to_judge([replace(case, answer=1) for case in cases]) == PREFERRED


def test_a_pair_is_right_if_the_odds_move_the_right_way_whichever_word_is_likelier():
    # The first word is likelier by 5 nats in both, then less, equally, and more so where it is right.
    log_odds = np.array([5.0, -4.9, 5.0, -5.1, 5.0, -5.0])
    assert preferred(log_odds, PAIRS).tolist() == [1, 1, 0, 0, 0.5, 0.5]
    assert preferred(log_odds, PREFERRED).tolist() == [1, 0] * 3
    assert preferred(np.stack([log_odds, -log_odds]), PAIRS)[1].tolist() == [0, 0, 1, 1, 0.5, 0.5]


def test_a_model_that_likes_a_third_word_best_is_right_by_pairs_alone():
    model, cases = toys.hand_set_model(), toys.encoded("report", 60)
    model.head.weight.data[ord("."), :] = model.head.weight.data[[ord(name) for name in toys.NAMES]].sum(0)
    by_pairs, by_token = (judge(model, Split(own)) for own in (cases, with_cases(cases, chance_loss=0.7)))
    assert (by_pairs.judged_by, by_token.judged_by) == (PAIRS, LIKELIEST)
    assert by_pairs.resolved
    assert not by_token.resolved
    assert by_pairs.preference == by_token.preference == 1


def test_a_task_is_resolved_if_its_whole_interval_is_above_one_half():
    assert is_resolved((0.51, 0.6))
    assert not is_resolved((0.5, 0.6))


def test_the_way_of_judging_is_in_the_numbers():
    found = probe(toys.hand_set_model(), toys.TOKENIZER, toys.toy_cases("select", 60), toys.toy_cases("report", 60))
    task = to_json(found)["tasks"]["agreement"]
    assert task["judged_by"] == "pairs"
    assert task["model_accuracy"] == task["model_preference"] == 1
    assert task["model_preference_ci"][0] > 0.5


def test_counterfactuals_with_pronouns_at_two_positions_are_no_negative_control():
    one, other = (replace(case, tokens=(1, 2, 3, 3, 4)) for case in toys.encoded("report", 2))
    one = replace(one, gold=((0, 1),), distractors=((1, 2),), sites={"P": 2})
    other = replace(other, gold=((1, 2),), distractors=((0, 1),), sites={"P": 2})
    assert same_until_pronoun((one, other))
    assert not same_until_pronoun((one, replace(other, sites={"P": 3})))
    assert not same_until_pronoun((replace(one, sites={"P": 3}), other))


def test_counterfactuals_whose_rivals_are_not_the_others_antecedent_alone_are_no_negative_control():
    """Gold's mentions are added up, and each rival is compared with them by itself."""
    one, other = (replace(case, tokens=(1, 2, 3, 3, 4), sites={"P": 3}) for case in toys.encoded("report", 2))
    two, single = ((0, 1), (2, 3)), ((1, 2),)
    apart = replace(other, gold=single, distractors=two, case=replace(other.case, entities=("x", "a", "b")))
    together = replace(apart, case=replace(other.case, entities=("x", "a", "a")))
    one = replace(one, gold=two, distractors=single)
    assert same_until_pronoun((one, together))
    assert not same_until_pronoun((one, apart))


def pronoun_case(last: str | None) -> EncodedCase:
    """*A* and *K* are named; ``last`` is whom the pronoun before the answer means."""
    spans = Spans(
        gold=((0, 1),),
        distractors=((2, 3),),
        answer=(6, 7),
        last_pronoun={"gold": (0, 1), "distractor": (2, 3), None: None}[last],
    )
    return encode_case(Case("one", "A.K.h?A.", "task", "template", "", spans, foil="K"), toys.TOKENIZER)


def test_the_last_pronoun_chooses_whom_it_means():
    cases = [pronoun_case(last) for last in ("gold", "distractor", None)]
    assert last_pronoun(cases, ("A-1",)).choice()[:, 0, 0].tolist() == [1, 0, 0.5]


@pytest.mark.parametrize("last", ["gold", None])
def test_the_last_pronoun_is_a_baseline_where_cases_name_it(last):
    split = Split([pronoun_case(last)] * 2)
    assert ("last pronoun" in plain_baselines(split, split, ("A-1",))) == bool(last)


def test_only_tasks_that_a_model_resolves_and_can_read_are_worth_measuring():
    cases = toys.toy_cases("select", 40)
    unknown = [replace(case, task="unknown", spans=replace(case.spans, answer=case.spans.gold[0])) for case in cases]
    assert resolved_tasks(toys.hand_set_model(), toys.TOKENIZER, [*cases, *unknown]) == [cases[0].task]
    assert resolved_tasks(toys.train(0, 0, shuffled=False), toys.TOKENIZER, cases) == []


def test_a_model_that_gives_no_numbers_is_refused_and_not_taken_for_one_that_resolves_nothing():
    model = toys.hand_set_model()
    model.embed.weight.data.fill_(float("nan"))
    with pytest.raises(InputError, match="not finite"):
        resolved_tasks(model, toys.TOKENIZER, toys.toy_cases("select", 40))
