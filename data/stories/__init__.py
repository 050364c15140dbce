"""Stories: a corpus in which one word of every story can only be known by resolving a reference.

Everything follows from a seed, on every platform: the training text and the annotated cases that probing measures.
``python -m data.stories --show FAMILY --n N`` prints some, ``--cases N --split SPLIT`` writes them as JSON lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from string import Formatter
from typing import Literal
from zlib import crc32

from data.cases import Case, Spans
from data.files import Piece
from data.stories.families import FAMILIES, Draw, Family, pick

SPLITS = ("train", "select", "report")
GRAMMAR_VERSION = 4


@dataclass(frozen=True)
class Stories:
    """The stories as a corpus: ``n_train`` to train on; ``n_val`` of the *select* split as its validation text."""

    name: Literal["stories"] = "stories"
    n_train: int = 40_000
    n_val: int = 1_000
    seed: int = 0
    families: tuple[str, ...] = tuple(FAMILIES)

    def __post_init__(self) -> None:
        check_families(self.families)
        if self.n_train < 1 or self.n_val < 1:
            raise ValueError(f"n_train={self.n_train} and n_val={self.n_val}: both must be at least 1")

    def fingerprint(self, cache: object) -> dict:
        settings = [self.n_train, self.n_val, self.seed, list(self.families)]
        return {"corpus": self.name, "grammar": GRAMMAR_VERSION, "settings": settings}

    def pieces(self, cache: object, replaced: object, total: object) -> Iterator[tuple[str, Piece]]:
        for label, split, n in (("train", "train", self.n_train), ("val", "select", self.n_val)):
            for story in write(split, n, self.seed, self.families):
                yield label, Piece(story, ends_document=True)

    def total_bytes(self, cache: object, progress: object) -> None:
        return None


def check_families(names: Sequence[str]) -> None:
    if not names:
        raise ValueError(f"families=[]: name at least one of {', '.join(FAMILIES)}")
    for name in names:
        if name not in FAMILIES:
            raise ValueError(f"unknown family of stories {name!r}; known are {', '.join(FAMILIES)}")


def write(split: str, n: int, seed: int, families: Sequence[str] = tuple(FAMILIES)) -> Iterator[str]:
    """n stories as plain text, their families drawn at random."""
    rng = Random(f"text {split} {seed}")
    for _ in range(n):
        family = FAMILIES[pick(rng, families)]
        draw, (opening, ending) = draw_pair(family, split, rng), draw_frame(family, split, rng)
        words = words_with_key(family, draw, gold=pick(rng, tuple(draw.keys)))
        yield (family.openings[opening] + family.endings[ending]).format_map(words)


def cases(split: str, n: int, seed: int, families: Sequence[str] = tuple(FAMILIES)) -> list[Case]:
    """n annotated stories of each family as n / 2 pairs of twins, next to each other; n must be even."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known are {', '.join(SPLITS)}")
    if n % 2 or n < 2:
        raise ValueError(f"{n} cases a family: must be an even number, because stories come with their twins")
    check_families(families)
    drawn = []
    for name in families:
        rng = Random(f"cases {split} {seed} {name}")
        for i in range(n // 2):
            drawn += draw_case(FAMILIES[name], split, rng, f"{name}-{split}-{seed}-{i}")
    return drawn


def draw_case(family: Family, split: str, rng: Random, id: str) -> tuple[Case, Case]:
    """One story and its twin. Gold is either candidate with equal chance, whatever its place."""
    draw = draw_pair(family, split, rng)
    opening, ending = draw_frame(family, split, rng)
    frame, template = f"{opening}-{ending}", family.openings[opening] + family.endings[ending]
    golds = list(draw.keys)
    rng.shuffle(golds)
    ids = (f"{id}a", f"{id}b")
    story, twin = (
        tell(family, frame, template, draw, gold, split, ids=own_and_other)
        for gold, own_and_other in zip(golds, (ids, ids[::-1]), strict=True)
    )
    return story, twin


def draw_pair(family: Family, split: str, rng: Random) -> Draw:
    while split_of_pair(draw := family.draw(rng)) != split:
        pass
    return draw


def words_with_key(family: Family, draw: Draw, gold: str) -> dict[str, str]:
    """What fills every slot when the story means the candidate in slot ``gold``."""
    return {**draw.slots, family.key_slot: draw.keys[gold], "answer": draw.slots[gold]}


def split_of_pair(draw: Draw) -> str:
    """Every pair of candidates belongs to one split, so that no story to measure with can occur in training."""
    bucket = crc32(" ".join(draw.pair()).encode()) % 10
    return {0: "select", 1: "report"}.get(bucket, "train")


def draw_frame(family: Family, split: str, rng: Random) -> tuple[str, str]:
    """An opening and an ending; of all their combinations, select and report each have every other one."""
    openings, endings = tuple(family.openings), tuple(family.endings)
    while True:
        opening, ending = pick(rng, openings), pick(rng, endings)
        parity = (openings.index(opening) + endings.index(ending)) % 2
        if split == "train" or parity == (split == "report"):
            return opening, ending


def tell(family: Family, frame: str, template: str, draw: Draw, gold: str, split: str, ids: tuple[str, str]) -> Case:
    """Fills a frame and notes where each slot came to stand."""
    (foil,) = (name for name in draw.keys if name != gold)
    words = words_with_key(family, draw, gold)
    text, places = "", {}
    for literal, slot, _, _ in Formatter().parse(template):
        text += literal
        if slot is not None:
            start = len(text.encode())
            text += words[slot]
            places.setdefault(slot, (start, len(text.encode())))
    spans = Spans(
        gold=(places[gold],),
        distractors=(places[foil],),
        answer=places["answer"],
        pronoun=places.get("pronoun"),
        cue=places.get("cue"),
    )
    own, other = ids
    return Case(own, text, family.name, frame, split, spans, draw.slots[foil], twin=other, twin_kind=family.twin_kind)
