"""Cases from annotated coreference: what the converters of all annotated corpora share.

A document says which of its mentions mean the same. Three tasks keep its sentences as they are and have no
counterfactual: *he or she* (the pronoun is the answer), *pronoun read* (the pronoun is read, and a question after its
sentence asks whom it means, so that heads can be measured at site P), and *name again*. Where a text allows it, the
tasks of ``data.cases.mine`` are made as well, in which two names are exchanged throughout.

A candidate is a person of the annotation: gold are the names and nouns that mean whom the answer means, each without
the mentions of others inside it (*father* in *her father*); its pronouns are the ``chain``.
"""

import json
import re
import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from common.errors import InputError
from data.cases.case import Case, Span, Spans
from data.cases.files import OWN_SPLITS, deal
from data.cases.mine import (
    AFTER_PRONOUNS,
    ANSWER,
    FOILS,
    GOLD,
    HE_OR_SHE,
    OTHER,
    REPEATED_NAME,
    Find,
    Segment,
    balance,
    write_pair,
)
from data.cases.names import People

PRONOUN, READ, NAME = "annotated_he_or_she", "annotated_pronoun_read", "annotated_name_again"
PROP, NOM, PRON = "PROP", "NOM", "PRON"
PERSON = "PER"
WINDOW = 120  # words of an excerpt, at most: most of them fit into a block of 256 tokens of a small vocabulary
# Most sentences ask nothing; this does. It names the pronoun, as it stands, because "means" fits no possessive.
QUESTION = ' Here "{pronoun}" refers to {article}{answer}.'
LONGEST_ANSWER = 5  # words of a candidate that the question can name
WORD, SPACE = re.compile(r"\S+"), re.compile(r"\s+")
ARTICLE = re.compile(r"^(?:the|a|an|this|that)\s+", re.IGNORECASE)
ENDS_A_HEAD = re.compile(r"[,;:]|\b(?:who|whom|whose|which|that)\b")
POSSESSIVE = re.compile(r"\s*['’]s\b")  # left of a mention inside
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
    """A text, the characters at which its sentences begin, and its mentions."""

    name: str
    text: str
    sentences: Sequence[int]
    mentions: Sequence[Mention]


class Person(NamedTuple):
    """A mention of a person whose gender may be known: "she", "he" or "". ``start``, ``end``: its own words only."""

    start: int
    end: int
    entity: str
    kind: str
    gender: str


class Reader:
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

    def inside(self, mention: Mention) -> list[Span]:
        """The mentions, of anything, within another."""
        first, after = (bisect_left(self.starts, at) for at in (mention.start, mention.end))
        others = self.mentions[first:after]
        size = mention.end - mention.start
        return [(one.start, one.end) for one in others if one.end <= mention.end and one.end - one.start < size]

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

    def excerpt_start(self, at: int, not_before: int = 0) -> int:
        """Where the excerpt before character ``at`` begins: with the first sentence that is no more than ``window``
        words back and not before ``not_before``; with a word, where no sentence begins there.
        """
        k = bisect_left(self.words, at)
        first = max(self.words[max(0, k - self.window)], not_before) if self.words else 0
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
        return len(self.text[:end].rstrip())


def own_words(text: str, mention: Mention, inside: Sequence[Span]) -> Span | None:
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
    start += text[start:end].find(words)
    return (start, start + len(words)) if has_words(words) else None


def has_words(text: str) -> bool:
    return bool(re.search(r"[^\W\d_]", POSSESSIVE.sub("", text)))


@dataclass(frozen=True)
class Candidates:
    """The persons of an excerpt that begins at character ``start``, before one of whom the answer means.

    ``gold``, ``rivals``: mentions by names and nouns; ``chain``: gold's pronouns; ``last_pronoun``: the last mention of
    the candidate whom the last pronoun speaks for.
    """

    reader: Reader
    start: int
    gold: Sequence[Person]
    rivals: Sequence[Person]
    chain: Sequence[Person] = ()
    last_pronoun: Person | None = None

    def span(self, person: Person) -> Span:
        """In bytes of the excerpt."""
        text = self.reader.text
        first = len(text[self.start : person.start].encode())
        return first, first + len(text[person.start : person.end].encode())

    def case(self, task: str, asked: Person, text: str, answer: Span, foil: str, pronoun: Span | None = None) -> Case:
        """The excerpt ``text`` as a case about the mention ``asked``."""
        document = self.reader.document
        return Case(
            id=f"{task}-{document.name}-{asked.start}",
            text=text,
            task=task,
            template=document.name,
            split="",
            spans=Spans(
                gold=tuple(map(self.span, self.gold)),
                distractors=tuple(map(self.span, self.rivals)),
                answer=answer,
                pronoun=pronoun,
                last_pronoun=self.span(self.last_pronoun) if self.last_pronoun else None,
                chain=tuple(map(self.span, self.chain)),
            ),
            foil=foil,
            entities=tuple(f"{document.name}/{person.entity}" for person in (self.gold[0], *self.rivals)),
        )


def by_gender(reader: Reader, pronoun: Person) -> Candidates | None:
    """Whom a *he* or *she* may mean: its entity, and all persons of the other gender; None without both.

    The last pronoun speaks for gold if it has gold's gender, whoever it means.
    """
    meant = reader.gender_of_word(pronoun)
    start = reader.excerpt_start(pronoun.start)
    before = reader.before(pronoun.start, start)
    gold = [person for person in before if person.entity == pronoun.entity]
    named = [person for person in gold if person.kind != PRON]
    rivals = [person for person in before if person.kind != PRON and person.gender not in ("", meant)]
    if pronoun.gender != meant or not named or not rivals:
        return None
    genders = [gender for person in before if (gender := reader.gender_of_word(person))]
    last = (named[-1] if genders[-1] == meant else rivals[-1]) if genders else None
    return Candidates(reader, start, named, rivals, [person for person in gold if person.kind == PRON], last)


def he_or_she(reader: Reader) -> Iterator[Case]:
    """The narrator's and the speakers' *he* and *she*; and each again as a pronoun that is read."""
    for pronoun in reader.persons:
        word = reader.words_of(pronoun)
        if pronoun.kind != PRON or word not in FOILS or not (found := by_gender(reader, pronoun)):
            continue
        text = reader.text[found.start : reader.word_end(pronoun.end)]
        yield found.case(PRONOUN, pronoun, text, found.span(pronoun), FOILS[word], found.span(pronoun))
        answer, foil = (candidate_name(reader, persons) for persons in (found.gold, found.rivals))
        if answer and foil and answer.lower() != foil.lower():
            begun = reader.text[found.start : reader.sentence_end(pronoun.start)]
            text, end = ask(begun, word, answer)
            yield found.case(READ, pronoun, text, end, foil, found.span(pronoun))


def ask(begun: str, pronoun: str, answer: str, article: str = "") -> tuple[str, Span]:
    """``begun`` with the question whom its pronoun means, and the answer's bytes; ``article`` stands before it."""
    text = begun + QUESTION.format(pronoun=pronoun, article=article, answer=answer)
    end = len(text.encode()) - len(".")
    return text, (end - len(answer.encode()), end)


def candidate_name(reader: Reader, persons: Sequence[Person]) -> str:
    """The last name of several mentions, or else the last noun with an article; "" where all are too long."""
    for kind, article in ((PROP, ""), (NOM, "the ")):
        for person in reversed(persons):
            words = SPACE.sub(" ", reader.words_of(person))
            if person.kind == kind and words.count(" ") < LONGEST_ANSWER:
                return article + ARTICLE.sub("", words) if article else words
    return ""


def names_again(reader: Reader) -> Iterator[Case]:
    """Names of persons that were named before, after another person was, too; the foil is the other's last name."""
    for name in reader.persons:
        if name.kind != PROP:
            continue
        start = reader.excerpt_start(name.start)
        before = reader.before(name.start, start)
        gold = [person for person in before if person.kind == PROP and person.entity == name.entity]
        rivals = [person for person in before if person.kind == PROP and person.entity != name.entity]
        word = reader.words_of(name)
        foils = [other for person in rivals if (other := reader.words_of(person)) != word]
        if not gold or not foils:
            continue
        meant = [person.entity for person in before if reader.gender_of_word(person)]
        last = [person for person in (*gold, *rivals) if meant and person.entity == meant[-1]]
        found = Candidates(reader, start, gold, rivals, last_pronoun=last[-1] if last else None)
        text = reader.text[start : reader.word_end(name.end)]
        yield found.case(NAME, name, text, found.span(name), SPACE.sub(" ", foils[-1]))


def couple_before(reader: Reader, asked: Person) -> tuple[int, list[Person], Person] | None:
    """The longest excerpt before ``asked`` in which its entity and one other person are referred to by names and
    pronouns alone: its start, its mentions, and a name of the other. None if they are not both named there.

    For a pronoun, nobody else of known gender is there; for a name, nobody else is named.
    """
    other, not_before, at = "", 0, bisect_left(reader.persons, asked)
    for person in reversed(reader.persons[:at]):
        if person.entity != asked.entity and (person.gender if asked.kind == PRON else person.kind == PROP):
            other = other or person.entity
            if person.entity != other:
                not_before = person.end
                break
        if person.entity in (asked.entity, other) and person.kind == NOM:
            not_before = person.end
            break
    start = reader.excerpt_start(asked.start, not_before)
    before = reader.before(asked.start, start)
    if any(person.entity in (asked.entity, other) and person.kind == NOM for person in before):
        return None
    named = {person.entity: person for person in before if person.kind == PROP}
    return (start, before, named[other]) if asked.entity in named and other in named else None


def exchanged(reader: Reader) -> Iterator[Find]:
    """*he*, *she* and names in excerpts in which both candidates are referred to by names and pronouns alone, and the
    pronouns permit that these names are exchanged throughout.
    """
    for asked in reader.persons:
        word = reader.words_of(asked)
        if (asked.kind != PROP and word not in FOILS) or not (couple := couple_before(reader, asked)):
            continue
        start, before, other = couple
        named = [person for person in before if person.kind == PROP and person.entity in (asked.entity, other.entity)]
        own = next(person for person in reversed(named) if person.entity == asked.entity)
        genders = [gender for person in before if (gender := reader.gender_of_word(person))]
        differ = {own.gender, other.gender} == {"she", "he"}
        if asked.kind == PROP and genders and own.gender != other.gender:
            continue
        if asked.kind == PRON and not differ:
            continue
        forms = [SPACE.sub(" ", reader.words_of(person)) for person in (own, other)]
        new = dict(zip((asked.entity, other.entity), forms[::-1], strict=True))
        parts = [
            Segment(p.start, p.end, (reader.words_of(p), new[p.entity]), GOLD if p.entity == asked.entity else OTHER)
            for p in named
        ]
        foil = FOILS[word] if asked.kind == PRON else new[asked.entity]
        parts.append(Segment(asked.start, asked.end, (word, foil), ANSWER))
        if word == foil or left_over(reader.text, start, parts):
            continue
        end = reader.word_end(asked.end)
        if asked.kind == PROP:
            yield Find(REPEATED_NAME, start, end, tuple(parts))
            continue
        meant = reader.gender_of_word(asked)
        last = (GOLD if genders[-1] == meant else OTHER) if genders else None
        yield Find(AFTER_PRONOUNS if genders else HE_OR_SHE, start, end, tuple(parts), last)


def left_over(text: str, start: int, parts: Sequence[Segment]) -> bool:
    """Whether the two names share a word, or one of their words stands outside them, where no exchange reaches it."""
    gold, other = (
        {word for part in parts if part.role == role for word in part.texts[0].split()} for role in (GOLD, OTHER)
    )
    bounds = [start, *(edge for part in parts for edge in (part.start, part.end))]
    rest = " ".join(text[begin:end] for begin, end in zip(bounds[::2], bounds[1::2], strict=False))
    return bool(gold & other) or bool({*re.findall(r"[^\W\d_]+", rest)} & {word.strip(".") for word in gold | other})


def cases_of(documents: Sequence[Document], language: str | None = "en", window: int = WINDOW) -> list[Case]:
    """All cases of some documents, in splits: those without counterfactual as the text has them, exchanged ones
    balanced as mined ones are.
    """
    people = People(language)
    plain: list[Case] = []
    pairs: list[Case] = []
    nearest: dict[str, bool] = {}
    for document in documents:
        reader = Reader(document, people, window)
        plain += [*he_or_she(reader), *names_again(reader)]
        for find in exchanged(reader):
            pair = write_pair(reader.text, find, document.name, f"{document.name}-{find.start}")
            pairs += pair
            nearest |= {case.id: find.nearest_is_right for case in pair}
    return deal(plain) + balance(deal(pairs), nearest, most=None)


def describe(cases: Sequence[Case]) -> str:
    """For each task how many cases it has, and how often a simple rule chooses the right candidate."""
    lines = []
    for task in dict.fromkeys(case.task for case in cases):
        own = [case for case in cases if case.task == task]
        rules = [name for name in RULES if name != LAST or any(case.spans.last_pronoun for case in own)]
        shares = ", ".join(f"{name} {RULES[name](own):.1%}" for name in rules)
        n = Counter(case.split for case in own)
        splits = ", ".join(f"{n[split]} in {split}" for split in OWN_SPLITS if n[split])
        templates = f"{len({case.template for case in own})} templates" + (f" ({splits})" if splits else "")
        lines.append(f"{task}: {len(own)} cases of {templates}; {shares}")
    return "\n".join(lines) or "no cases were found"


def share(right: Callable[[Spans], float]) -> Callable[[Sequence[Case]], float]:
    return lambda cases: sum(right(case.spans) for case in cases) / len(cases)


def by_last_pronoun(spans: Spans) -> float:
    """1 where it speaks for gold; 1/2 where there is none, as for the baseline of this name."""
    return 0.5 if spans.last_pronoun is None else float(spans.last_pronoun in spans.gold)


LAST = "last pronoun"
RULES = {
    "nearest": share(lambda spans: max(spans.gold) > max(spans.distractors)),
    "first": share(lambda spans: min(spans.gold) < min(spans.distractors)),
    LAST: share(by_last_pronoun),
}


def write_cases(cases: Sequence[Case]) -> None:
    """The cases to standard output, one JSON object a line, and what they are to standard error. Raises InputError
    where two have one id, as of a file that is given twice.
    """
    if twice := [name for name, n in Counter(case.id for case in cases).items() if n > 1]:
        raise InputError(f"{twice[0]!r} stands twice among the cases; give each file and each document once")
    for case in cases:
        print(json.dumps({key: value for key, value in case.to_json().items() if value}, ensure_ascii=False))
    sys.stdout.flush()
    print(describe(cases), file=sys.stderr)
