"""The Winogender templates as annotated cases: ``python -m data.cases.winogender templates.tsv > winogender.jsonl``.

Rudinger, Naradowsky, Leonard and Van Durme (2018), "Gender bias in coreference resolution". Every occupation has two
sentences, in which the pronoun means the occupation or the other participant; they are each other's counterfactuals.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common.errors import InputError
from common.one_line import run
from data.cases.case import Case, Span, Spans
from data.cases.converters import PLACEHOLDER, ask, fill, print_cases
from data.cases.files import numbered_lines, read_content

FORMS = {
    "he": {"NOM_PRONOUN": "he", "ACC_PRONOUN": "him", "POSS_PRONOUN": "his"},
    "she": {"NOM_PRONOUN": "she", "ACC_PRONOUN": "her", "POSS_PRONOUN": "her"},
    "they": {"NOM_PRONOUN": "they", "ACC_PRONOUN": "them", "POSS_PRONOUN": "their"},
}
COLUMNS = 4
PARTINGS = {
    "same": "are the same text up to and including the pronoun: nothing can be decided there, only after it",
    "form": "are the same text up to the pronoun, which has another form (he, his)",
    "order": "name the two in the other order, so that a model can tell them apart at the pronoun",
    "words": "have other words before the pronoun, so that a model can tell them apart there",
}


class Template(NamedTuple):
    """One line of the file; the pronoun means ``candidates[answer]``."""

    candidates: tuple[str, str]
    answer: int
    sentence: str


def read_templates(path: Path) -> list[tuple[Template, Template]]:
    """The templates in pairs, (occupation is meant, participant is meant), in the file's order."""
    found: dict[tuple[str, str], dict[int, Template]] = {}
    for number, line in numbered_lines(read_content(path, str(path)), str(path)).items():
        if number == 1 and line.startswith("occupation(0)"):
            continue
        template = parse_template(line.rstrip("\r"), f"{path}, line {number}")
        pair = found.setdefault(template.candidates, {})
        if template.answer in pair:
            raise InputError(f"{path}, line {number}: {' and '.join(template.candidates)} have this answer twice")
        pair[template.answer] = template
    for candidates, pair in found.items():
        if len(pair) != 2:
            raise InputError(f"{path}: {' and '.join(candidates)} need two templates, with answers 0 and 1")
    if not found:
        raise InputError(f"{path}: has no templates; give Winogender's templates.tsv")
    return [(pair[0], pair[1]) for pair in found.values()]


def parse_template(line: str, source: str) -> Template:
    columns = line.split("\t")
    if len(columns) != COLUMNS:
        raise InputError(f"{source}: has {len(columns)} columns instead of occupation, participant, answer, sentence")
    occupation, participant, answer, sentence = columns
    if answer not in ("0", "1") or not occupation or not participant or occupation == participant:
        raise InputError(f"{source}: needs an occupation, another participant, and 0 or 1 for which of them is meant")
    names = sorted(PLACEHOLDER.findall(sentence))
    if len(names) != 3 or not {"OCCUPATION", "PARTICIPANT"} < set(names) <= {*FORMS["he"], "OCCUPATION", "PARTICIPANT"}:
        raise InputError(f"{source}: the sentence needs $OCCUPATION, $PARTICIPANT and one pronoun, each once")
    return Template((occupation, participant), int(answer), sentence)


def make_case(template: Template, pronoun: str) -> Case:
    """One template with one gender's pronoun, and the question what it means."""
    sentence = template.sentence
    if pronoun == "they":
        sentence = re.sub(r"(\$NOM_PRONOUN) was\b", r"\1 were", sentence)  # the only verbs that agree are these
    (form,) = FORMS[pronoun].keys() & set(PLACEHOLDER.findall(sentence))
    words = dict(zip(("OCCUPATION", "PARTICIPANT"), template.candidates, strict=True)) | FORMS[pronoun]
    answer, foil = template.candidates[template.answer], template.candidates[1 - template.answer]
    begun, spans = fill(sentence, words)
    text, asked = ask(begun, words[form], answer, "the ")
    mentions = (spans["OCCUPATION"], spans["PARTICIPANT"])
    name = "-".join((*template.candidates, pronoun))
    return Case(
        id=f"{name}-{template.answer}",
        text=text,
        task="winogender",
        template=template.candidates[0],
        split="",
        spans=Spans(
            gold=(mentions[template.answer],),
            distractors=(mentions[1 - template.answer],),
            answer=asked,
            pronoun=spans[form],
            cue=rest_of_sentence(begun, spans[form][1]),
            subject=next((span for span in mentions if span[0] == len("The ")), None),
        ),
        foil=foil,
        counterfactual=f"{name}-{1 - template.answer}",
        counterfactual_kind="cue",
    )


def rest_of_sentence(text: str, start: int) -> Span | None:
    """What follows byte ``start``, without space and punctuation around it; None if nothing does."""
    rest = text.encode()[start:].decode()
    trimmed = rest.strip(" .,;!?")
    begin = start + rest.encode().find(trimmed.encode())
    return (begin, begin + len(trimmed.encode())) if trimmed else None


def cases(templates: Sequence[tuple[Template, Template]], pronouns: Sequence[str]) -> list[Case]:
    """Every pair with every pronoun, counterfactuals next to each other."""
    return [make_case(template, pronoun) for pair in templates for pronoun in pronouns for template in pair]


def parting(one: Case, other: Case) -> str:
    """How a case and its counterfactual differ up to and including the pronoun: one of PARTINGS."""
    # pyrefly: ignore [not-iterable] all of these cases have a pronoun
    (start, end), (other_start, other_end) = one.spans.pronoun, other.spans.pronoun
    raw, other_raw = one.text.encode(), other.text.encode()
    if raw[:start] == other_raw[:other_start]:
        return "same" if raw[start:end] == other_raw[other_start:other_end] else "form"
    same_order = (one.spans.gold < one.spans.distractors) == (other.spans.distractors < other.spans.gold)
    return "words" if same_order else "order"


def describe(written: Sequence[Case]) -> str:
    """How many pairs a model that reads from left to right can tell apart at the pronoun, and by what."""
    pairs = list(zip(written[::2], written[1::2], strict=True))
    counts = Counter(parting(*pair) for pair in pairs)
    lines = [f"{counts[kind]} pairs {what}" for kind, what in PARTINGS.items()]
    return "\n".join([f"{len(written)} cases in {len(pairs)} pairs", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.winogender", description=__doc__)
    parser.add_argument("templates", type=Path, help="Winogender's templates.tsv")
    parser.add_argument("--pronouns", nargs="+", choices=FORMS, default=list(FORMS), help="default: all three")
    arguments = parser.parse_args()
    templates = read_templates(arguments.templates)
    written = cases(templates, list(dict.fromkeys(arguments.pronouns)))
    print_cases(written)
    print(describe(written), file=sys.stderr)


if __name__ == "__main__":
    run(main)
