"""No shortcut finds the answer: whatever does not resolve the reference is at chance, in every family and split."""

import math
from collections import Counter

import numpy as np
import pytest

from data import EncodedCase, encode_case
from data.stories import FAMILIES, SPLITS, cases, write
from probing.predictions import first, frequent, nearest, offsets, sites_of, subject

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
def trigram(story_tokenizer) -> Counter:
    """How often each three tokens follow each other in the text that models train on."""
    counts: Counter = Counter()
    for story in write("train", 20_000, seed=0):
        tokens = [story_tokenizer.end, *story_tokenizer.encode(story).tolist()]
        counts.update(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return counts


@pytest.mark.parametrize(("family", "split"), FAMILY_AND_SPLIT)
def test_no_rule_about_places_finds_the_antecedent(told, family, split):
    """Nearest, first, subject, most frequent and every fixed offset, from every site."""
    encoded = told[family, split]
    sites = tuple(site for site in sites_of(encoded) if site != "A")  # there the answer has been read
    for rule in (nearest, first, subject, frequent):
        assert np.abs(rule(encoded, sites).accuracy() - 0.5).max() <= TWO_ERRORS, rule.__name__
    assert np.abs(offsets(encoded, sites, longest=60).accuracy() - 0.5).max() <= TWO_ERRORS


@pytest.mark.parametrize(("family", "split"), FAMILY_AND_SPLIT)
def test_a_trigram_model_does_not_find_the_answer(told, trigram, family, split):
    """Which of answer and foil followed the two tokens before more often in training; equal counts are half right."""
    right = []
    for case in told[family, split]:
        before = case.tokens[case.sites["A-1"] - 1 : case.sites["A-1"] + 1]
        answer, foil = trigram[*before, case.answer], trigram[*before, case.foil]
        right.append(0.5 if answer == foil else float(answer > foil))
    assert abs(np.mean(right) - 0.5) <= TWO_ERRORS


@pytest.mark.parametrize("family", FAMILIES)
def test_the_text_that_models_train_on_is_balanced_too(told, family):
    """In training stories gold is drawn by itself, without a twin: the second of each pair stands for that draw."""
    encoded = [case for case in told[family, "train"] if case.case.id.endswith("a")]
    gold_first = np.mean([case.gold[0] < case.distractors[0] for case in encoded])
    assert abs(gold_first - 0.5) <= 2 * 0.5 / math.sqrt(len(encoded))
