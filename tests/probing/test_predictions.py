"""Baselines and choices, against cases small enough to count by hand."""

from dataclasses import replace

import numpy as np
import pytest

from data import EncodedCase
from data.cases.case import Case, Spans
from probing.predictions import Predictions, chance, first, frequent, nearest, offsets, subject


def encoded(gold: int, distractors: tuple[int, ...], site: int, id: str = "a") -> EncodedCase:
    """A case whose candidates are single tokens at these places."""
    spans = Spans(gold=((0, 1),), distractors=((1, 2),), answer=(3, 4))
    case = Case(id=id, text="text", task="f", template="g", split="report", spans=spans, foil="x")
    ranges = tuple((place, place + 1) for place in distractors)
    return EncodedCase(case, tuple(range(20)), ((gold, gold + 1),), ranges, {"A-1": site}, answer=1, foil=2)


CASES = [encoded(2, (5,), 9), encoded(7, (5,), 9), encoded(3, (1, 6), 9)]
SITES = ("A-1",)


def test_nearest_takes_the_last_mention_and_first_the_first():
    assert nearest(CASES, SITES).choice().ravel().tolist() == [0, 1, 0]
    assert first(CASES, SITES).choice().ravel().tolist() == [1, 0, 0]


def test_nearest_does_not_see_mentions_after_the_site():
    assert nearest([encoded(2, (12,), 9)], SITES).choice().item() == 1


def test_subject_takes_the_subject_and_ties_where_neither_is():
    one = CASES[0]
    marked = [replace(one, subject=one.gold[0]), replace(one, subject=one.distractors[0]), one]
    assert subject(marked, SITES).choice().ravel().tolist() == [1, 0, 0.5]


def test_frequent_counts_whole_mentions_up_to_the_site():
    """Gold is tokens 7 8, the distractor 5 6; the site is the token before last."""

    def case(*tokens: int) -> EncodedCase:
        spans = {"gold": ((0, 2),), "distractors": ((2, 4),), "sites": {"A-1": len(tokens) - 2}}
        return replace(CASES[0], tokens=tokens, **spans)

    cases = [case(7, 8, 5, 6, 7, 8, 1), case(7, 8, 5, 6, 5, 6, 1), case(7, 8, 5, 6, 7, 5, 1), case(7, 8, 5, 6, 1, 7, 8)]
    assert frequent(cases, SITES).choice().ravel().tolist() == [1, 0, 0.5, 0.5]


def test_chance_is_one_half():
    assert chance(CASES, SITES).accuracy().item() == 0.5


def test_offsets_hit_miss_or_tie():
    choice = offsets(CASES, SITES, longest=8).choice()[:, 0]
    by_distance = {distance: choice[:, distance - 1].tolist() for distance in (2, 4, 7, 1)}
    assert by_distance[2] == [0.5, 1, 0.5]
    assert by_distance[4] == [0, 0, 0.5]
    assert by_distance[7] == [1, 0.5, 0.5]
    assert by_distance[1] == [0.5, 0.5, 0.5]


def test_equal_weights_count_half():
    gold, rival = np.array([0.2, 0.3, 0.1]).reshape(3, 1, 1), np.array([0.2, 0.1, 0.4]).reshape(3, 1, 1)
    predictions = Predictions(("x",), SITES, gold, rival)
    assert predictions.choice().ravel().tolist() == [0.5, 1, 0]
    assert predictions.accuracy().item() == pytest.approx(0.5)
