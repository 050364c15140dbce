"""WinoBias' sentences as annotated cases: ``python -m data.cases.winobias FILE... > winobias.jsonl``.

Zhao, Wang, Yatskar, Ordonez and Chang (2018), "Gender Bias in Coreference Resolution: Evaluation and Debiasing
Methods". FILE: its ``pro_stereotyped_type1.txt.dev`` and the like, which become one task each. In a line, the
antecedent and its pronoun stand in brackets; two lines after each other are about the same two occupations and mean one
each, so that they are each other's counterfactual. A question after the sentence asks whom the pronoun means.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common.errors import InputError
from common.one_line import run
from data.cases.case import Case, Span, Spans
from data.cases.converters import ask, write_cases
from data.cases.files import numbered_lines, read_content
from data.languages import load_language

BRACKETS = re.compile(r"\[([^\[\]]*)\]")
NUMBER = re.compile(r"^\d+\s+")
ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
FORM = "give WinoBias' sentences, such as: 1 [The baker] thanked the clerk because [she] was glad."
PRONOUNS = load_language("en").people.pronouns


class Sentence(NamedTuple):
    """A line without its brackets: the occupation that is meant, where it and its first pronoun stand, in bytes."""

    source: str
    text: str
    occupation: str
    gold: Span
    pronoun: Span


def parse_line(line: str, source: str) -> Sentence:
    line = NUMBER.sub("", line.strip())
    text, at, antecedents, pronouns = "", 0, [], []
    for match in BRACKETS.finditer(line):
        text += line[at : match.start()]
        words = match[1].strip()
        article = ARTICLE.match(words)
        start = len(text.encode()) + (len(article[0]) if article else 0)
        (pronouns if words.lower() in PRONOUNS else antecedents).append((start, len((text + words).encode())))
        text, at = text + words, match.end()
    text += line[at:]
    if len(antecedents) != 1 or not pronouns or antecedents[0][0] >= antecedents[0][1]:
        raise InputError(
            f"{source}: has {len(antecedents)} occupations and {len(pronouns)} pronouns in brackets, not one and at "
            f"least one; {FORM}"
        )
    (gold,) = antecedents
    return Sentence(source, text, text.encode()[slice(*gold)].decode(), gold, pronouns[0])


def make_case(task: str, own: Sentence, other: Sentence) -> Case | None:
    """None where the sentence does not name the other's occupation before its question, apart from its own."""
    rivals = [
        (len(own.text[: match.start()].encode()), len(own.text[: match.end()].encode()))
        for match in re.finditer(rf"\b{re.escape(other.occupation)}\b", own.text, re.IGNORECASE)
    ]
    rivals = [(start, end) for start, end in rivals if end <= own.gold[0] or own.gold[1] <= start]
    if own.occupation.lower() == other.occupation.lower() or not rivals:
        return None
    text, answer = ask(own.text, own.text.encode()[slice(*own.pronoun)].decode(), own.occupation, "the ")
    article, mentions = ARTICLE.match(own.text), (own.gold, rivals[0])
    return Case(
        id=own.source,
        text=text,
        task=task,
        template=", ".join(sorted((own.occupation.lower(), other.occupation.lower()))),
        split="",
        spans=Spans(
            gold=(own.gold,),
            distractors=(rivals[0],),
            answer=answer,
            pronoun=own.pronoun,
            subject=next((span for span in mentions if article and span[0] == article.end()), None),
        ),
        foil=other.occupation,
        counterfactual=other.source,
        counterfactual_kind="cue" if own.gold != other.gold and rivals[0] == other.gold else "order",
    )


def read_pairs(path: Path) -> tuple[list[Case], int]:
    """The cases of a file, and the number of pairs of lines that are none, such as those with a slip in a name."""
    lines = numbered_lines(read_content(path, str(path)), str(path))
    sentences = [parse_line(line, f"{path}, line {number}") for number, line in lines.items()]
    if not sentences:
        raise InputError(f"{path}: has no sentences; {FORM}")
    if len(sentences) % 2:
        raise InputError(f"{path}: has {len(sentences)} lines; two lines are a pair, so give an even number")
    sentences = [sentence._replace(source=sentence.source.replace(str(path), path.name)) for sentence in sentences]
    task = f"winobias_{path.name.split('.')[0]}"
    cases: list[Case] = []
    for pair in zip(sentences[::2], sentences[1::2], strict=True):
        one, other = pair
        made = [case for case in (make_case(task, one, other), make_case(task, other, one)) if case]
        cases += made if len(made) == 2 else []
    return cases, len(sentences) // 2 - len(cases) // 2


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.winobias", description=__doc__.splitlines()[0])
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a file such as pro_stereotyped_type1.txt.dev"
    )
    read = [read_pairs(path) for path in parser.parse_args(arguments).files]
    write_cases([case for cases, _ in read for case in cases])
    print(
        f"{sum(n for _, n in read)} pairs in which a line does not name both occupations are left out", file=sys.stderr
    )


if __name__ == "__main__":
    run(main)
