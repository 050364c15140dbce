"""Stories told: as plain text to train on, and as annotated cases with their twins, in splits that share no story."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from random import Random
from string import Formatter
from zlib import crc32

from data.cases.case import Case, Span, Spans
from data.stories import lexicon
from data.stories.grammar import Family, Form, Slots, pick
from data.stories.tasks import FAMILIES

# Heads are chosen on `select` and quoted on `report`; both have pairs of candidates that training never has. Each of
# the others adds one more thing that training never has: sentences, more sentences in between, words in this role.
SPLITS = ("train", "select", "report", "frames", "gaps", "names")
STRESS = ("frames", "gaps", "names")
TWIN_KINDS = ("cue", "gender", "verb", "order", "attribute", "null")
GAPS_IN_TRAINING, GAPS_IN_STRESS = (0, 0, 0, 0, 1, 1, 2), (3, 4)
REMARKS = lexicon.passing_remarks()
REMARK_SHARE = 0.15
MAX_DRAWS = 10_000

NEUTRAL = {
    "opener": lexicon.OPENERS,
    "place": lexicon.PLACES,
    "mood": lexicon.MOODS,
    "thing": lexicon.CAST.things,
    "trait": lexicon.TRAITS,
    "look": lexicon.LOOKS,
}


def check_families(names: Sequence[str]) -> None:
    if not names:
        raise ValueError(f"families=[]: name at least one of {', '.join(FAMILIES)}")
    for name in names:
        if name not in FAMILIES:
            raise ValueError(f"unknown family of stories {name!r}; known are {', '.join(FAMILIES)}")


def split_of_pair(form: Form, slots: Slots) -> str:
    """Every pair of candidates belongs to one split, so that no story to measure with can occur in training."""
    one, other = form.candidates
    pair = sorted((slots[one], slots[other]))
    bucket = crc32(" ".join(pair).encode()) % 20
    return "select" if bucket < 3 else "report" if bucket < 6 else "train"


def draw_slots(form: Form, split: str, rng: Random) -> Slots:
    if split == "names":
        return form.draw(rng, lexicon.STRANGERS)
    for _ in range(MAX_DRAWS):
        if split_of_pair(form, slots := form.draw(rng, lexicon.CAST)) == pairs_of(split):
            return slots
    raise ValueError(f"form {form.name!r} has too few pairs of candidates for the split {split!r}; give it more words")


def pairs_of(split: str) -> str:
    """The split whose pairs of candidates a split uses."""
    return split if split in ("train", "select") else "report"


def draw_frame(form: Form, split: str, rng: Random) -> tuple[str, str]:
    """An opening and an ending: of those that training has, select and report each take every other combination."""
    openings, endings = form.trained_openings, form.trained_endings
    if split == "train":
        return pick(rng, openings), pick(rng, endings)
    if split == "frames":
        openings, endings = tuple(form.openings), tuple(form.endings)
    while True:
        i, j = int(rng.random() * len(openings)), int(rng.random() * len(endings))
        if split == "frames":
            wanted = i == len(openings) - 1 or j == len(endings) - 1
        else:
            wanted = (i + j) % 2 == (split != "select")
        if wanted:
            return openings[i], endings[j]


def draw_gap(form: Form, split: str, rng: Random, size: int | None = None) -> str:
    """What stands between the opening and the question: nothing or a little in training, more under stress.

    With another ``size`` everything else is drawn as without it.
    """
    if not form.gaps:
        return ""
    usual = pick(rng, GAPS_IN_STRESS if split == "gaps" else GAPS_IN_TRAINING)
    start = int(rng.random() * len(form.gaps))
    return "".join(islice(cycle(form.gaps), start, start + (usual if size is None else size)))


def write(split: str, n: int, seed: int, families: Sequence[str] = tuple(FAMILIES)) -> Iterator[str]:
    """n stories as plain text, their families drawn at random by their shares.

    Often a story has more questions behind the first, and now and then a remark about somebody else.
    """
    rng = Random(f"text {split} {seed}")
    forms = [family.forms for family in map(FAMILIES.get, families) for _ in range(family.share)]
    for _ in range(n):
        form = pick(rng, pick(rng, forms))
        slots = draw_slots(form, split, rng)
        opening, ending = draw_frame(form, split, rng)
        slots["gap"] = draw_gap(form, split, rng)
        text = form.opening_texts[opening] + form.endings[ending]
        story = text.format_map(slots | form.told(slots, pick(rng, form.candidates)))
        for i in range(form.questions):
            question = form.endings[form.next_ending(ending, i + 1)]
            story += question.format_map(slots | form.told(slots, pick(rng, form.candidates)))
        if rng.random() < REMARK_SHARE:
            story += pick(rng, REMARKS)
        yield story


def cases(
    split: str,
    n: int,
    seed: int,
    families: Sequence[str] = tuple(FAMILIES),
    twin_kind: str | None = None,
    gap: int | None = None,
) -> list[Case]:
    """n annotated stories of each family as n / 2 pairs of twins, next to each other; n must be even.

    Twins differ in the word that points to the antecedent, or in what ``twin_kind`` says; families in which that kind
    is impossible have no cases then. ``gap``: so many sentences stand between opening and question, in stories that
    are the same for every such number; None: as many as the split has.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known are {', '.join(SPLITS)}")
    if n % 2 or n < 2:
        raise ValueError(f"{n} cases a family: must be an even number, because stories come with their twins")
    if twin_kind not in (None, *TWIN_KINDS):
        raise ValueError(f"unknown kind of twin {twin_kind!r}; known are {', '.join(TWIN_KINDS)}")
    check_families(families)
    told = []
    for name in families:
        family = FAMILIES[name]
        kind = twin_kind or family.twin_kind
        forms = [form for form in family.forms if form.measured and has_twin(family, form, kind)]
        if split == "gaps":
            forms = [form for form in forms if form.gaps]
        rng = Random(f"cases {split} {seed} {name}")
        for i in range(n // 2 if forms else 0):
            told += tell_twins(family, pick(rng, forms), split, kind, rng, f"{name}-{split}-{seed}-{i}", gap)
    return told


def has_twin(family: Family, form: Form, kind: str) -> bool:
    possible = {"order": form.exchangeable, "attribute": form.change_attribute is not None, "null": True}
    return possible.get(kind, kind == family.twin_kind)


def tell_twins(
    family: Family, form: Form, split: str, kind: str, rng: Random, id: str, gap: int | None = None
) -> tuple[Case, Case]:
    """One story and its twin. Gold is either candidate with equal chance, whatever its place."""
    frame, gold = draw_frame(form, split, rng), pick(rng, form.candidates)
    for _ in range(MAX_DRAWS):
        slots = draw_slots(form, split, rng)
        slots["gap"] = draw_gap(form, split, rng, gap)
        twin_slots, twin_gold = change(family, form, frame, slots, gold, kind, rng)
        if kind != "attribute" or split == "names" or stays(form, twin_slots, split):
            break
    else:
        raise ValueError(f"form {form.name!r} has too few words for {kind} twins in the split {split!r}")
    story = tell(family, form, frame, slots, gold, split, (f"{id}a", f"{id}b"), kind)
    twin = tell(family, form, frame, twin_slots, twin_gold, split, (f"{id}b", f"{id}a"), kind)
    if kind == "attribute":  # the other candidate now has the same answer; what the story said is the one to tell from
        twin = replace(twin, foil=form.told(slots, gold)["answer"])
    return story, twin


def stays(form: Form, slots: Slots, split: str) -> bool:
    """Whether a story with another candidate still has two of them, and a pair that its split may have."""
    one, other = form.candidates
    return slots[one] != slots[other] and split_of_pair(form, slots) == pairs_of(split)


def change(
    family: Family, form: Form, frame: tuple[str, str], slots: Slots, gold: str, kind: str, rng: Random
) -> tuple[Slots, str]:
    """The words and the antecedent of the twin."""
    if kind == family.twin_kind:
        return slots, form.other(gold)
    if kind == "attribute":
        return form.change_attribute(rng, slots, gold), gold
    if kind == "null":
        text = form.openings[frame[0]] + form.endings[frame[1]].partition("{answer}")[0]
        slot = pick(rng, [name for name in NEUTRAL if f"{{{name}}}" in text])
        others = [word for word in NEUTRAL[slot] if word != slots[slot]]
        return {**slots, slot: pick(rng, others)}, gold
    exchanged = exchange(slots, *form.candidates)
    same_key = form.told(slots, gold)[form.key] == form.told(exchanged, gold)[form.key]
    return exchanged, gold if same_key else form.other(gold)


def exchange(slots: Slots, one: str, other: str) -> Slots:
    """Two candidates in each other's place, with all that is theirs."""
    exchanged = dict(slots)
    for name, word in slots.items():
        for here, there in ((one, other), (other, one)):
            if name == here or name.startswith(f"{here}_"):
                exchanged[there + name[len(here) :]] = word
    return exchanged


def tell(
    family: Family,
    form: Form,
    frame: tuple[str, str],
    slots: Slots,
    gold: str,
    split: str,
    ids: tuple[str, str],
    twin_kind: str,
) -> Case:
    """Fills a frame and notes where each slot came to stand."""
    opening, ending = frame
    words = slots | form.told(slots, gold)
    text, places = "", {}
    for literal, slot, _, _ in Formatter().parse(form.opening_texts[opening] + form.endings[ending]):
        text += literal
        if slot is not None:
            start = len(text.encode())
            text += words[slot]
            places.setdefault(slot, (start, len(text.encode())))
    foil = form.other(gold)
    subject = form.subject(opening)
    own, other = ids
    return Case(
        id=own,
        text=text,
        family=family.name,
        frame=f"{form.name}: {opening}, {ending}",
        split=split,
        spans=Spans(
            gold=(places[gold],),
            distractors=(places[foil],),
            answer=places["answer"],
            pronoun=places.get("pronoun"),
            cue=places.get("cue"),
            subject=places[subject] if subject else None,
            chain=(places["chain"],) if "chain" in places else (),
            links=links(form, gold, text, places),
        ),
        foil=form.told(slots, foil)["answer"],
        twin=other,
        twin_kind=twin_kind,
        worth=math.log(form.n_choices(slots)),
    )


def links(form: Form, gold: str, text: str, places: dict[str, Span]) -> tuple[tuple[Span, Span], ...]:
    """Which word of a translation is which word of its original; words that are not there have no link."""
    raw = text.encode()
    trimmed = {}
    for slot, (start, end) in places.items():
        word = raw[start:end]
        trimmed[slot] = (start + len(word) - len(word.lstrip()), end - len(word) + len(word.rstrip()))
    found = ((trimmed[target], trimmed[source]) for target, source in form.links(gold))
    return tuple((target, source) for target, source in found if target[0] < target[1])
