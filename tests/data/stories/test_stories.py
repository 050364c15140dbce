"""Stories: annotations point where they say, counterfactuals differ in one word, and a seed repeats them."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from annotated_texts import words
from conftest import ROOT

from data import encode_case
from data.cases.case import Case, words_at
from data.cases.files import parse_case
from data.stories import COUNTERFACTUAL_KINDS, GENERALISATION, SPLITS, TASKS, Stories, cases, lexicon, write
from data.stories.names import is_unseen
from data.stories.tasks.language import LISTED

N = 400
WORD = re.compile(r"\w+|[^\w\s]")
KEY_KINDS = {task.counterfactual_kind for task in TASKS.values()}


def before_answer(case: Case) -> list[str]:
    return WORD.findall(case.text.encode()[: case.spans.answer[0]].decode())


@cache
def counterfactuals(task: str, kind: str | None = None, split: str = "report") -> list[tuple[Case, Case]]:
    drawn = cases(split, N, 1, (task,), kind)
    return list(zip(drawn[::2], drawn[1::2], strict=True))


def kinds_of(task: str) -> list[str]:
    return [kind for kind in COUNTERFACTUAL_KINDS if counterfactuals(task, kind)]


TASK_AND_KIND = [(task, kind) for task in TASKS for kind in kinds_of(task)]


@pytest.fixture(scope="module")
def text() -> str:
    """What a model trains on."""
    return " ".join(write("train", 30_000, seed=0))


@pytest.mark.parametrize("task", TASKS)
def test_spans_hold_the_candidates_and_the_answer(task):
    for case in (case for pair in counterfactuals(task) for case in pair):
        (gold,), (distractor,) = words(case, *case.spans.gold), words(case, *case.spans.distractors)
        assert gold != distractor
        assert words(case, case.spans.answer) != [case.foil]
        assert max(end for _, end in (*case.spans.gold, *case.spans.distractors)) < case.spans.answer[0]
        assert case.spans.subject in (None, *case.spans.gold, *case.spans.distractors)
        for span in (case.spans.pronoun, case.spans.cue, *case.spans.chain):
            assert span is None or (span[1] < case.spans.answer[0] and words(case, span)[0].isalpha())


@pytest.mark.parametrize("task", ["agreement", "verb_bias", "cue", "roles", "chains", "recall", "copying"])
def test_the_answer_is_the_antecedents_own_word(task):
    for case in (case for pair in counterfactuals(task) for case in pair):
        assert words(case, case.spans.answer) == words(case, *case.spans.gold)
        assert [case.foil] == words(case, *case.spans.distractors)


def test_the_task_that_the_docs_add_is_one(monkeypatch):
    adding = (Path(__file__).resolve().parents[3] / "docs/stories.md").read_text(encoding="utf-8").split("## Adding")[1]
    module = {}
    exec(adding.split("```python")[1].split("```")[0], module)
    monkeypatch.setitem(TASKS, "gifts", module["GIFTS"])
    found = cases("report", 20, 0, ("gifts",))
    assert [words(case, case.spans.answer) for case in found] == [words(case, *case.spans.gold) for case in found]
    assert {frozenset(re.findall(r"handed|promised", case.text)) for case in found} == {
        frozenset({"handed"}),
        frozenset({"promised"}),
    }


def test_every_kind_of_counterfactual_is_drawn():
    assert {kind for _, kind in TASK_AND_KIND} == set(COUNTERFACTUAL_KINDS)
    tasks = {kind: {task for task, own in TASK_AND_KIND if own == kind} for kind in ("order", "null", "attribute")}
    assert tasks == {"order": {*TASKS}, "null": {*TASKS}, "attribute": {"subject_verb", "sense"}}


@pytest.mark.parametrize("task", TASKS)
def test_the_counterfactual_by_its_key_differs_in_one_word_and_has_the_other_answer(task):
    for story, counterfactual in counterfactuals(task):
        assert (story.counterfactual, counterfactual.counterfactual, story.template) == (
            counterfactual.id,
            story.id,
            counterfactual.template,
        )
        assert words(story, *story.spans.gold) == words(counterfactual, *counterfactual.spans.distractors)
        assert words(counterfactual, *counterfactual.spans.gold) == words(story, *story.spans.distractors)
        assert [story.foil, counterfactual.foil] == words(counterfactual, counterfactual.spans.answer) + words(
            story, story.spans.answer
        )
        pairs = list(zip(before_answer(story), before_answer(counterfactual), strict=True))
        assert sum(one != other for one, other in pairs) == 1


@pytest.mark.parametrize("task", [task for task, kind in TASK_AND_KIND if kind == "order"])
def test_the_counterfactual_by_order_has_the_candidates_in_each_others_place(task):
    for story, counterfactual in counterfactuals(task, "order"):
        lower = [sorted(word.lower() for word in before_answer(case)) for case in (story, counterfactual)]
        assert lower[0] == lower[1]
        assert before_answer(story) != before_answer(counterfactual)
        same_answer = words(story, story.spans.answer) == words(counterfactual, counterfactual.spans.answer)
        golds = [words(case, *case.spans.gold)[0].lower() for case in (story, counterfactual)]
        assert same_answer == (golds[0] == golds[1])
        starts = [[span[0] for span in (*case.spans.gold, *case.spans.distractors)] for case in (story, counterfactual)]
        assert (starts[0][0] < starts[0][1]) == ((starts[1][0] < starts[1][1]) != same_answer)


@pytest.mark.parametrize("task", [task for task, kind in TASK_AND_KIND if kind == "attribute"])
def test_the_counterfactual_by_attribute_keeps_the_antecedent_and_flips_the_answer(task):
    for story, counterfactual in counterfactuals(task, "attribute"):
        pairs = list(zip(before_answer(story), before_answer(counterfactual), strict=True))
        assert [pair for pair in pairs if pair[0] != pair[1]] == [
            tuple(words(c, *c.spans.gold)[0] for c in (story, counterfactual))
        ]
        assert words(counterfactual, counterfactual.spans.answer) == [story.foil]


def test_candidates_stay_two_words_whatever_is_changed():
    for story, counterfactual in counterfactuals("sense", "attribute", "new_role"):
        for case in (story, counterfactual):
            assert words_at(case, case.spans.gold[0]) != words_at(case, case.spans.distractors[0])


def test_a_candidate_is_the_same_where_it_begins_the_story():
    begun = [
        case for case in cases("report", N, 0, ("facts",)) if min(case.spans.gold + case.spans.distractors)[0] == 0
    ]
    assert begun
    for case in begun:
        assert replace(case, text=case.text[0].lower() + case.text[1:]).candidates == case.candidates


@pytest.mark.parametrize("task", TASKS)
def test_the_null_counterfactual_differs_where_it_must_not_matter(task):
    for story, counterfactual in counterfactuals(task, "null"):
        assert story.text != counterfactual.text
        assert words(story, *story.spans.gold, story.spans.answer) == words(
            counterfactual, *counterfactual.spans.gold, counterfactual.spans.answer
        )
        assert story.foil == counterfactual.foil
        assert (
            before_answer(story)[2:] == before_answer(counterfactual)[2:]
            or before_answer(story)[:2] == before_answer(counterfactual)[:2]
        )


@pytest.mark.parametrize("task", ["cue", "roles"])
def test_counterfactuals_by_a_later_cue_are_the_same_up_to_the_pronoun(task):
    for story, counterfactual in counterfactuals(task):
        end = story.spans.pronoun[1]
        assert story.spans.cue[0] > end
        assert story.text[:end] == counterfactual.text[:end]


@pytest.mark.parametrize(("task", "kind"), TASK_AND_KIND)
def test_counterfactuals_are_equally_long_in_tokens(task, kind, story_tokenizer):
    for pair in counterfactuals(task, kind):
        one, other = (encode_case(case, story_tokenizer) for case in pair)
        if kind == "order" and one.case.text.split()[0] != other.case.text.split()[0]:
            continue  # a word that begins a story has a capital, and perhaps more tokens
        assert one.sites == other.sites
        assert len(one.tokens) == len(other.tokens)


def test_links_join_words_that_translate_each_other():
    olin = lexicon.OLIN_NOUNS | lexicon.OLIN_VERBS | lexicon.OLIN_ADJECTIVES
    for case in cases("report", N, 1, ("translation",)):
        assert len(case.spans.links) >= 3
        assert all(olin[words(case, source)[0]] == words(case, target)[0] for target, source in case.spans.links)
        assert case.spans.answer in [target for target, _ in case.spans.links]


def test_no_story_to_measure_with_occurs_in_training():
    """Neither as a whole story nor as the beginning of one."""
    train = {
        story[: stop.end()] for story in write("train", 60_000, seed=0) for stop in re.finditer(r"\.(?= |$)", story)
    }
    for split in SPLITS[1:]:
        for case in cases(split, 200, 0):
            assert case.text not in train


@cache
def drawn(split: str) -> list[Case]:
    return cases(split, 1_000, 0)


def test_no_pair_of_candidates_is_in_two_splits_and_no_template_in_select_and_report():
    """Except that in `new_role`, *sense* has known candidates: there the ambiguous words are held out."""
    pairs = {
        split: {
            (case.task, case.template.split(":")[0], case.candidates)
            for case in drawn(split)
            if (split, case.task) != ("new_role", "sense")
        }
        for split in SPLITS
    }
    for split in SPLITS[1:]:
        assert not pairs["train"] & pairs[split]
    assert not pairs["select"] & pairs["report"]
    templates = {split: {(case.task, case.template) for case in drawn(split)} for split in SPLITS}
    assert not templates["select"] & templates["report"]
    assert not templates["templates"] & (templates["train"] | templates["select"] | templates["report"])
    assert templates["select"] | templates["report"] == templates["train"]


def test_held_out_words_occur_in_training_but_never_as_candidates(text):
    held_out = {
        word
        for words in vars(lexicon.HELD_OUT_WORDS).values()
        if isinstance(words, tuple)
        for entry in words
        for word in ([entry] if isinstance(entry, str) else entry)
    }
    in_training = set(WORD.findall(text))
    assert held_out <= in_training
    for case in drawn("train"):
        assert not held_out & set(words(case, *case.spans.gold, *case.spans.distractors))
    for case in drawn("new_role"):
        if case.task == "sense":
            assert words(case, case.spans.cue)[0] in held_out
        elif "animacy" not in case.template:
            assert all(word.split()[-1] in held_out for word in words(case, *case.spans.gold, *case.spans.distractors))


def test_every_word_of_every_split_occurs_in_training_unless_it_is_spelled_anew(text):
    in_training = set(WORD.findall(text))
    for split in GENERALISATION:
        for case in drawn(split):
            new = set(WORD.findall(case.text)) - in_training
            assert not any(map(str.islower, new - set(WORD.findall(case.candidates)))), case.text


def test_names_of_the_split_unseen_names_occur_nowhere_else(text):
    in_training = set(WORD.findall(text))
    for case in drawn("unseen_names"):
        candidates = {words(case, span)[0].split()[-1] for span in (*case.spans.gold, *case.spans.distractors)}
        assert len(candidates) == 2
        assert not candidates & in_training
        assert all(map(is_unseen, candidates))


def test_of_two_names_of_which_one_is_spelled_anew_the_first_letters_differ():
    for case in (case for split in SPLITS for case in drawn(split) if case.template.startswith("gender")):
        first, second = (name.split()[-1] for name in case.candidates.split(" | "))
        assert first[0] != second[0]


def test_gaps_are_longer_than_training_ever_has():
    def sentences(case: Case) -> int:
        return case.text.count(".")

    longest = max(sentences(case) for case in drawn("train") if case.task == "agreement")
    assert min(sentences(case) for case in drawn("gaps") if case.task == "agreement") > longest


def test_resolving_is_worth_ln_2_or_the_number_of_words_to_copy_from():
    for case in drawn("report"):
        if case.task == "copying":
            listed = words_at(case, case.spans.gold[0]) in LISTED
            assert case.chance_loss in (map(math.log, (2, 3, 4, 5)) if listed else [math.log(2)])
        else:
            assert case.chance_loss == math.log(2)


def test_stories_are_the_same_on_every_platform_and_in_every_process():
    """The texts and annotations of seed 0. A change of the grammar changes them: if it changes texts, count
    GRAMMAR_VERSION up.
    """
    code = (
        "import hashlib, json; from data.stories import SPLITS, cases, write\n"
        "digest = hashlib.sha256()\n"
        "for split in SPLITS:\n"
        "    for story in write(split, 2_000, 0): digest.update(story.encode())\n"
        "    for case in cases(split, 20, 0): digest.update(json.dumps(case.to_json(), sort_keys=True).encode())\n"
        "print(digest.hexdigest())"
    )
    printed = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert printed[0] == printed[1]
    assert printed[0].strip() == "3d68ed4405a4af7bac55e00f0acfb05f66a7bd798b86c56930fcf50cd0d34c15"


def test_another_seed_tells_other_stories():
    assert list(write("train", 3, 6)) != list(write("train", 3, 5))


def test_cases_survive_json():
    for case in drawn("report"):
        assert parse_case(json.dumps(case.to_json()), 1) == case


@pytest.mark.parametrize("wrong", [{"tasks": ("agrement",)}, {"n_train": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"no task of stories|must be 1 to"):
        Stories(**wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("report", 3, 0), r"3 cases a task: must be an even number"),
        (
            ("test", 2, 0),
            r"unknown split 'test'; known are train, select, report, templates, gaps, new_role, unseen_names",
        ),
        (("report", 2, 0, ("cue",), "tense"), r"unknown kind of counterfactual 'tense'"),
    ],
)
def test_impossible_cases_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        cases(*arguments)


def run_module(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "data.stories", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_command_shows_and_writes_stories():
    shown = run_module("--show", "cue", "--n", "3")
    assert shown.returncode == 0
    assert shown.stdout.count("[gold]") == 3
    assert run_module("--show", "chains").stdout.count("[chain]") == 4
    written = run_module("--cases", "4", "--split", "select", "--task", "recall", "--counterfactual", "null")
    records = [json.loads(line) for line in written.stdout.splitlines()]
    assert [(record["task"], record["counterfactual_kind"]) for record in records] == [("recall", "null")] * 4
    assert run_module("--cases", "3").returncode == 2
    none = run_module("--show", "cue", "--split", "unseen_names").stderr
    assert none.endswith("error: cue has no stories in --split unseen_names; give another split or task\n")
    none = run_module("--cases", "2", "--split", "unseen_names", "--counterfactual", "attribute").stderr
    assert "error: no task has stories with --counterfactual attribute in --split unseen_names; leave" in none


def test_the_same_stories_can_be_told_with_any_gap():
    usual = cases("report", 20, 0, ("recall", "agreement"))
    short, long = (cases("report", 20, 0, ("recall", "agreement"), gap=gap) for gap in (0, 30))
    for one, near, far in zip(usual, short, long, strict=True):
        assert one.id == near.id == far.id
        assert (one.foil, near.foil) == (far.foil, far.foil)
        assert far.text.count(".") == near.text.count(".") + 30
        start = far.spans.answer[0] - near.spans.answer[0]
        assert start > 30 * len(" We sat down.") - 60
        answers = {*words(one, one.spans.answer), *words(near, near.spans.answer), *words(far, far.spans.answer)}
        assert len(answers) == 1
