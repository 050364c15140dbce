"""Stories: annotations point where they say, twins differ in one word, and no shortcut finds the answer."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from data import encode_case
from data.cases import Case, Spans
from data.stories import FAMILIES, SPLITS, Stories, cases, lexicon, write
from data.tokenizers import byte_tokenizer
from probing.predictions import first, nearest, offsets, sites_of

N = 2_000


def words(case: Case, *spans: tuple[int, int]) -> list[str]:
    return [case.text.encode()[start:end].decode() for start, end in spans]


@pytest.fixture(scope="module", params=FAMILIES)
def report(request: pytest.FixtureRequest) -> list[Case]:
    return cases("report", N, seed=1, families=(request.param,))


def test_spans_hold_the_candidates_and_the_answer(report):
    for case in report:
        (gold,), (distractor,) = words(case, *case.spans.gold), words(case, *case.spans.distractors)
        assert words(case, case.spans.answer) == [gold]
        assert case.foil == distractor != gold
        assert max(end for _, end in (*case.spans.gold, *case.spans.distractors)) < case.spans.answer[0]
        assert (case.spans.pronoun or case.spans.cue)[1] < case.spans.answer[0]


def test_twins_differ_in_the_key_and_the_answer_only(report):
    for story, twin in zip(report[::2], report[1::2], strict=True):
        assert (story.twin, twin.twin) == (twin.id, story.id)
        assert story.frame == twin.frame
        assert (story.spans.gold, story.foil) != (twin.spans.gold, twin.foil)
        differences = [pair for pair in zip(story.text.split(), twin.text.split(), strict=True) if len(set(pair)) == 2]
        keys = [words(case, getattr(case.spans, FAMILIES[case.family].key_slot))[0] for case in (story, twin)]
        assert len(differences) == 2
        assert [word.strip(",.") for word in differences[0]] == keys


def test_twins_are_equally_long_in_tokens(report, stories):
    for story, twin in zip(report[::2], report[1::2], strict=True):
        one, other = encode_case(story, stories.tokenizer), encode_case(twin, stories.tokenizer)
        assert one.sites == other.sites
        assert len(one.tokens) == len(other.tokens)


def test_no_shortcut_is_better_than_chance(report, stories):
    """Nearest, first and every fixed offset, at every site, within two standard errors of one half.

    The offsets are many and correlated, so the largest of them gets the bound for the number of them (Bonferroni).
    """
    encoded = [encode_case(case, stories.tokenizer) for case in report]
    sites = sites_of(encoded)
    error = 0.5 / math.sqrt(N)
    for baseline in (nearest, first):
        assert np.abs(baseline(encoded, sites).accuracy() - 0.5).max() <= 2 * error
    by_offset = offsets(encoded, sites, longest=40).accuracy()
    assert np.abs(by_offset - 0.5).max() <= 4 * error


def test_every_frame_and_place_of_gold_occurs_alike(report):
    gold_first = sum(case.spans.gold[0] < case.spans.distractors[0] for case in report)
    assert gold_first == N / 2, "twins balance it exactly"
    assert len({case.frame for case in report}) == 18


def test_no_story_to_measure_with_occurs_in_training():
    train = set(write("train", 20_000, seed=0))
    for split in ("select", "report"):
        for seed in (0, 1):
            assert not train & {case.text for case in cases(split, 200, seed)}
    select, report = ({(case.family, case.frame) for case in cases(split, 500, 0)} for split in ("select", "report"))
    assert not select & report


def test_training_uses_every_frame_and_every_name():
    text = " ".join(write("train", 5_000, seed=0))
    for word in (*lexicon.PEOPLE, *lexicon.ANIMALS, *lexicon.WAYS, *lexicon.THINGS):
        assert f" {word}" in text


def test_stories_follow_from_the_seed_also_in_another_process():
    code = "from data.stories import write, cases; print(list(write('train', 3, 5)), cases('report', 2, 5)[0].text)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == f"{list(write('train', 3, 5))} {cases('report', 2, 5)[0].text}"
    assert list(write("train", 3, 6)) != list(write("train", 3, 5))


def test_cases_survive_json(report):
    for case in report[:50]:
        assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case


@pytest.mark.parametrize("wrong", [{"families": ("agrement",)}, {"n_train": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"unknown family|at least 1"):
        Stories(**wrong)


def test_odd_numbers_of_cases_and_unknown_splits_are_refused():
    with pytest.raises(ValueError, match=r"even"):
        cases("report", 3, 0)
    with pytest.raises(ValueError, match=r"unknown split 'test'; known are train, select, report"):
        cases("test", 2, 0)
    assert SPLITS == ("train", "select", "report")


def run_module(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "data.stories", *arguments], capture_output=True, text=True)


def test_the_command_shows_and_writes_stories():
    shown = run_module("--show", "cue", "--n", "2")
    assert shown.returncode == 0
    assert shown.stdout.count("[gold]") == 2
    written = run_module("--cases", "4", "--split", "select", "--family", "recall")
    records = [json.loads(line) for line in written.stdout.splitlines()]
    assert [record["family"] for record in records] == ["recall"] * 4
    assert run_module("--show", "cue", "--n", "3").returncode == 2


HAND_MADE = Case(
    id="1",
    text="Zoë and Tom left. She saw Zoë.",
    family="mine",
    frame="1",
    split="report",
    spans=Spans(gold=((0, 4),), distractors=((9, 12),), answer=(27, 31), pronoun=(19, 22)),
    foil="Tom",
)


def test_spans_become_tokens_by_bytes():
    """With the byte tokenizer every byte is a token, one later than its offset, behind the end token."""
    case = encode_case(HAND_MADE, byte_tokenizer())
    assert case.gold == ((1, 5),)
    assert case.distractors == ((10, 13),)
    assert case.sites == {"P-1": 19, "P": 22, "A-1": 27, "A": 28}
    assert bytes([case.answer, case.foil]) == b"ZT"


def test_answer_and_foil_part_at_the_first_token_that_differs():
    case = encode_case(replace(HAND_MADE, foil="Zed"), byte_tokenizer())
    assert case.sites["A"] == 29
    assert bytes([case.answer, case.foil]) == b"oe"
