"""Annotated coreference: who is in a text, as its annotation says, and excerpts of it."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from data.cases.case import Span
from data.languages import People

PROP, NOM, PRON = "PROP", "NOM", "PRON"
PERSON = "PER"
WINDOW = 120  # words of an excerpt, at most: most of them fit into a block of 256 tokens of a small vocabulary
WORD = re.compile(r"\S+")
ENDS_A_HEAD = re.compile(r"[,;:]|\b(?:who|whom|whose|which|that)\b")
POSSESSIVE = re.compile(r"\s*['’]s\b")  # left of a mention inside
POSSESSIVE_END = re.compile(r"\s*['’]s?$")
JOINS = re.compile(r"(?:and|or)\b|.*\b(?:and|or)$", re.DOTALL)  # what is left of *Tom and Anna* without both names
SINGLE_QUOTES = ("'", "‘")
AROUND = " \n\r\t,;:"
PLURALS = ("men", "women")


class Mention(NamedTuple):
    """Characters ``start`` to ``end`` of a document, which mean ``entity``; ``kind``: PROP, NOM or PRON; ``type``: what
    kind of thing it means, PER for a person.
    """

    start: int
    end: int
    entity: str
    kind: str
    type: str = PERSON


@dataclass(frozen=True)
class Document:
    """A text, the characters at which its sentences begin, and its mentions. ``part_of``: the document that it is a
    part of, if any: cases of one are never in two splits.
    """

    name: str
    text: str
    sentences: Sequence[int]
    mentions: Sequence[Mention]
    part_of: str = ""

    @property
    def cluster(self) -> str:
        return self.part_of or self.name


class Person(NamedTuple):
    """A mention of a person whose gender may be known: "she", "he" or "". ``start``, ``end``: its own words only."""

    start: int
    end: int
    entity: str
    kind: str
    gender: str


class AnnotatedText:
    """A document's persons, and excerpts of it of at most ``window`` words that begin with a sentence."""

    def __init__(self, document: Document, people: People, window: int = WINDOW) -> None:
        self.document, self.people, self.window = document, people, window
        self.text, self.sentences = document.text, sorted(document.sentences)
        self.mentions = sorted(document.mentions)
        self.starts = [mention.start for mention in self.mentions]

    @cached_property
    def words(self) -> list[int]:
        """The characters at which words begin."""
        return [match.start() for match in WORD.finditer(self.text)]

    @cached_property
    def persons(self) -> list[Person]:
        """The mentions of persons in order, each with its own words; those that share words with an earlier one, as
        where one mention has two entities, are left out.
        """
        own = [
            (*span, mention)
            for mention in self.mentions
            if mention.type == PERSON and (span := own_words(self.text, mention, self.inside(mention)))
        ]
        own.sort(key=lambda item: item[:2])
        genders = self.genders([(self.text[start:end], mention) for start, end, mention in own])
        persons: list[Person] = []
        for start, end, mention in own:
            if not persons or start >= persons[-1].end:
                persons.append(Person(start, end, mention.entity, mention.kind, genders.get(mention.entity, "")))
        return persons

    def inside(self, mention: Mention) -> Iterator[Span]:
        """The mentions, of anything, within another."""
        first, after = (bisect_left(self.starts, at) for at in (mention.start, mention.end))
        size = mention.end - mention.start
        for one in map(self.mentions.__getitem__, range(first, after)):
            if one.end <= mention.end and one.end - one.start < size:
                yield one.start, one.end

    def genders(self, own: Iterable[tuple[str, Mention]]) -> dict[str, str]:
        """The gender of each entity: what most of its pronouns have; without any, most of its names and nouns."""
        pronouns: dict[str, Counter[str]] = {}
        others: dict[str, Counter[str]] = {}
        for words, mention in own:
            if mention.kind == PRON:
                gender, votes = self.people.pronouns.get(words.lower(), ""), pronouns
            else:
                gender, votes = self.gender_of(words.split(), mention.kind), others
            if gender:
                votes.setdefault(mention.entity, Counter())[gender] += 1
        genders = {}
        for entity, votes in (others | pronouns).items():
            (gender, most), *rest = votes.most_common()
            genders[entity] = gender if not rest or most > rest[0][1] else ""
        return genders

    def gender_of(self, words: Sequence[str], kind: str) -> str:
        """By the title of a name, or else its first name; by the last noun that has a gender."""
        if kind == PROP:
            title = self.people.titles.get(words[0].rstrip("."))
            return title or self.people.first_names.get(words[1 if title == "" and len(words) > 1 else 0], "")
        nouns = [word.lower().strip(".,") for word in words]
        known = [self.people.nouns[noun] for noun in nouns if noun in self.people.nouns and not self.is_plural(noun)]
        return known[-1] if known else ""

    def is_plural(self, noun: str) -> bool:
        singulars = (noun.removesuffix("s"), noun.removesuffix("ies") + "y", noun.removesuffix("ves") + "fe")
        return noun.endswith(PLURALS) or any(one != noun and one in self.people.nouns for one in singulars)

    def gender_of_word(self, person: Person) -> str:
        """Of a pronoun, as it stands there; "" for other words."""
        return self.people.pronouns.get(self.words_of(person).lower(), "") if person.kind == PRON else ""

    def words_of(self, span: Person | Mention) -> str:
        return self.text[span.start : span.end]

    def window_start(self, at: int) -> int:
        """Where the word begins that is ``window`` words back from character ``at``, or the first word."""
        return self.words[max(0, bisect_left(self.words, at) - self.window)] if self.words else 0

    def excerpt_start(self, at: int, not_before: int = 0) -> int:
        """Where the excerpt before character ``at`` begins: with the first sentence that is no more than ``window``
        words back and not before ``not_before``; with a word, where no sentence begins there.
        """
        first = max(self.window_start(at), not_before)
        i = bisect_left(self.sentences, first)
        if i < len(self.sentences) and self.sentences[i] < at:
            return self.sentences[i]
        j = bisect_left(self.words, first)
        return self.words[j] if j < len(self.words) and self.words[j] < at else at

    def before(self, at: int, start: int) -> list[Person]:
        """The mentions of persons between two characters."""
        first, after = (bisect_left(self.persons, (where,)) for where in (start, at))
        return [person for person in self.persons[first:after] if person.end <= at]

    def word_end(self, at: int) -> int:
        """The end of the word after character ``at``, where answer and foil have surely parted."""
        match = WORD.search(self.text, at)
        return match.end() if match else len(self.text)

    def sentence_end(self, at: int) -> int:
        """The end of the sentence that has character ``at``, without the white space after it."""
        i = bisect_right(self.sentences, at)
        end = self.sentences[i] if i < len(self.sentences) else len(self.text)
        return at + len(self.text[at:end].rstrip())


def own_words(text: str, mention: Mention, inside: Iterable[Span]) -> Span | None:
    """The words of a mention that belong to no mention ``inside`` it: *father* in *her father*, *the boy* in *the boy
    who knew Tom*. None if there are none.
    """
    start, end = mention.start, mention.end
    for first, last in inside:
        if has_words(text[start:first]):
            end = first
            break
        start = max(start, last)
    if (
        mention.kind != PROP
        and (match := ENDS_A_HEAD.search(text, start, end))
        and has_words(text[start : match.start()])
    ):
        end = match.start()
    if match := POSSESSIVE.match(text, start, end):
        start = match.end()
    words = text[start:end].strip(AROUND)
    if words[:1] not in SINGLE_QUOTES:  # which the last mark would close
        words = POSSESSIVE_END.sub("", words)
    start += text[start:end].find(words)
    return (start, start + len(words)) if has_words(words) and not JOINS.match(words) else None


def has_words(text: str) -> bool:
    return bool(re.search(r"[^\W\d_]", POSSESSIVE.sub("", text)))
