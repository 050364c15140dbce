"""References mined from texts whose cases are known by hand."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import inputs
import numpy as np
import pytest
from annotated_texts import marked_words
from conftest import ROOT

from common.errors import InputError
from data.cases.case import Case
from data.cases.exchanged import (
    AFTER_PRONOUNS,
    HE_OR_SHE,
    REPEATED_NAME,
    REPEATED_WORD,
    Find,
    write_pair,
)
from data.cases.files import parse_cases
from data.cases.fit import encode_cases
from data.cases.litbank import read_annotated
from data.cases.mine import Miner, mine_tokens, read_documents
from data.cases.names import Names, cut_words
from data.languages import load_language
from data.text.tokenizers import byte_tokenizer
from experiments.mined_references import verdict

LITBANK = inputs.REAL / "litbank" / "coref"
PEOPLE = load_language("en").people
# One more use each, within a sentence, of names that are no first names.
SURNAMES = " We know Darcy and Bingley. We saw Darcy and Bingley."


def finds(text: str, task: str) -> list[Find]:
    return [find for _, find in Miner([text]).finds() if find.task == task]


def pairs(text: str, task: str) -> list[tuple[Case, Case]]:
    return [tuple(write_pair(text, find, "document 1", str(i))) for i, find in enumerate(finds(text, task))]


def names_in(text: str) -> list[tuple[str, str]]:
    document = cut_words(text, PEOPLE.titles)
    return [(name.form, name.gender) for name in Names([document], PEOPLE).find(document)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Then Emma's aunt saw John.", [("Emma", "she"), ("John", "he")]),
        ("We met Mr. Darcy and Mrs. Darcy there.", [("Mr. Darcy", "he"), ("Mrs. Darcy", "she")]),
        ("We met Mary Darcy and Sir John de Darcy.", [("Mary Darcy", "she"), ("Sir John de Darcy", "he")]),
        ("We met Dr. Darcy and Dr. Mary Darcy.", [("Dr. Darcy", ""), ("Dr. Mary Darcy", "she")]),
        ("Mr. Darcy came. Then Darcy went, for Darcy had to.", [("Mr. Darcy", "he"), ("Darcy", "he"), ("Darcy", "he")]),
        ("Mr. Darcy, Mrs. Darcy and Darcy", [("Mr. Darcy", "he"), ("Mrs. Darcy", "she"), ("Darcy", "")]),
        ("so Mr.\nDarcy and\nhis\nEmma", [("Mr. Darcy", "he"), ("Emma", "she")]),
        ("The rose is red. Rose came. The rose is blue.", []),
        ("HENRY and EMMA went away in May, on Monday.", []),
    ],
)
def test_names_are_known_with_titles_and_by_how_they_are_written(text: str, expected: list[tuple[str, str]]) -> None:
    more = " We know of Darcy, of that Darcy." if "Darcy" in text else ""
    assert names_in(text + more)[: len(expected)] == expected
    assert len(names_in(text + more)) == len(expected) + 2 * bool(more)


def test_a_sentence_start_is_no_name_by_its_capital_alone() -> None:
    assert names_in("Walking is good. Walking helps. They went, and Gwen walked.") == [("Gwen", "she")]


def test_the_full_stop_of_a_title_ends_no_sentence() -> None:
    document = cut_words("I saw Mr. Darcy. He went.", PEOPLE.titles)
    assert [document.words[i] for i in document.sentences] == ["I", "He"]


def test_line_starts_begin_sentences_in_verse_but_not_in_wrapped_prose() -> None:
    verse = cut_words("And thus I clothe\nMy naked villany\nWith old odd ends\nStolen out of holy writ")
    prose = cut_words("And thus I clothe\nmy naked villany\nwith Emma's ends\nstolen from John")
    assert [verse.words[i] for i in verse.sentences] == ["And", "My", "With", "Stolen"]
    assert [prose.words[i] for i in prose.sentences] == ["And"]


def test_a_name_that_comes_again_has_its_earlier_mentions_as_gold() -> None:
    ((one, other),) = pairs(
        "Emma met Harriet at home. Later Emma's bag was open. A day went by and Emma left.", REPEATED_NAME
    )[-1:]
    assert marked_words(one) == {"gold": ["Emma", "Emma"], "distractors": ["Harriet"], "answer": ["Emma"]}
    assert marked_words(other) == {"gold": ["Harriet", "Harriet"], "distractors": ["Emma"], "answer": ["Harriet"]}
    assert one.foil == "Harriet"
    assert other.foil == "Emma"


def test_a_line_break_in_a_name_does_not_show_which_is_right() -> None:
    text = "Mr. John met Mr. Frank\nat noon. A day went by\nand Mr.\nJohn left."
    ((one, other),) = pairs(text, REPEATED_NAME)
    assert one.text == "Mr. John met Mr. Frank\nat noon. A day went by\nand Mr. John left"
    assert (marked_words(one)["answer"], one.foil) == (["Mr. John"], "Mr. Frank")
    assert (marked_words(other)["answer"], other.foil) == (["Mr. Frank"], "Mr. John")


def test_an_excerpt_begins_after_a_third_name() -> None:
    (find, *_) = finds("Jane and Harriet met Emma. Now Emma saw Harriet. They talked, and Emma left.", REPEATED_NAME)[
        -1:
    ]
    text = "Jane and Harriet met Emma. Now Emma saw Harriet. They talked, and Emma left."
    assert text[find.start : find.end].startswith("Now Emma")


def test_a_person_and_a_place_are_not_exchanged() -> None:
    text = (
        "We live in London. Emma came to London, and then Emma saw it. All is well in London, said Emma. Go to London."
    )
    assert not finds(text, REPEATED_NAME)


def test_two_forms_of_one_name_are_no_two_names() -> None:
    assert not finds(
        "Emma Darcy came. Then Emma went, and Emma Darcy stayed." + SURNAMES.replace("Bingley", "Darcy"), REPEATED_NAME
    )


def test_she_after_a_woman_and_a_man_means_the_woman() -> None:
    ((one, other),) = pairs("Emma saw John in the garden. She was tired.", HE_OR_SHE)
    assert marked_words(one) == {"gold": ["Emma"], "distractors": ["John"], "answer": ["She"]}
    assert marked_words(other) == {"gold": ["John"], "distractors": ["Emma"], "answer": ["He"]}
    assert one.spans.pronoun == one.spans.answer
    assert other.text == "John saw Emma in the garden. He was"


@pytest.mark.parametrize(
    "text", ["Emma saw John in the garden. She was tired.", "Emma saw John and said he was tired."]
)
def test_pronouns_are_asked_for_before_they_are_read_even_byte_by_byte(text: str) -> None:
    for case in encode_cases([case for pair in pairs(text, HE_OR_SHE) for case in pair], byte_tokenizer()):
        assert case.sites["P-1"] == case.sites["A-1"] == case.sites["A"] - 1
        assert "P" not in case.sites


def test_a_name_and_its_plural_are_no_two_names() -> None:
    text = "All liked Darcy and the Darcys. We met Darcy and saw the Darcys. Then Darcy came with the Darcys to Darcy."
    assert not finds(text, REPEATED_NAME)


def test_an_accent_that_stands_by_itself_stays_with_its_letter() -> None:
    surnames = SURNAMES.replace("Bingley", "Jose\u0301")
    ((_, other),) = pairs("Emma saw John Jose\u0301 in the garden. She was tired." + surnames, HE_OR_SHE)
    assert other.text == "John Jose\u0301 saw Emma in the garden. He was"


def test_titles_are_exchanged_with_their_names() -> None:
    ((_, other),) = pairs("Mrs. Darcy's dog bit Mr. Bingley at noon, so he ran." + SURNAMES, HE_OR_SHE)
    assert other.text == "Mr. Bingley's dog bit Mrs. Darcy at noon, so she ran"


def test_all_forms_of_a_name_are_exchanged() -> None:
    ((one, other),) = pairs("John Darcy met Emma at noon. Now John slept, so she ran." + SURNAMES, HE_OR_SHE)
    assert other.text == "Emma met John at noon. Now Emma slept, so he ran"
    assert (one.entities, other.entities) == (("emma", "john", "john"), ("john", "emma", "emma"))
    assert one.candidates == other.candidates == "emma | john", "they are one group"
    assert [len(case.rivals) for case in encode_cases([one, other], byte_tokenizer())] == [1, 1], "however he is called"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Emma saw Jane and John. She was tired.", "two women"),
        ("John went home. Later he slept.", "no woman"),
        ("Emma saw John and a girl. She was tired.", "a girl may be meant"),
        ("She saw Emma and John. She was tired.", "the first pronoun means somebody else"),
        ('Emma saw John. "She was tired," we said.', "a pronoun in a speech"),
        ("Emma saw John. 'She was tired,' we said.", "a pronoun in a speech between straight marks"),
        ("'Emma saw John. She ran,' we said.", "all of it is a speech"),
        ("Emma saw John and then Darcy. He was tired." + SURNAMES, "somebody named since may be meant"),
        ("Emma saw John under a tree. EMMA! She was tired.", "a heading is not exchanged"),
    ],
)
def test_a_pronoun_that_may_mean_somebody_else_is_no_case(text: str, why: str) -> None:
    assert not finds(text, HE_OR_SHE) + finds(text, AFTER_PRONOUNS), why


def test_the_pronoun_before_says_whom_it_means() -> None:
    (his,) = finds("Emma took John by his hand. She was tired.", AFTER_PRONOUNS)
    (hers,) = finds("Emma took John by her hand. She was tired.", AFTER_PRONOUNS)
    assert (his.last_pronoun, hers.last_pronoun) == (1, 0)


def test_the_pronoun_before_means_the_same_gender_after_the_exchange() -> None:
    ((one, other),) = pairs("Emma took John by his hand. She was tired.", AFTER_PRONOUNS)
    assert one.spans.last_pronoun == one.spans.distractors[0]
    assert other.spans.last_pronoun == other.spans.gold[0]


def test_speech_of_the_text_may_stand_between_name_and_pronoun() -> None:
    ((one, _),) = pairs('Emma met John. "Well," said John, "it is late!" She ran.', HE_OR_SHE)
    assert marked_words(one)["gold"] == ["Emma"]


WORDS = "the stone and the river lay there. " + "some say that a thing is so and so. " * 120


def test_texts_without_names_have_repeated_words() -> None:
    text = WORDS + "we saw the stone, then the river and one more stone today."
    found = {tuple(marked_words(one)["answer"]): marked_words(one) for one, _ in pairs(text, REPEATED_WORD)}
    assert found["stone",]["gold"] == ["stone"]
    assert found["stone",]["distractors"] == ["river"]


def story(n: int) -> str:
    """Many cases, in more of which the nearest name is wrong."""
    women, men = ("Emma", "Harriet", "Jane", "Anne"), ("John", "George", "Frank", "Henry")
    parts = []
    for i in range(n):
        she, he = women[i % 4], men[i // 4 % 4]
        parts.append(
            f"{she} saw {he} at noon. {'She' if i % 3 else 'He'} was tired. Then {he} left {she}, and {he} ran."
        )
    return ("\n\n" + "So it went on for a long while, and nobody was there to see it happen again. " * 9).join(parts)


def test_the_nearest_candidate_is_right_in_one_half_of_each_split() -> None:
    mined = Miner([story(40), story(40), story(40)]).mine()
    tally = Counter()
    for case in mined.cases:
        nearest = max((*case.spans.gold, *case.spans.distractors))
        tally[case.task, case.split, nearest in case.spans.gold] += 1
    assert {(task, split) for task, split, _ in tally} >= {(HE_OR_SHE, "select"), (HE_OR_SHE, "report")}
    assert all(tally[task, split, True] == tally[task, split, False] for task, split, _ in tally)
    found, nearest, _ = mined.tallies[HE_OR_SHE]
    assert 2 * nearest != found


def test_a_task_in_which_the_nearest_is_always_right_has_no_cases() -> None:
    mined = Miner(["John saw Emma in the garden. She was tired.\n\n" * 9]).mine()
    assert not [case for case in mined.cases if case.task == HE_OR_SHE]


def test_a_short_text_has_parts_enough_for_both_splits() -> None:
    cases = Miner([story(40)]).mine().cases
    assert min(len({case.template for case in cases if case.split == split}) for split in ("select", "report")) >= 4


def test_no_more_cases_than_asked_for() -> None:
    mined = Miner([story(40)] * 3).mine(most=4)
    assert max(Counter((case.task, case.split) for case in mined.cases).values()) == 8


def test_a_counterfactual_differs_in_the_exchanged_words_alone() -> None:
    cases = Miner([story(20)]).mine().cases
    assert cases
    for one, other in zip(cases[::2], cases[1::2], strict=True):
        assert (one.counterfactual, other.counterfactual) == (other.id, one.id)
        assert between(one) == between(other)
        assert marked_words(one)["answer"] == [other.foil]


def between(case: Case) -> list[bytes]:
    """The text outside of all spans."""
    raw, at, parts = case.text.encode(), 0, []
    for start, end in sorted((*case.spans.gold, *case.spans.distractors, case.spans.answer)):
        parts.append(raw[at:start])
        at = end
    return [*parts, raw[at:]]


def test_no_excerpt_to_choose_on_shares_text_with_one_to_report() -> None:
    both = ("Emma saw John", "John saw Emma")
    text = "".join(f"{both[i % 3 == 0]} at noon. She was tired, and it rained. " for i in range(200))
    read = {"select": [], "report": []}
    for case in Miner([text]).mine().cases:
        start = int(case.id.split("-")[2])
        read[case.split].append((case.task, range(start, start + len(case.text))))
    assert min(map(len, read.values())) > 4
    shared = [set(one) & set(other) for task, one in read["select"] for of, other in read["report"] if task == of]
    assert not any(shared)


def test_many_documents_are_the_clusters_and_parts_of_few() -> None:
    few, many = Miner([story(20)] * 2).mine().cases, Miner([story(6)] * 40).mine().cases
    assert all("part" in case.template for case in few)
    assert not any("part" in case.template for case in many)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\n",
        "\0\ufffd\x01\x7f" * 50,
        "我们在花园里看见了她。她很累。" * 30,
        "EMMA SAW JOHN. SHE WAS TIRED. " * 20,
        "Emma " * 300,
        "Mr.",
        "He",
    ],
)
def test_texts_without_references_have_no_cases_and_no_errors(text: str) -> None:
    assert Miner([text]).mine().cases == []


def test_no_documents_have_no_cases() -> None:
    assert Miner([]).mine().cases == []


def test_names_of_an_unknown_language_come_again_without_a_gender() -> None:
    text = "Wir trafen Gudrun und Hagen. Dann ging Gudrun, und Hagen blieb bei Gudrun im Haus."
    cases = [find for _, find in Miner([text], language=None).finds()]
    assert {find.task for find in cases} == {REPEATED_NAME}


def test_ids_are_mined_document_by_document_in_excerpts_that_fit() -> None:
    tokenizer = byte_tokenizer()
    texts = [story(12)] * 3
    ids = np.concatenate([[*tokenizer.encode(text), tokenizer.end] for text in texts])
    long, short = (mine_tokens(ids, tokenizer, block).cases for block in (4_000, 128))
    assert {case.id for case in long} == {case.id for case in Miner(texts).mine().cases}
    assert 0 < max(len(case.text) for case in short) < max(len(case.text) for case in long)
    assert sum(len(case.text.encode()) <= 128 for case in short) > 0.9 * len(short)


def test_of_a_long_text_the_first_tokens_are_mined(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, text = byte_tokenizer(), story(12)
    ids = np.array([*tokenizer.encode(text), tokenizer.end])
    monkeypatch.setattr("data.cases.mine.MOST_TOKENS", len(ids))
    assert mine_tokens(np.tile(ids, 3), tokenizer, 4_000).tallies == mine_tokens(ids, tokenizer, 4_000).tallies


GERMAN = 'pronouns = "er ihn sein sie ihr"\nfunction_words = "im und"\n'
GERMAN_PEOPLE = """
[she]
pronouns = "sie ihr"
first_names = "Gudrun"
[he]
pronouns = "er ihn sein"
first_names = "Hagen"
"""


def test_a_language_is_one_file_whose_first_pronouns_are_asked_for(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "de.toml").write_text(GERMAN + GERMAN_PEOPLE)
    monkeypatch.setattr("data.languages.FOLDER", tmp_path)
    text = "Gudrun sah Hagen im Garten. Sie war leise."
    ((_, find),) = Miner([text], language="de").finds()
    one, other = write_pair(text, find, "document 1", "0")
    assert find.task == HE_OR_SHE
    assert marked_words(one) == {"gold": ["Gudrun"], "distractors": ["Hagen"], "answer": ["Sie"]}
    assert other.text == "Hagen sah Gudrun im Garten. Er war"


def test_a_language_without_words_about_people_is_mined_as_none_is(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "de.toml").write_text(GERMAN)
    monkeypatch.setattr("data.languages.FOLDER", tmp_path)
    found, same = (Miner([story(40)], language).mine() for language in ("de", None))
    assert found == same
    assert found.tallies.keys() == {REPEATED_NAME}


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(InputError, match=r"language=tlh: there are word lists for en"):
        Miner([], language="tlh")


def test_the_command_writes_the_same_readable_cases_each_time(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(story(30))
    command = [sys.executable, "-m", "data.cases.mine", str(tmp_path), "--most", "10"]
    runs = [subprocess.run(command, cwd=ROOT, capture_output=True, env=os.environ) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert {json.loads(line)["task"] for line in runs[0].stdout.splitlines()} == {HE_OR_SHE}
    assert len(parse_cases(runs[0].stdout, "mined")) == len(runs[0].stdout.splitlines())
    assert b"he_or_she: 30 found, in 10 of them the nearest candidate is right" in runs[0].stderr


def test_lines_without_text_are_named_with_a_remedy_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "Tom met Anna."}')
    with pytest.raises(InputError, match=r"line 1: no text under 'text'; give files that have text there") as caught:
        read_documents([str(tmp_path)])
    assert "data.field" not in str(caught.value)


def test_a_file_that_is_named_twice_is_read_once_and_what_was_no_text_is_said(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.txt").write_bytes(b"One caf\xe9.")
    (tmp_path / "b.txt").write_text("Two.")
    assert read_documents([str(tmp_path), str(tmp_path / "a.txt")]) == ["One caf\ufffd.", "Two."]
    assert capsys.readouterr().err == "note: 1 bytes were no UTF-8 and became U+FFFD\n"


def test_what_the_cache_holds_is_not_read_as_training_does_not(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache/downloads").mkdir(parents=True)
    (tmp_path / "cache/downloads/b.txt").write_text("Two.")
    (tmp_path / "a.txt").write_text("One.")
    assert read_documents(["."]) == ["One."]
    assert read_documents(["cache/downloads"]) == ["Two."]


def test_a_path_that_is_not_there_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "data.cases.mine", "nowhere.txt"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nowhere.txt" in done.stderr


@pytest.mark.skipif(not LITBANK.exists(), reason="LitBank is not there")
def test_mined_references_are_right_by_litbanks_annotation() -> None:
    documents = [read_annotated(path) for path in sorted(LITBANK.glob("*.txt"))]
    tally = Counter()
    for number, find in Miner([document.text for document in documents]).finds():
        tally[find.task == REPEATED_NAME, verdict(documents[number], find)] += 1
    for repeated_name in (True, False):
        wrong = tally[repeated_name, "other name"] + tally[repeated_name, "neither"]
        assert tally[repeated_name, "right"] > 9 * wrong
