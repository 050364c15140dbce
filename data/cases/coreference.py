"""Cases from annotated coreference, by the same rules for all annotated corpora.

A document says which of its mentions mean the same. Three tasks keep its sentences as they are and have no
counterfactual: *he or she* (the pronoun is the answer), *pronoun read* (the pronoun is read, and a question after its
sentence asks whom it means, so that heads can be measured at site P), and *name again*. Where a text allows it, the
tasks of ``data.cases.references`` are made as well, in which two names are exchanged throughout.

A candidate is a person of the annotation: gold are the names and nouns that mean whom the answer means, each without
the mentions of others inside it (*father* in *her father*); its pronouns are the ``chain``.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from data.cases.annotated import NOM, PRON, PROP, WINDOW, AnnotatedText, Document, Person
from data.cases.case import Case, Span, Spans
from data.cases.converters import ask
from data.cases.exchanged import (
    AFTER_PRONOUNS,
    GOLD,
    HE_OR_SHE,
    OTHER,
    REPEATED_NAME,
    Find,
    Pair,
    Segment,
    answer_segment,
    balance,
    deal_pairs,
    write_pair,
)
from data.cases.names import SPACE
from data.cases.splits import deal
from data.languages import load_language

PRONOUN, READ, NAME = "annotated_he_or_she", "annotated_pronoun_read", "annotated_name_again"
LONGEST_ANSWER = 5  # words of a candidate that the question can name
ARTICLE = re.compile(r"^(?:the|a|an|this|that)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Candidates:
    """The persons of an excerpt that begins at character ``start``, before one of whom the answer means.

    ``gold``, ``rivals``: mentions by names and nouns; ``chain``: gold's pronouns; ``last_pronoun``: the last mention of
    the candidate whom the last pronoun speaks for.
    """

    annotated: AnnotatedText
    start: int
    gold: Sequence[Person]
    rivals: Sequence[Person]
    chain: Sequence[Person] = ()
    last_pronoun: Person | None = None

    def span(self, person: Person) -> Span:
        """In bytes of the excerpt."""
        text = self.annotated.text
        first = len(text[self.start : person.start].encode())
        return first, first + len(text[person.start : person.end].encode())

    def with_later(self, start: int, end: int) -> "Candidates":
        """With what means the same persons in characters ``start`` to ``end``, too."""
        later = self.annotated.before(end, start)
        named = [person for person in later if person.kind != PRON]
        meant, others = self.gold[0].entity, {person.entity for person in self.rivals}
        return replace(
            self,
            gold=[*self.gold, *(person for person in named if person.entity == meant)],
            rivals=[*self.rivals, *(person for person in named if person.entity in others)],
            chain=[*self.chain, *(person for person in later if person.kind == PRON and person.entity == meant)],
        )

    def case(self, task: str, asked: Person, text: str, answer: Span, foil: str, pronoun: Span | None = None) -> Case:
        """The excerpt ``text`` as a case about the mention ``asked``."""
        document = self.annotated.document
        return Case(
            id=f"{task}-{document.name}-{asked.start}",
            text=text,
            task=task,
            template=document.cluster,
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


def by_gender(annotated: AnnotatedText, pronoun: Person) -> Candidates | None:
    """Whom a *he* or *she* may mean: its entity, and all persons of the other gender; None without both.

    The last pronoun speaks for gold if it has gold's gender, whoever it means.
    """
    meant = annotated.gender_of_word(pronoun)
    start = annotated.excerpt_start(pronoun.start)
    before = annotated.before(pronoun.start, start)
    gold = [person for person in before if person.entity == pronoun.entity]
    named = [person for person in gold if person.kind != PRON]
    rivals = [person for person in before if person.kind != PRON and person.gender not in ("", meant)]
    if pronoun.gender != meant or not named or not rivals:
        return None
    genders = [gender for person in before if (gender := annotated.gender_of_word(person))]
    last = (named[-1] if genders[-1] == meant else rivals[-1]) if genders else None
    return Candidates(annotated, start, named, rivals, [person for person in gold if person.kind == PRON], last)


def he_or_she(annotated: AnnotatedText) -> Iterator[Case]:
    """The narrator's and the speakers' *he* and *she*; and each again as a pronoun that is read."""
    foils = annotated.people.foils
    for pronoun in annotated.persons:
        word = annotated.words_of(pronoun)
        if pronoun.kind != PRON or word not in foils or not (found := by_gender(annotated, pronoun)):
            continue
        text = annotated.text[found.start : annotated.word_end(pronoun.end)]
        yield found.case(PRONOUN, pronoun, text, found.span(pronoun), foils[word], found.span(pronoun))
        answer, foil = (candidate_name(annotated, persons) for persons in (found.gold, found.rivals))
        if answer and foil and answer.lower() != foil.lower():
            end = annotated.sentence_end(pronoun.start)
            text, asked = ask(annotated.text[found.start : end], word, answer)
            yield found.with_later(pronoun.end, end).case(READ, pronoun, text, asked, foil, found.span(pronoun))


def candidate_name(annotated: AnnotatedText, persons: Sequence[Person]) -> str:
    """The last name of several mentions, or else the last noun with an article; "" where all are too long."""
    for kind, article in ((PROP, ""), (NOM, "the ")):
        for person in reversed(persons):
            words = SPACE.sub(" ", annotated.words_of(person))
            if person.kind == kind and words.count(" ") < LONGEST_ANSWER:
                return article + ARTICLE.sub("", words) if article else words
    return ""


def names_again(annotated: AnnotatedText) -> Iterator[Case]:
    """Names of persons that were named before, after another person was, too; the foil is the other's last name."""
    for name in annotated.persons:
        if name.kind != PROP:
            continue
        start = annotated.excerpt_start(name.start)
        before = annotated.before(name.start, start)
        gold = [person for person in before if person.kind == PROP and person.entity == name.entity]
        rivals = [person for person in before if person.kind == PROP and person.entity != name.entity]
        word = SPACE.sub(" ", annotated.words_of(name))  # as foils are: a line break would show it
        foils = [other for person in rivals if (other := SPACE.sub(" ", annotated.words_of(person))) != word]
        if not gold or not foils:
            continue
        meant = [person.entity for person in before if annotated.gender_of_word(person)]
        last = [person for person in (*gold, *rivals) if meant and person.entity == meant[-1]]
        found = Candidates(annotated, start, gold, rivals, last_pronoun=last[-1] if last else None)
        begun, rest = annotated.text[start : name.start], annotated.text[name.end : annotated.word_end(name.end)]
        answer = len(begun.encode()), len((begun + word).encode())
        yield found.case(NAME, name, begun + word + rest, answer, foils[-1])


def couple_before(annotated: AnnotatedText, asked: Person) -> tuple[int, list[Person], Person] | None:
    """The longest excerpt before ``asked`` in which its entity and one other person are referred to by names and
    pronouns alone: its start, its mentions, and a name of the other. None if they are not both named there.

    For a pronoun, nobody else of known gender is there; for a name, nobody else is named.
    """
    other, not_before, persons = "", 0, annotated.persons
    first, at = (bisect_left(persons, one) for one in ((annotated.window_start(asked.start),), asked))
    for person in reversed(persons[max(0, first - 1) : at]):  # the first may reach into the window
        if person.entity != asked.entity and (person.gender if asked.kind == PRON else person.kind == PROP):
            other = other or person.entity
            if person.entity != other:
                not_before = person.end
                break
        if person.entity in (asked.entity, other) and person.kind == NOM:
            not_before = person.end
            break
    start = annotated.excerpt_start(asked.start, not_before)
    before = annotated.before(asked.start, start)
    if any(person.entity in (asked.entity, other) and person.kind == NOM for person in before):
        return None
    named = {person.entity: person for person in before if person.kind == PROP}
    return (start, before, named[other]) if asked.entity in named and other in named else None


def exchanged(annotated: AnnotatedText) -> Iterator[Find]:
    """*he*, *she* and names in excerpts in which both candidates are referred to by names and pronouns alone, and the
    pronouns permit that these names are exchanged throughout.
    """
    foils = annotated.people.foils
    for asked in annotated.persons:
        word = annotated.words_of(asked)
        if (asked.kind != PROP and word not in foils) or not (couple := couple_before(annotated, asked)):
            continue
        start, before, other = couple
        named = [person for person in before if person.kind == PROP and person.entity in (asked.entity, other.entity)]
        own = next(person for person in reversed(named) if person.entity == asked.entity)
        genders = [gender for person in before if (gender := annotated.gender_of_word(person))]
        differ = {own.gender, other.gender} == {"she", "he"}
        if asked.kind == PROP and genders and own.gender != other.gender:
            continue
        if asked.kind == PRON and not differ:
            continue
        forms = [SPACE.sub(" ", annotated.words_of(person)) for person in (own, other)]
        new = dict(zip((asked.entity, other.entity), forms[::-1], strict=True))
        parts = [
            Segment(p.start, p.end, (annotated.words_of(p), new[p.entity]), GOLD if p.entity == asked.entity else OTHER)
            for p in named
        ]
        foil = foils[word] if asked.kind == PRON else new[asked.entity]
        answer = answer_segment(annotated.text, asked.start, asked.end, foil)
        parts.append(answer)
        if answer.texts[0] == foil or left_over(annotated.text, start, parts):
            continue
        end = annotated.word_end(asked.end)
        if asked.kind == PROP:
            yield Find(REPEATED_NAME, start, end, tuple(parts))
            continue
        meant = annotated.gender_of_word(asked)
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


def cases_of(documents: Sequence[Document], window: int = WINDOW) -> list[Case]:
    """All cases of some documents, in splits: those without counterfactual as the text has them, exchanged ones
    balanced as mined ones are.
    """
    people = load_language("en").people
    plain: list[Case] = []
    pairs: list[Pair] = []
    for number, document in enumerate(documents):
        annotated = AnnotatedText(document, people, window)
        plain += [*he_or_she(annotated), *names_again(annotated)]
        for find in exchanged(annotated):
            cases = write_pair(annotated.text, find, document.cluster, f"{document.name}-{find.start}")
            pairs.append(Pair(number, find, cases))
    return deal(plain) + balance(deal_pairs(pairs), most=None)
