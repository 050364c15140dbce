"""GAP's examples as annotated cases: ``python -m data.cases.gap FILE... > gap.jsonl``. FILE: its .tsv files.

Webster, Recasens, Axelrod and Baldridge (2018), "Mind the GAP: A Balanced Corpus of Gendered Ambiguous Pronouns". A
text from Wikipedia, a pronoun in it and two names, of which at most one is meant. A question after the text asks which;
examples in which neither is meant, or both are the same words, are left out. Where a name stands again in the same
words, it is marked there, too.
"""

import argparse
import re
import sys
from itertools import pairwise
from pathlib import Path

from common.errors import InputError
from common.one_line import run
from data.cases.case import Case, Span, Spans
from data.cases.converters import ask, write_cases
from data.cases.files import numbered_lines, read_content

COLUMNS = ("ID", "Text", "Pronoun", "Pronoun-offset", "A", "A-offset", "A-coref", "B", "B-offset", "B-coref", "URL")
REMEDY = "give GAP's .tsv files as they are"
WORD_WITHIN = re.compile(r"\w (\w)[\w'-]* $")  # its first letter; no sentence begins with it


def read_examples(path: Path) -> list[Case | None]:
    """The cases of a file; None where neither name is meant, or both are the same words."""
    lines = numbered_lines(read_content(path, str(path)), str(path))
    examples = [
        parse_example(line, f"{path}, line {number}") for number, line in lines.items() if not line.startswith("ID\t")
    ]
    if not examples:
        raise InputError(f"{path}: has no examples; {REMEDY}")
    return examples


def parse_example(line: str, source: str) -> Case | None:
    columns = line.rstrip("\r").split("\t")
    if len(columns) != len(COLUMNS):
        raise InputError(f"{source}: has {len(columns)} columns instead of {len(COLUMNS)}; {REMEDY}")
    fields = dict(zip(COLUMNS, columns, strict=True))
    text = fields["Text"]
    spans = {key: find(text, fields[key], fields[f"{key}-offset"], f"{source}: {key}") for key in ("Pronoun", "A", "B")}
    ordered = sorted(spans.values())
    if any(one[1] > other[0] for one, other in pairwise(ordered)):
        raise InputError(f"{source}: Pronoun, A and B overlap; {REMEDY}")
    meant = [fields[f"{name}-coref"].upper() for name in "AB"]
    if not set(meant) <= {"TRUE", "FALSE"} or meant == ["TRUE", "TRUE"]:
        raise InputError(f"{source}: A-coref and B-coref must be TRUE or FALSE, and not both TRUE; {REMEDY}")
    if meant == ["FALSE", "FALSE"] or fields["A"] == fields["B"]:
        return None
    gold, other = ("A", "B") if meant[0] == "TRUE" else ("B", "A")
    mentions = mentions_of(text, {name: fields[name] for name in "AB"}, spans)
    asked, answer = ask(text, fields["Pronoun"], fields[gold])
    return Case(
        id=fields["ID"],
        text=asked,
        task="gap",
        template=fields["URL"] or fields["ID"],
        split="",
        spans=Spans(mentions[gold], mentions[other], answer, pronoun=spans["Pronoun"]),
        foil=fields[other],
    )


def find(text: str, word: str, offset: str, source: str) -> Span:
    """The bytes of a word that stands at a character of a text."""
    start = int(offset) if offset.isdecimal() and len(offset) < 10 else -1
    if not word or start < 0 or text[start : start + len(word)] != word:
        raise InputError(f"{source} {word!r} does not stand at character {offset!r} of the text; {REMEDY}")
    first = len(text[:start].encode())
    return first, first + len(word.encode())


def mentions_of(text: str, names: dict[str, str], annotated: dict[str, Span]) -> dict[str, tuple[Span, ...]]:
    """The bytes of each name wherever it stands again, its ``annotated`` span included; the longer name first, so that
    *Ida* within *Ida Roth* is no mention of Ida. Nor is it beside another word that begins like a name, *Ida Bell*.
    """
    taken, mentions = {*annotated.values()}, {name: [annotated[name]] for name in names}
    for name in sorted(names, key=lambda name: -len(names[name])):
        for match in re.finditer(rf"(?<![\w-]){re.escape(names[name])}(?![\w-])", text):
            start, end = (len(text[:at].encode()) for at in match.span())
            whole = not in_longer_name(text, *match.span())
            if whole and all(end <= first or last <= start for first, last in taken):
                taken.add((start, end))
                mentions[name].append((start, end))
    return {name: tuple(sorted(own)) for name, own in mentions.items()}


def in_longer_name(text: str, start: int, end: int) -> bool:
    """Whether a word with a capital stands directly after these characters, or before them within a sentence."""
    before, after = WORD_WITHIN.search(text[:start]), text[end : end + 2]
    return bool(before and before[1].isupper()) or (after[:1] == " " and after[1:].isupper())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.gap", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a .tsv file of GAP")
    examples = [example for path in parser.parse_args().files for example in read_examples(path)]
    cases = [example for example in examples if example]
    write_cases(cases)
    print(
        f"{len(examples) - len(cases)} examples in which neither name is meant, or both are the same, are left out",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run(main)
