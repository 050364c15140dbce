"""Cases from any text: ``python -m data.cases.mine TEXT... > cases.jsonl``. TEXT: files, folders or globs.

A *repeated name* (which of two names comes again?), *he or she* after one man's and one woman's name, and, for texts
with few names, a *repeated word*. Each case stands beside its counterfactual, the same excerpt with the two names
exchanged throughout, so that the more frequent name is right in exactly one of them. Cases are left out until the
candidate that is mentioned last is right in exactly one half. docs/your-own-sentences.md describes the file.
"""

import argparse
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.errors import InputError, NoTextError
from common.one_line import run
from data.cases.case import Case, Span, Spans
from data.cases.converters import add_window, count, print_cases
from data.cases.names import SPACE, Name, Names, Words, cut_words
from data.cases.splits import OWN_SPLITS, deal
from data.languages import People, load_language
from data.text.corpora import Files
from data.text.files import Counts
from data.text.finding import KNOWN, find_files
from data.text.tokenizers import Tokenizer

REPEATED_NAME, HE_OR_SHE, AFTER_PRONOUNS, REPEATED_WORD = (
    "repeated_name",
    "he_or_she",
    "he_or_she_after_pronouns",
    "repeated_word",
)
TASKS = (REPEATED_NAME, HE_OR_SHE, AFTER_PRONOUNS, REPEATED_WORD)
QUESTIONS = {
    REPEATED_NAME: "which of two names comes again",
    HE_OR_SHE: "whether he or she comes after a man's and a woman's name",
    AFTER_PRONOUNS: "the same, where other pronouns stand between",
    REPEATED_WORD: "which of two words comes again",
}
GOLD, OTHER, ANSWER = 0, 1, 2
WINDOW = 100  # words and punctuation marks of an excerpt, at most
FITTING = 0.8  # of the words that a block of tokens holds on average: names are spelled in more tokens than other words
PRONOUN_WINDOW = 60  # in which exactly one man and one woman are named
FEW_NAMES = 50  # cases; with fewer of them repeated words are mined, too
FEWEST_DOCUMENTS = 20  # for documents to be clusters, half of them in each split; else parts of them are
PART, PARTS = 20_000, 40  # characters, about a chapter; of a shorter text a PARTS-th
RARE = 1 / 1_000  # a word that is more frequent says little of what a text is about
MATCHED = 1.5  # two words' frequencies differ by this factor at most
FEW = 5  # times are never too many
SHORTEST_WORD = 4  # letters
MOST_TOKENS = 2_000_000  # of a text given as ids: takes ten seconds, finds many times the cases asked for
EXCHANGED = "exchanged"
CACHE = Path("cache")  # of train.py, by default: what it has downloaded is no text of the user's own


class Segment(NamedTuple):
    """Characters ``start`` to ``end`` of a document: what stands there, and what does after the exchange."""

    start: int
    end: int
    texts: tuple[str, str]
    role: int  # GOLD, OTHER, or ANSWER


class Find(NamedTuple):
    """An excerpt, characters ``start`` to ``end``, in which all ``segments`` are exchanged; the answer is the last one.

    ``last_pronoun``: whom the pronoun before the answer means if its gender decides, GOLD or OTHER; None without one.
    """

    task: str
    start: int
    end: int
    segments: tuple[Segment, ...]
    last_pronoun: int | None = None

    @property
    def nearest_is_right(self) -> bool:
        return self.segments[-2].role == GOLD


class Pair(NamedTuple):
    """A find in the document of this number, and its two cases: as the text has it, and with the names exchanged."""

    document: int
    find: Find
    cases: tuple[Case, Case]

    @property
    def split(self) -> str:
        return self.cases[0].split


def segment(document: Words, first: int, end: int, other: str, role: int) -> Segment:
    """Words ``first`` to ``end``, which become ``other`` in the counterfactual."""
    start, stop = document.starts[first], document.ends[end - 1]
    return Segment(start, stop, (document.text[start:stop], other), role)


def answer_segment(text: str, start: int, end: int, foil: str) -> Segment:
    """The answer, with single spaces as the foil has them: otherwise a line break would show which is right."""
    return Segment(start, end, (SPACE.sub(" ", text[start:end]), foil), ANSWER)


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
    rare = {word: n for word, n in names.lower.items() if len(word) >= SHORTEST_WORD and n <= most}
    words = document.words
    for i in range(len(words) - 1):
        word, first = words[i], max(0, i - window)
        if word not in rare or word not in words[first:i]:
            continue
        start = document.sentence_from(first)
        start = start if word in words[start:i] else first
        others = {
            other: (other[-2:] != word[-2:], ratio(rare[other], rare[word]), other)
            for other in words[start:i]
            if other in rare and other != word
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


@dataclass(frozen=True)
class Mined:
    """``cases``, each beside its counterfactual, and for each task how many references there were before the balance:
    all, those whose nearest candidate is right, and those in which the last pronoun has the gender of what is meant.
    """

    cases: list[Case]
    found: dict[str, tuple[int, int, int]]


class Miner:
    """Finds references in documents, whose names are known by how they are written in all of them.

    ``language``: whose words about people are used, or None (see `People`). ``window``: words of an excerpt, at most.
    """

    def __init__(self, documents: Sequence[str], language: str | None = "en", window: int = WINDOW) -> None:
        people = load_language(language).people if language else People({})
        self.window = window
        self.documents = [cut_words(text, people.titles) for text in documents]
        self.names = Names(self.documents, people)

    def finds(self) -> Iterator[tuple[int, Find]]:
        """Every find with the number of its document; repeated words only where names are few."""
        found = list(self.finds_by(repeated_names, he_or_she))
        yield from found
        if sum(find.task == REPEATED_NAME for _, find in found) < FEW_NAMES:
            yield from self.finds_by(repeated_words)

    def finds_by(self, *ways: Callable[[Words, Names, int], Iterator[Find]]) -> Iterator[tuple[int, Find]]:
        for way in ways:
            for number, document in enumerate(self.documents):
                for find in way(document, self.names, self.window):
                    yield number, find

    def mine(self, most: int | None = None) -> Mined:
        """All finds as balanced cases; ``most``: references of each task and split, evenly over the text."""
        found = list(self.finds())
        parts = len({number for number, _ in found}) < FEWEST_DOCUMENTS
        length = 1 + min(PART, sum(len(document.text) for document in self.documents) // PARTS)
        pairs = []
        for number, find in found:
            cluster = f"document {number + 1}" + (f", part {find.start // length + 1}" if parts else "")
            cases = write_pair(self.documents[number].text, find, cluster, f"{number + 1}-{find.start}")
            pairs.append(Pair(number, find, cases))
        tallies = {}
        for task in TASKS:
            own = [find for _, find in found if find.task == task]
            if own:
                last = sum(find.last_pronoun == GOLD for find in own)
                tallies[task] = (len(own), sum(find.nearest_is_right for find in own), last)
        dealt = deal_pairs(pairs)
        return Mined(balance(apart(dealt) if parts else dealt, most), tallies)


def write_pair(text: str, find: Find, cluster: str, where: str) -> tuple[Case, Case]:
    """The excerpt as it stands, and with all of its segments exchanged."""
    answer = find.segments[-1]
    name = f"{find.task}-{where}-{answer.start - find.start}"
    names = (name, f"{name}-exchanged")
    return write_case(text, find, 0, names, cluster), write_case(text, find, 1, names, cluster)


def write_case(text: str, find: Find, version: int, names: Sequence[str], cluster: str) -> Case:
    """The excerpt (``version`` 0) or its counterfactual (1), with offsets in bytes."""
    raw, at = b"", find.start
    spans: dict[int, list[Span]] = {GOLD: [], OTHER: [], ANSWER: []}
    for one in find.segments:
        raw += text[at : one.start].encode()
        word = one.texts[version].encode()
        spans[one.role].append((len(raw), len(raw) + len(word)))
        raw, at = raw + word, one.end
    raw += text[at : find.end].encode()
    (answer,) = spans[ANSWER]
    return Case(
        id=names[version],
        text=raw.decode(),
        task=find.task,
        template=cluster,
        split="",
        spans=Spans(
            gold=tuple(spans[GOLD]),
            distractors=tuple(spans[OTHER]),
            answer=answer,
            pronoun=answer if find.task in (HE_OR_SHE, AFTER_PRONOUNS) else None,
            last_pronoun=None if find.last_pronoun is None else spans[find.last_pronoun ^ version][-1],
        ),
        foil=find.segments[-1].texts[1 - version],
        counterfactual=names[1 - version],
        counterfactual_kind=EXCHANGED,
    )


def deal_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs, whose cases now have splits."""
    dealt = iter(deal([case for pair in pairs for case in pair.cases]))
    return [pair._replace(cases=(next(dealt), next(dealt))) for pair in pairs]


def apart(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs without those of *select* whose excerpt shares text with one of *report* in the same task, as the
    excerpts at the border of two parts do.
    """
    quoted: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for pair in pairs:
        if pair.split == OWN_SPLITS[1]:
            quoted.setdefault((pair.find.task, pair.document), []).append((pair.find.start, pair.find.end))
    longest = max((pair.find.end - pair.find.start for pair in pairs), default=0)
    for spans in quoted.values():
        spans.sort()

    def shared(document: int, find: Find) -> bool:
        spans = quoted.get((find.task, document), [])
        near = slice(bisect_left(spans, (find.start - longest,)), bisect_left(spans, (find.end,)))
        return any(end > find.start for _, end in spans[near])

    return [pair for pair in pairs if pair.split == OWN_SPLITS[1] or not shared(pair.document, pair.find)]


def balance(pairs: Sequence[Pair], most: int | None) -> list[Case]:
    """The cases, in order, of as many pairs of each task and split whose nearest candidate is right as others, spread
    evenly over the text. ``most``: pairs of a task and split.
    """
    groups: dict[tuple[str, str], dict[bool, list[int]]] = {}
    for i, pair in enumerate(pairs):
        sides = groups.setdefault((pair.find.task, pair.split), {True: [], False: []})
        sides[pair.find.nearest_is_right].append(i)
    kept = []
    for sides in groups.values():
        n = min(map(len, sides.values()))
        n = n if most is None else min(n, most // 2)
        kept += [side[len(side) * k // n] for side in sides.values() for k in range(n)]
    return [case for i in sorted(kept) for case in pairs[i].cases]


def mine_tokens(
    tokens: np.ndarray, tokenizer: Tokenizer, block_size: int, language: str | None = "en", most: int | None = None
) -> Mined:
    """Mines the first MOST_TOKENS of a text that is kept as ids [n], such as a run's validation split, in which the end
    token ends documents.

    Excerpts are as long as most of them may be to fit into ``block_size`` tokens.
    """
    tokens = tokens[:MOST_TOKENS]
    documents = [tokenizer.decode(part) for part in np.split(tokens, np.flatnonzero(tokens == tokenizer.end) + 1)]
    miner = Miner(documents, language)
    fitting = round(FITTING * block_size * miner.names.n_words / max(1, len(tokens)))
    miner.window = min(WINDOW, fitting)
    return miner.mine(most)


def read_documents(paths: Sequence[str]) -> list[str]:
    """The documents of files, folders and globs, in sorted order, as training reads them; each file once."""
    documents, parts, counts, read = [], [], Counts(), set()
    for path in paths:
        files = [file for file in find_files(path, "TEXT", CACHE).files if file.resolve() not in read]
        read |= {file.resolve() for file in files}
        try:
            for piece in Files(path).documents(files, counts):
                parts.append(piece.text)
                if piece.ends_document:
                    documents.append("".join(parts))
                    parts.clear()
        except NoTextError as error:
            raise InputError(error.elsewhere) from None
    if counts.replaced:
        print(f"note: {counts.replaced:,} bytes were no UTF-8 and became U+FFFD", file=sys.stderr)
    return [document for document in documents if document]


def describe(mined: Mined) -> str:
    """How many references of each task were found, and how many are left once the nearest is right in one half."""
    lines = []
    for task, (n_found, nearest, last_pronoun) in mined.found.items():
        n = Counter(case.split for case in mined.cases if case.task == task)
        clusters = len({case.template for case in mined.cases if case.task == task})
        kept = ", ".join(f"{n[split] // 2} pairs in {split}" for split in OWN_SPLITS)
        pronoun = f", in {last_pronoun} the last pronoun has its gender" if task == AFTER_PRONOUNS else ""
        lines.append(
            f"{task}: {n_found} found, in {nearest} of them the nearest candidate is right{pronoun}; balanced: {kept}, "
            f"from {clusters} documents or parts"
        )
    return "\n".join(lines) or "no references were found"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.mine", description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", metavar="TEXT", help=f"a file, folder or glob ({KNOWN})")
    add_window(parser, WINDOW)
    parser.add_argument("--most", type=count, help="pairs of each task and split, at most (default: all)")
    arguments = parser.parse_args()
    mined = Miner(read_documents(arguments.texts), window=arguments.window).mine(arguments.most)
    print_cases(mined.cases)
    print(describe(mined), file=sys.stderr)


if __name__ == "__main__":
    run(main)
