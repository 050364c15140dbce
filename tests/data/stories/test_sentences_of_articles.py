"""The sentences of articles: cases like any others, in words that stories have."""

import json

import pytest
from annotated_texts import words
from test_stories import before_answer

from data.cases.files import parse_cases
from data.stories import TASKS, write
from data.stories.articles import PAIRS, Pair, first

EVERY = [case for pair in PAIRS for case in pair.cases()]


def test_they_are_cases_of_tasks_that_stories_have():
    lines = "\n".join(json.dumps(case.to_json()) for case in EVERY)
    assert parse_cases(lines.encode(), "articles") == EVERY
    assert {case.task for case in EVERY} <= TASKS.keys()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.keys[0])
def test_one_word_differs_and_with_it_the_answer(pair):
    one, other = pair.cases()
    changed = [both for both in zip(before_answer(one), before_answer(other), strict=True) if both[0] != both[1]]
    assert changed == [pair.keys]
    for i, case in enumerate((one, other)):
        spans = case.spans
        assert words(case, *spans.gold, *spans.distractors) == [pair.candidates[i], pair.candidates[1 - i]]
        assert (*words(case, spans.answer), case.foil) == (pair.answers[i], pair.answers[1 - i])
        (key,) = [spans.cue] if spans.cue else spans.chain
        assert words(case, key) == [pair.keys[i]]
        assert spans.pronoun is None or words(case, spans.pronoun) == [pair.pronoun]
    assert one.spans.gold == other.spans.distractors


def test_their_words_are_those_of_stories():
    known = {word for story in write("train", 4_000, seed=0) for word in story.replace(".", " ").split()}
    for case in EVERY:
        assert {*case.text.replace(".", " ").split()} <= known, case.text


def test_a_word_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no 'at' in 'The cat sat'"):
        first("at", "The cat sat")
    assert Pair("cue", "Cat, cat {key} {answer}.", ("a", "b"), ("cat", "Cat"), ("x", "y")).case(0).spans.gold == (
        (5, 8),
    )
