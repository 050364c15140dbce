"""No shortcut finds the answer: whatever does not resolve the reference is at chance, in every task and split."""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from data import Case, EncodedCase, Tokenizer, encode_case
from data.stories import SPLITS, TASKS, cases, write
from probing.predictions import first, frequent, nearest, offsets, sites_of, subject

N = 1_000
TWO_ERRORS = 2 * 0.5 / math.sqrt(N)
TASK_AND_SPLIT = [(task, split) for task in TASKS for split in SPLITS if cases(split, 2, 0, (task,))]
BY_ROLE = [
    template
    for task in TASKS.values()
    for template in task.templates
    if template.measured and template.candidates != ("first", "second")
]

LONGEST = 60  # offset in tokens


def drawn(split: str, n: int, task: str) -> list[Case]:
    """n cases without their counterfactuals."""
    return cases(split, 2 * n, 1, (task,))[::2]


def accuracies(encoded: Sequence[EncodedCase]) -> dict[str, np.ndarray]:
    """Share of right choices of every rule about places, from every site before the answer: NAME -> [S, K]."""
    sites = tuple(site for site in sites_of(encoded) if site != "A")  # there the answer has been read
    rules = {rule.__name__: rule(encoded, sites).accuracy() for rule in (nearest, first, subject, frequent)}
    return {**rules, "any fixed offset": offsets(encoded, sites, LONGEST).accuracy()}


def count_trigrams(tokenizer: Tokenizer, n: int) -> Counter:
    """How often each three tokens follow each other in n stories of the training text."""
    counts: Counter = Counter()
    for story in write("train", n, seed=0):
        tokens = tokenizer.encode_document(story).tolist()
        counts.update(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return counts


def trigram_accuracy(counts: Counter, encoded: Sequence[EncodedCase]) -> float:
    """Which of answer and foil followed the two tokens before more often in training; equal counts are half right."""
    right = 0.0
    for case in encoded:
        before = case.tokens[case.sites["A-1"] - 1 : case.sites["A-1"] + 1]
        answer, foil = counts[*before, case.answer], counts[*before, case.foil]
        right += 0.5 if answer == foil else answer > foil
    return right / len(encoded)


@pytest.fixture(scope="module")
def encoded_cases(story_tokenizer) -> dict[tuple[str, str], list[EncodedCase]]:
    """Stories without their counterfactuals: with them, any rule about positions would be right in exactly one half."""
    return {
        (task, split): [encode_case(case, story_tokenizer) for case in drawn(split, N, task)]
        for task, split in TASK_AND_SPLIT
    }


@pytest.fixture(scope="module")
def right(encoded_cases) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """How often each rule about places is right, from every site before the answer."""
    return {place: accuracies(encoded) for place, encoded in encoded_cases.items()}


@pytest.fixture(scope="module")
def trigrams(story_tokenizer) -> Counter:
    return count_trigrams(story_tokenizer, 20_000)


def test_only_these_tasks_lack_a_split():
    missing = {(task, split) for task in TASKS for split in SPLITS} - {*TASK_AND_SPLIT}
    without_names = {(task, "unseen_names") for task in ("cue", "subject_verb", "sense", "translation")}
    assert missing == without_names | {("translation", "gaps")}


@pytest.mark.parametrize(("task", "split"), TASK_AND_SPLIT)
def test_no_rule_about_places_finds_the_antecedent(right, task, split):
    """Nearest, first, subject, most frequent and every fixed offset, from every site before the answer.

    These are thousands of numbers over all tasks and splits, so the bound of each is four standard errors.
    """
    for rule, accuracy in right[task, split].items():
        assert np.abs(accuracy - 0.5).max() <= 2 * TWO_ERRORS, rule


@pytest.mark.parametrize("task", TASKS)
def test_nor_does_any_over_all_splits_together(right, task):
    """Of more cases the bound is closer."""
    by_split = [right[task, split] for split in SPLITS if (task, split) in right]
    for rule in by_split[0]:
        together = np.mean([found[rule] for found in by_split], axis=0)
        assert np.abs(together - 0.5).max() <= 2 * TWO_ERRORS / math.sqrt(len(by_split)), rule


@pytest.mark.parametrize("task", TASKS)
def test_over_counterfactuals_every_rule_about_places_is_right_in_exactly_one_half(task, story_tokenizer):
    encoded = [encode_case(case, story_tokenizer) for case in cases("report", 200, 1, (task,))]
    for rule, accuracy in accuracies(encoded).items():
        assert (accuracy == 0.5).all(), rule


@pytest.mark.parametrize(("task", "split"), TASK_AND_SPLIT)
def test_a_trigram_model_does_not_find_the_answer(encoded_cases, trigrams, task, split):
    """The words before the answer have followed some answers more often than others, by chance, and cases about the
    same words share that chance: they are fewer than they seem, so four standard errors.
    """
    assert abs(trigram_accuracy(trigrams, encoded_cases[task, split]) - 0.5) <= 2 * TWO_ERRORS


@pytest.mark.parametrize("template", BY_ROLE, ids=lambda template: template.name)
def test_a_role_stands_first_in_one_half_of_the_templates(template):
    """Else a word that points by role (a verb, a size, *ka*) would point to a place, in training or in a split."""
    place = [
        text.index("{" + template.candidates[0]) < text.index("{" + template.candidates[1])
        for text in trained(template)
    ]
    for parity in (None, 0, 1):
        chosen = [
            leads
            for i, leads in enumerate(place)
            for j in range(len(template.trained_endings))
            if parity is None or (i + j) % 2 == parity
        ]
        assert sum(chosen) * 2 == len(chosen)


def trained(template) -> list[str]:
    plain = [template.opening_texts[name] for name in template.trained_openings]
    return [re.sub(r"\{\w+_adjective\}", "", text) for text in plain]


def test_the_text_that_models_train_on_asks_for_either_candidate_and_each_time_anew():
    """Read in *recall*, where a trade and a name say all."""
    asked_first, same = [], []
    for story in write("train", N, seed=3, tasks=("recall",)):
        pairs = [
            (trade.lower(), name) for trade, name in re.findall(r"([A-Z]?[a-z]+er|[Ss]ailor) ([A-Z][a-z]+)", story)
        ]
        assert len(pairs) == 6, story
        assert set(pairs[2:]) <= set(pairs[:2])
        asked = [pair == pairs[0] for pair in pairs[2:]]
        asked_first += asked
        same += [asked[0] == asked[1], asked[1] == asked[2]]
    assert abs(np.mean(asked_first) - 0.5) <= 3 * 0.5 / math.sqrt(len(asked_first))
    assert abs(np.mean(same) - 0.5) <= 3 * 0.5 / math.sqrt(len(same))
