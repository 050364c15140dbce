"""Excerpts in which two names are exchanged: each beside its counterfactual, the same text with both names exchanged
throughout, so that the more frequent name is right in exactly one of them.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from data.cases.case import Case, Span, Spans
from data.cases.names import SPACE
from data.cases.splits import OWN_SPLITS, deal

REPEATED_NAME, HE_OR_SHE, AFTER_PRONOUNS, REPEATED_WORD = (
    "repeated_name",
    "he_or_she",
    "he_or_she_after_pronouns",
    "repeated_word",
)
GOLD, OTHER, ANSWER = 0, 1, 2
EXCHANGED = "exchanged"


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
    def people(self) -> tuple[str, str]:
        """Whom gold and whom the other candidate mean in the text as it stands, each by its last mention: a name may
        have several forms, which are one candidate.
        """
        last = {one.role: SPACE.sub(" ", one.texts[0]).lower() for one in self.segments}
        return last[GOLD], last[OTHER]

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


def answer_segment(text: str, start: int, end: int, foil: str) -> Segment:
    """The answer, with single spaces as the foil has them: otherwise a line break would show which is right."""
    return Segment(start, end, (SPACE.sub(" ", text[start:end]), foil), ANSWER)


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
    meant = find.people if version == 0 else find.people[::-1]
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
        entities=(meant[GOLD], *(meant[OTHER] for _ in spans[OTHER])),
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
