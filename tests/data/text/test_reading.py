"""A reader who knows English, and none of the grammar's code, finds the antecedents that the cases name."""

import re
from collections.abc import Callable

import pytest
from annotated_texts import words

from data.cases.case import Case, Span
from data.languages import load_language
from data.stories import SPLITS, TASKS, cases

MEN = set("Tom Ben Sam Max Leo Jack Paul Adam Noah Luke Mark Fred Carl Hugo Otto Ivan Omar Theo Finn Erik".split())
MEN |= {"Dan", "Joe", "Pete"}
DID = {"singer": "sang", "driver": "drove", "teacher": "taught", "writer": "wrote", "rider": "rode"}
HIMSELF = set("amazed annoyed frightened surprised bored impressed charmed upset".split())
FIRST_NAMES = load_language("en").people.first_names
HIS, HER = set("mr king uncle prince sir lord".split()), set("mrs queen aunt princess lady miss".split())
WATERS = set("river lake stream creek pond sea".split())
ALIVE = set("flew swam slept jumped drank yawned grew dug sneezed crawled barked".split())
TIRED = set("tired hungry sleepy scared thirsty lazy sick nervous".split())
WEAK = set("weak shy tiny".split())
ADJECTIVE = r"(?:(?:old|small|happy|quiet) )?"
TRADES = set("baker singer painter driver teacher sailor hunter dancer writer farmer rider climber".split())
OLIN = {"king": "vesk", "dog": "bano", "girl": "lumi", "pig": "nuba", "fox": "rima", "uncle": "veli"}


def word(case: Case, span: Span) -> str:
    return words(case, span)[0]


def gender_or_number(case: Case, gold: str, foil: str) -> bool:
    pronoun = re.search(r"\b(He|She|It|They)\b", case.text)[1]
    one, other = gold.split()[-1], foil.split()[-1]
    if pronoun == "They":
        return one.endswith("s") and not other.endswith("s")
    if pronoun == "It":
        return not one.endswith("s") and one not in TRADES
    if one[0].isupper():
        return is_man(one, case.text) == (pronoun == "He") != is_man(other, case.text)
    return one in TRADES


def is_man(name: str, text: str) -> bool:
    """By title, if there is one, by what people are called, or by the last letter."""
    before = re.search(rf"(\w+) {name}\b", text)
    if before and before[1].lower() in HIS | HER:
        return before[1].lower() in HIS
    if name in MEN or name in FIRST_NAMES:
        return name in MEN or FIRST_NAMES[name] == "he"
    return name[-1] not in "ae"


def fact(case: Case, gold: str, foil: str) -> bool:
    trade, did = gold.split()[0].lower(), word(case, case.spans.answer)
    return did == DID.get(trade, did) and (did[:3] == trade[:3] or trade in DID)


def by_verb(case: Case, gold: str, foil: str) -> bool:
    subject, passive, verb, other = re.search(
        r"((?:\w+ )?[A-Z]\w+)(?: again)? (was )?([a-z]+ed|upset)(?: by)? ((?:\w+ )?[A-Z]\w+)", case.text
    ).groups()
    doer, other = (other, subject) if passive else (subject, other)
    return gold.endswith((doer if verb in HIMSELF else other).split()[-1])


def by_size(case: Case, gold: str, foil: str) -> bool:
    one, verb, other, size = re.search(
        r"[Tt]he (\w+)(?: again)? did(?: not|n't) (\w+) (?:into )?the (\w+).* too (\w+)", case.text
    ).groups()
    content, holder = (one, other) if verb == "fit" else (other, one)
    return gold == {"big": content, "small": holder}[size]


def by_cue(case: Case, gold: str, foil: str) -> bool:
    cue = re.search(r"because it was (?:too |so |very )?(\w+)", case.text)[1]
    if chase := re.search(r"[Tt]he (\w+) (?:soon )?(ran|chased)(?: away)?(?: from)? the (\w+)", case.text):
        prey, hunter = chase[1], chase[3]
        if chase[2] == "chased":
            prey, hunter = hunter, prey
        return gold == (prey if cue in WEAK else hunter)
    moves = set("animal dog cat horse cow fox sheep goat rabbit donkey goose bear wolf deer camel pig hen mule".split())
    return (gold in moves) == (cue in TIRED)


def by_subject(case: Case, gold: str, foil: str) -> bool:
    near = re.search(rf"\b(near|behind|beside|with) the ({gold}|{foil})\b", case.text)
    subject = foil if near and near[2] == gold else gold
    verb = word(case, case.spans.answer)
    first = case.spans.gold < case.spans.distractors
    return subject == gold and bool(near) == first and (verb == "were") == gold.endswith("s")


def after_the_cue(case: Case, gold: str, foil: str) -> bool:
    return re.search(rf"(?i)\b{word(case, case.spans.cue)} (?:of the )?(\w+)", case.text)[1] == gold


def did(deed: str, case: Case) -> str:
    if " of the " in case.text:
        return "flooded" if deed in WATERS else "closed"
    return "ate" if deed in ALIVE else "broke"


def by_deed(case: Case, gold: str, foil: str) -> bool:
    return after_the_cue(case, gold, foil) and word(case, case.spans.answer) == did(gold, case)


def by_particle(case: Case, gold: str, foil: str) -> bool:
    order = rf"[Tt]he {ADJECTIVE}(\w+)(?: again)? (was )?\w+ (by )?the {ADJECTIVE}(\w+)\."
    one, passive, _, other = re.search(order, case.text).groups()
    doer, other = (other, one) if passive else (one, other)
    expected = doer if " ka " in case.text else other
    return gold == expected and word(case, case.spans.answer) == OLIN.get(gold, word(case, case.spans.answer))


READERS: dict[str, list[Callable[[Case, str, str], bool]]] = {
    "agreement": [gender_or_number],
    "verb_bias": [by_verb],
    "cue": [by_cue],
    "roles": [by_size],
    "chains": [gender_or_number],
    "subject_verb": [by_subject],
    "recall": [after_the_cue],
    "copying": [after_the_cue],
    "sense": [by_deed],
    "translation": [by_particle],
    "facts": [gender_or_number, fact],
    "reasons": [by_verb, fact],
}


@pytest.mark.parametrize("task", TASKS)
def test_a_reader_finds_the_same_antecedent(task):
    for split in SPLITS:
        for kind in (None, "order", "null"):
            for case in cases(split, 200, 3, (task,), kind):
                gold, foil = word(case, case.spans.gold[0]), word(case, case.spans.distractors[0])
                assert all(reads(case, gold, foil) for reads in READERS[task]), case.text


def test_the_subject_is_who_the_sentence_is_about():
    for task in ("agreement", "verb_bias", "roles", "chains", "facts"):
        for case in cases("report", 200, 3, (task,)):
            if case.spans.subject:
                assert case.spans.subject == min(*case.spans.gold, *case.spans.distractors), case.text
