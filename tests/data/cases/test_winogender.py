"""Winogender becomes cases: spans point at the right words, pairs at each other, and what parts them is counted."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import inputs
import pytest
from annotated_texts import marked_words
from conftest import ROOT

from common.errors import InputError
from data import split_cases
from data.cases.case import Case
from data.cases.files import parse_cases
from data.cases.winogender import FORMS, cases, describe, parting, read_templates

PILOT = "The $OCCUPATION thanked the $PARTICIPANT because $NOM_PRONOUN was {}."
TEMPLATES = [
    ("pilot", "guest", "1", PILOT.format("kind")),
    ("pilot", "guest", "0", PILOT.format("grateful")),
    ("cook", "waiter", "0", "The $PARTICIPANT handed $POSS_PRONOUN plate to the $OCCUPATION"),
    ("cook", "waiter", "1", "The $OCCUPATION handed $POSS_PRONOUN plate to the $PARTICIPANT"),
]


def write(path: Path, rows: list[tuple[str, ...]]) -> Path:
    path.write_text("\n".join("\t".join(row) for row in [("occupation(0)", "other", "answer", "sentence"), *rows]))
    return path


def word(case: Case, name: str) -> str:
    return marked_words(case, name)[name][0]


@pytest.fixture
def written(tmp_path) -> list[Case]:
    return cases(read_templates(write(tmp_path / "templates.tsv", TEMPLATES)), ["he", "they"])


@pytest.fixture(scope="module")
def whole(input_folder) -> list[Case]:
    return cases(read_templates(input_folder / inputs.TEMPLATES_FILE), list(FORMS))


def test_a_template_becomes_a_sentence_and_a_question(written):
    case = written[0]
    assert case.text == 'The pilot thanked the guest because he was grateful. Here "he" refers to the pilot.'
    assert (word(case, "gold"), word(case, "distractors"), word(case, "answer"), case.foil) == (
        "pilot",
        "guest",
        "pilot",
        "guest",
    )
    assert (word(case, "pronoun"), word(case, "cue"), word(case, "subject")) == ("he", "was grateful", "pilot")


def test_pronouns_have_the_form_that_the_sentence_asks_for(written):
    assert [word(case, "pronoun") for case in written] == ["he", "he", "they", "they", "his", "his", "their", "their"]
    assert "because they were kind." in written[3].text


def test_counterfactuals_stand_next_to_each_other_with_the_same_pronoun_and_the_other_answer(written):
    for one, other in zip(written[::2], written[1::2], strict=True):
        assert (one.counterfactual, other.counterfactual) == (other.id, one.id)
        assert word(one, "answer") == other.foil != one.foil == word(other, "answer")
        assert one.template == other.template


def test_what_parts_a_pair_before_the_pronoun_is_reported(written):
    assert [parting(*pair) for pair in zip(written[::2], written[1::2], strict=True)] == [
        "same",
        "same",
        "order",
        "order",
    ]
    assert describe(written).splitlines()[:2] == [
        "8 cases in 4 pairs",
        "2 pairs are the same text up to and including the pronoun: nothing can be decided there, only after it",
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("pilot", "guest", "1")], "line 2: has 3 columns"),
        ([("pilot", "guest", "2", PILOT)], "line 2: needs an occupation"),
        ([("pilot", "guest", "1", "The $OCCUPATION met the $PARTICIPANT.")], "line 2: the sentence needs"),
        ([("pilot", "guest", "1", PILOT + " $AGE")], "line 2: the sentence needs"),
        ([("pilot", "guest", "1", PILOT + " The $PARTICIPANT left.")], "line 2: the sentence needs"),
        (TEMPLATES[:1] * 2, "line 3: pilot and guest have this answer twice"),
        (TEMPLATES[:3], "cook and waiter need two templates"),
        ([], "has no templates"),
    ],
)
def test_a_file_that_is_not_winogender_is_named(tmp_path, rows, reason):
    with pytest.raises(InputError, match=reason):
        read_templates(write(tmp_path / "templates.tsv", rows))


def test_the_command_writes_cases_that_can_be_read_and_counts_on_the_side(tmp_path, written):
    path = write(tmp_path / "templates.tsv", TEMPLATES)
    command = [sys.executable, "-m", "data.cases.winogender", str(path), "--pronouns", "he", "they"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert parse_cases(done.stdout, "") == written
    assert done.stderr.decode().strip() == describe(written)


def test_the_command_says_in_one_line_what_is_wrong(tmp_path):
    command = [sys.executable, "-m", "data.cases.winogender", str(tmp_path / "nothing.tsv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {tmp_path}/nothing.tsv: there is no such file\n"


def test_all_templates_become_valid_cases_in_two_halves(whole):
    read = parse_cases("\n".join(json.dumps(case.to_json()) for case in whole).encode(), "")
    select, report = split_cases(read)
    assert len(select) == len(report) == len(whole) / 2 >= 24
    assert not {case.template for case in select} & {case.template for case in report}
    assert all(case.spans.cue and case.spans.subject for case in whole)


def test_where_the_pairs_of_winogender_part_is_counted(whole, input_folder):
    """Of the real ones three quarters cannot be decided at the pronoun."""
    counts = Counter(parting(*pair) for pair in zip(whole[::2], whole[1::2], strict=True))
    pairs = {"same": 44, "form": 2, "order": 2, "words": 12} if input_folder == inputs.REAL else inputs.PAIRS
    assert counts == {kind: len(FORMS) * n for kind, n in pairs.items()}


def test_neither_the_first_nor_the_subject_is_favoured(whole):
    assert sum(case.spans.gold < case.spans.distractors for case in whole) == len(whole) // 2
    assert sum(case.spans.gold[0] == case.spans.subject for case in whole) == len(whole) // 2
