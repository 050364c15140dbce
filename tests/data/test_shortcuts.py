"""No shortcut finds the answer: whatever does not resolve the reference is at chance, in every family and split."""

import math
from collections import Counter

import numpy as np
import pytest

from benchmarks.shortcuts import accuracies, count_trigrams, trigram_accuracy
from data import EncodedCase, encode_case
from data.stories import FAMILIES, SPLITS, cases

N = 2_000
TWO_ERRORS = 2 * 0.5 / math.sqrt(N)
FAMILY_AND_SPLIT = [(family, split) for family in FAMILIES for split in SPLITS]


@pytest.fixture(scope="module")
def told(story_tokenizer) -> dict[tuple[str, str], list[EncodedCase]]:
    return {
        (family, split): [encode_case(case, story_tokenizer) for case in cases(split, N, 1, (family,))]
        for family, split in FAMILY_AND_SPLIT
    }


@pytest.fixture(scope="module")
def trigrams(story_tokenizer) -> Counter:
    return count_trigrams(story_tokenizer, 20_000)


@pytest.mark.parametrize(("family", "split"), FAMILY_AND_SPLIT)
def test_no_rule_about_places_finds_the_antecedent(told, family, split):
    """Nearest, first, subject, most frequent and every fixed offset, from every site before the answer."""
    for rule, accuracy in accuracies(told[family, split]).items():
        assert np.abs(accuracy - 0.5).max() <= TWO_ERRORS, rule


@pytest.mark.parametrize(("family", "split"), FAMILY_AND_SPLIT)
def test_a_trigram_model_does_not_find_the_answer(told, trigrams, family, split):
    """In *recall* the word before the answer has followed each name a few times, by chance, and all cases about the same
    names share that chance: they are fewer than they seem, so three standard errors there.
    """
    bound = 1.5 * TWO_ERRORS if family == "recall" else TWO_ERRORS
    assert abs(trigram_accuracy(trigrams, told[family, split]) - 0.5) <= bound


@pytest.mark.parametrize("family", FAMILIES)
def test_gold_comes_first_in_one_half_of_the_stories_drawn(told, family):
    """Twins balance places by themselves; here only the first of each pair counts, whose gold is drawn."""
    drawn = [case for case in told[family, "train"] if case.case.id.endswith("a")]
    gold_first = np.mean([case.gold[0] < case.distractors[0] for case in drawn])
    assert abs(gold_first - 0.5) <= 3 * 0.5 / math.sqrt(len(drawn))
