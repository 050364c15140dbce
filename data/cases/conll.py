"""Cases from coreference in CoNLL's form: ``python -m data.cases.conll FILE... > cases.jsonl``.

The form of the shared tasks of 2011 and 2012 (Pradhan et al. 2012), in which OntoNotes and others are: a word a line,
its columns parted by white space, the last of which says where mentions of an entity begin and end: ``(3``, ``3)``,
``(3)``, several joined by ``|``; an empty line ends a sentence; ``#begin document`` and ``#end document`` stand around
each part. The fourth column has the word, the fifth its part of speech, the eleventh names of persons and others.
"""

import argparse
import re
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from common.errors import InputError
from common.one_line import run
from data.cases.annotated import NOM, PERSON, PRON, PROP, WINDOW, Document, Mention
from data.cases.case import Span
from data.cases.converters import add_window, write_cases
from data.cases.coreference import cases_of
from data.cases.files import numbered_lines, read_content
from data.languages import People, load_language

BEGIN, END = "#begin document", "#end document"
NAME = re.compile(r"\((.*)\); part (\d+)")
FEWEST_COLUMNS = 5
WORD, POS, ENTITY = 3, 4, 10
NONE = ("-", "_", "*")
BRACKETED = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "``": '"', "''": '"'}
SPEAKERS = frozenset("i me my mine you your yours we us our ours they them their theirs it its".split())
NO_SPACE_BEFORE = re.compile(r"[.,;:!?)\]}%]+|['’](?:s|re|ve|ll|d|m)|n['’]t|['’]", re.IGNORECASE)
NO_SPACE_AFTER = frozenset("([{$")


class Part(NamedTuple):
    """A document's lines by number, sentence by sentence: the columns of each word. ``part_of``: the document that it
    is a part of.
    """

    name: str
    part_of: str
    sentences: list[list[tuple[int, list[str]]]]


def read_parts(path: Path) -> Iterator[Part]:
    """The parts of a file, each from #begin document to #end document."""
    part, last = None, 0
    for number, line in numbered_lines(read_content(path, str(path)), str(path)).items():
        source = f"{path}, line {number}"
        if line.startswith(BEGIN):
            if part:
                raise InputError(f"{source}: {part.name} has not ended; put {END} before it")
            named = line.removeprefix(BEGIN).strip()
            match = NAME.match(named)
            name, part_of = (f"{match[1]} {match[2]}", match[1]) if match else (named, named)
            part = Part(name, part_of, [[]])
        elif line.startswith(END):
            if not part:
                raise InputError(f"{source}: no document has begun; put {BEGIN} (NAME); part 000 before its words")
            yield part
            part = None
        elif not line.startswith("#"):
            columns = line.split()
            if not part or len(columns) < FEWEST_COLUMNS:
                raise InputError(
                    f"{source}: needs {BEGIN} before it, and document, part, number, word, part of speech and, in the "
                    "last column, mentions; give a file in the form of CoNLL 2011 and 2012"
                )
            if number > last + 1 and part.sentences[-1]:
                part.sentences.append([])
            part.sentences[-1].append((number, columns))
        last = number
    if part:
        raise InputError(f"{path}: {part.name} does not end; put {END} after its last word")


def read_document(part: Part, source: str, people: People) -> Document:
    """The words as a text with usual spaces, a sentence a line, and its mentions. An entity that is named has the type
    of the last name in its shortest mention by name: *U.S. President Bush* is a person. Where the document has types
    at all, one whose name has none counts as a person only if it is also called he or she.
    """
    text, sentences = "", []
    mentions: list[Mention] = []
    has_types = False
    types: dict[str, tuple[int, str]] = {}  # by entity: how many words its shortest name has, and the type
    for sentence in part.sentences:
        words = [columns for _, columns in sentence]
        joined, spans = join([columns[WORD] for columns in words])
        names = [(i, found) for i, columns in enumerate(words) if (found := type_of(columns))]
        has_types |= bool(names)
        for first, last, entity in mentions_in(sentence, source):
            kind = kind_of(words, first, last, people)
            mentions.append(Mention(len(text) + spans[first][0], len(text) + spans[last][1], entity, kind))
            k = bisect_left(names, (last + 1,)) - 1
            if kind == PROP and k >= 0 and names[k][0] >= first:
                types[entity] = min(types.get(entity, (len(words), "")), (last - first, names[k][1]), key=itemgetter(0))
        sentences.append(len(text))
        text += f"{joined}\n"
    by_pronoun = {m.entity for m in mentions if text[m.start : m.end].lower() in people.pronouns}
    things = {m.entity for m in mentions if m.kind == PROP and has_types} - by_pronoun
    typed = [
        m._replace(type=types[m.entity][1] if m.entity in types else "" if m.entity in things else PERSON)
        for m in mentions
    ]
    return Document(part.name, text, sentences, typed, part.part_of)


def join(words: Sequence[str]) -> tuple[str, list[Span]]:
    """Words and punctuation with the usual spaces between them, and where each stands."""
    text, spans, quoted = "", [], False
    for raw in words:
        word = BRACKETED.get(raw, raw)
        word = word[1:] if len(word) > 1 and word[0] == "/" else word  # OntoNotes writes /. for a full stop
        apart = not (NO_SPACE_BEFORE.fullmatch(word) or (word == '"' and quoted))
        if text and apart and not text.endswith((*NO_SPACE_AFTER, *('"' * quoted))):
            text += " "
        spans.append((len(text), len(text) + len(word)))
        text += word
        quoted ^= word.count('"') % 2 == 1
    return text, spans


def mentions_in(sentence: Sequence[tuple[int, list[str]]], source: str) -> Iterator[tuple[int, int, str]]:
    """The first and last word of each mention in a sentence, and its entity."""
    opened: dict[str, list[tuple[int, int]]] = {}
    for i, (number, columns) in enumerate(sentence):
        for mark in () if columns[-1] in NONE else columns[-1].split("|"):
            match = re.fullmatch(r"(\()?([^()]+)(\))?", mark)
            if not match or not (match[1] or match[3]):
                raise InputError(f"{source}, line {number}: {columns[-1]!r} is no mention; write '(3', '3)' or '(3)'")
            entity = match[2]
            if match[1]:
                opened.setdefault(entity, []).append((number, i))
            if match[3]:
                if not opened.get(entity):
                    raise InputError(f"{source}, line {number}: {entity}) ends no mention; write ({entity} before it")
                yield opened[entity].pop()[1], i, entity
    if left := [(number, entity) for entity, where in opened.items() for number, _ in where]:
        number, entity = min(left)
        raise InputError(f"{source}, line {number}: ({entity} does not end in its sentence; write {entity}) after it")


def kind_of(words: Sequence[Sequence[str]], first: int, last: int, people: People) -> str:
    """PROP, NOM or PRON, by the part of speech of the last word; without one, by how it is written."""
    word, pos = words[last][WORD], words[last][POS]
    if first == last and (pos.startswith("PRP") or word.lower() in SPEAKERS or word.lower() in people.pronouns):
        return PRON
    if first < last and (pos == "POS" or word in ("'s", "’s")):
        return kind_of(words, first, last - 1, people)
    return PROP if pos.startswith("NNP") or (pos in NONE and word[0].isupper()) else NOM


def type_of(columns: Sequence[str]) -> str:
    """What kind of name begins with a word: PER for a person, else what its column has; "" where none does."""
    match = re.match(r"\((\w+)", columns[ENTITY]) if len(columns) > ENTITY + 1 else None
    return "" if not match else PERSON if match[1] == "PERSON" else match[1]


def read_file(path: Path, people: People) -> list[Document]:
    parts = list(read_parts(path))
    if not parts:
        raise InputError(f"{path}: has no documents; give a file in the form of CoNLL 2011 and 2012")
    return [read_document(part, str(path), people) for part in parts]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.conll", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file such as NAME.v4_gold_conll")
    add_window(parser, WINDOW)
    arguments = parser.parse_args()
    people = load_language("en").people
    documents = [document for path in arguments.files for document in read_file(path, people)]
    write_cases(cases_of(documents, window=arguments.window))
    found = {mention.kind for document in documents for mention in document.mentions}
    if missing := [word for kind, word in ((PROP, "name"), (PRON, "pronoun")) if kind not in found]:
        known = "only English words and parts of speech (NNP, PRP) are known"
        print(f"note: no mention is a {' or a '.join(missing)}; {known}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
