"""References that need no annotation: a name that comes again, *he* or *she* after one man's and one woman's name, and
a word that comes again. Each is found with the mentions that its counterfactual exchanges.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from data.cases.exchanged import (
    AFTER_PRONOUNS,
    GOLD,
    HE_OR_SHE,
    OTHER,
    REPEATED_NAME,
    REPEATED_WORD,
    Find,
    Segment,
    answer_segment,
)
from data.cases.names import Name, Names, Words
from data.languages import People

PRONOUN_WINDOW = 60  # in which exactly one man and one woman are named
RARE = 1 / 1_000  # a word that is more frequent says little of what a text is about
MATCHED = 1.5  # two words' frequencies differ by this factor at most
FEW = 5  # times are never too many
SHORTEST_WORD = 4  # letters


def segment(document: Words, first: int, end: int, other: str, role: int) -> Segment:
    """Words ``first`` to ``end``, which become ``other`` in the counterfactual."""
    start, stop = document.starts[first], document.ends[end - 1]
    return Segment(start, stop, (document.text[start:stop], other), role)


def excerpt(document: Words, task: str, first: int, segments: Sequence[Segment], last: int) -> Find:
    """From word ``first`` to the one after the answer's ``last``, where answer and foil have surely parted."""
    return Find(task, document.starts[first], document.ends[last + 1], tuple(segments))


def repeated_names(document: Words, names: Names, window: int) -> Iterator[Find]:
    """Names that come again in an excerpt with exactly one other name; the excerpt begins after any third one."""
    found = list(names.find(document))
    for k, name in enumerate(found):
        first, other, j = max(0, name.first - window), None, k - 1
        while j >= 0 and found[j].first >= first:
            if found[j].form != name.form:
                if other and found[j].form != other.form:
                    first = found[j].end
                    break
                other = other or found[j]
            j -= 1
        start = document.sentence_from(first)
        mentions = [mention for mention in found[max(j, 0) : k] if mention.first >= start]
        if not other or {mention.form for mention in mentions} != {name.form, other.form}:
            continue
        both = {name.form: other.form, other.form: name.form}
        roles = {name.form: GOLD, other.form: OTHER}
        segments = [segment(document, m.first, m.end, both[m.form], roles[m.form]) for m in mentions]
        at, end = document.starts[name.first], document.ends[name.end - 1]
        segments.append(answer_segment(document.text, at, end, other.form))
        if (
            name.end < len(document.words)
            and may_be_exchanged(names, name, other)
            and (not genders_differ(name, other) or not gendered(document, names.people, start, name.first, mentions))
            and not left_over(document, start, name.end, [*mentions, name])
        ):
            yield excerpt(document, REPEATED_NAME, start, segments, name.end - 1)


def may_be_exchanged(names: Names, one: Name, other: Name) -> bool:
    """Whether two names seem to be of different bearers, and are of one kind: two persons or two places."""
    bare = [names.without_title(name.form.split(" ")) for name in (one, other)]
    related = any(word.startswith(own) or own.startswith(word) for own in bare[0] for word in bare[1])  # Kate, Kates
    apart = not related or genders_differ(one, other)
    return apart and (one.form in names.places) == (other.form in names.places)


def genders_differ(one: Name, other: Name) -> bool:
    return {one.gender, other.gender} == {"she", "he"}


def gendered(document: Words, people: People, start: int, end: int, names: Sequence[Name]) -> list[tuple[int, str]]:
    """Where words that say whether a woman or a man is meant stand outside ``names``, and which of the two."""
    inside = {i for name in names for i in range(name.first, name.end)}
    found = []
    for i in range(start, end):
        word = document.words[i].lower()
        gender = people.pronouns.get(word) or people.nouns.get(word)
        if gender and i not in inside:
            found.append((i, gender))
    return found


def left_over(document: Words, start: int, end: int, names: Sequence[Name]) -> bool:
    """Whether a word of the names stands outside of them, as in a heading, where no exchange would reach it."""
    inside = {i for name in names for i in range(name.first, name.end)}
    words = {document.words[i].lower() for i in inside} - {"."}
    return any(document.words[i].lower() in words for i in range(start, end) if i not in inside)


def he_or_she(document: Words, names: Names, window: int) -> Iterator[Find]:
    """*he* and *she* of the narrator after the names of exactly one man and one woman, and of nobody else."""
    people, found = names.people, list(names.find(document))
    firsts = [name.first for name in found]
    for i, word in enumerate(document.words[:-1]):
        if word not in people.foils or document.quoted[i]:
            continue
        first = max(0, i - min(window, PRONOUN_WINDOW))
        begin = document.sentence_before(first)
        start = begin if i - begin <= window else document.sentence_from(first)
        seen = found[bisect_left(firsts, min(start, first)) : bisect_left(firsts, i)]
        persons = [name for name in seen if name.gender or name.form not in names.places]
        couple = {gender: [name for name in persons if name.gender == gender] for gender in ("she", "he")}
        if not all(couple.values()) or not all(one_person(names, mentions) for mentions in couple.values()):
            continue
        meant = people.pronouns[word.lower()]
        if any(name.first < start or (not name.gender and name.first > couple[meant][-1].first) for name in persons):
            continue  # somebody of unknown gender was named since, and may be meant
        persons = [name for name in persons if name.gender]
        around = gendered(document, people, min(start, first), i, persons)
        introduced = couple[meant][0].first
        if (
            any(document.words[k].lower() in people.nouns and gender == meant for k, gender in around)
            or any(k < introduced and gender == meant for k, gender in around)  # then it means somebody else
            or left_over(document, start, i, persons)
        ):
            continue
        other_form = {"she": couple["he"][-1].form, "he": couple["she"][-1].form}
        segments = [
            segment(document, name.first, name.end, other_form[name.gender], GOLD if name.gender == meant else OTHER)
            for name in persons
        ]
        segments.append(answer_segment(document.text, document.starts[i], document.ends[i], people.foils[word]))
        before = [gender for k, gender in around if k >= start and document.words[k].lower() in people.pronouns]
        last = (GOLD if before[-1] == meant else OTHER) if before else None
        task = AFTER_PRONOUNS if before else HE_OR_SHE
        yield excerpt(document, task, start, segments, i)._replace(last_pronoun=last)


def one_person(names: Names, mentions: Sequence[Name]) -> bool:
    """Whether names of one gender can all mean one person: *Emma* and *Miss Emma Woodhouse*."""
    words = [set(names.without_title(name.form.split(" "))) for name in mentions]
    return all(own & max(words, key=len) for own in words)


def repeated_words(document: Words, names: Names, window: int) -> Iterator[Find]:
    """Words that come again in an excerpt with another word that is about as frequent in the text.

    The other word is the one that ends in the same two letters, if any does, and is nearest in frequency.
    """
    most = max(FEW, RARE * names.n_words)
    words, counts = document.words, names.lower

    def is_rare(word: str) -> bool:
        return len(word) >= SHORTEST_WORD and 0 < counts[word] <= most

    for i in range(len(words) - 1):
        word, first = words[i], max(0, i - window)
        if not is_rare(word) or word not in words[first:i]:
            continue
        start = document.sentence_from(first)
        start = start if word in words[start:i] else first
        others = {
            other: (other[-2:] != word[-2:], ratio(counts[other], counts[word]), other)
            for other in words[start:i]
            if is_rare(other) and other != word
        }
        other = min(others, key=lambda word: others[word], default=None)
        if other is None or others[other][1] > MATCHED:
            continue
        positions = [k for k in range(start, i) if words[k] in (word, other)]
        if any(words[k].lower() in (word, other) for k in range(start, i) if k not in positions):
            continue  # in capitals, where the exchange would not reach it
        roles, both = {word: GOLD, other: OTHER}, {word: other, other: word}
        segments = [segment(document, k, k + 1, both[words[k]], roles[words[k]]) for k in positions]
        segments.append(answer_segment(document.text, document.starts[i], document.ends[i], other))
        yield excerpt(document, REPEATED_WORD, start, segments, i)


def ratio(one: int, other: int) -> float:
    """Of two counts, the larger by the smaller."""
    return max(one, other) / min(one, other)
