"""Writes stories: as plain text to train on, and as annotated cases with counterfactuals; no two splits share one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from random import Random
from string import Formatter
from zlib import crc32

from data.cases.case import Case, Span, Spans
from data.stories import lexicon
from data.stories.drawing import pick
from data.stories.grammar import Slots, Task, Template
from data.stories.tasks import TASKS

# Heads are chosen on `select` and quoted on `report`; both have pairs of candidates that training never has. Each of
# the others adds one more thing that training never has: sentences, more sentences in between, words in this role,
# names that occur nowhere else.
SPLITS = ("train", "select", "report", "templates", "gaps", "new_role", "unseen_names")
GENERALISATION = ("templates", "gaps", "new_role", "unseen_names")
COUNTERFACTUAL_KINDS = ("cue", "gender", "verb", "order", "attribute", "null")
GAPS_IN_TRAINING, GAPS_IN_GENERALISATION = (0, 0, 0, 0, 1, 1, 2), (3, 4)
CASTS = {"new_role": lexicon.HELD_OUT_WORDS, "unseen_names": lexicon.UNSEEN}
DISTRACTORS = lexicon.distractor_sentences()
DISTRACTOR_SHARE = 0.15
MAX_DRAWS = 10_000

NEUTRAL = {
    "opener": tuple(filter(None, lexicon.OPENERS)),
    "place": lexicon.PLACES,
    "mood": lexicon.MOODS,
    "thing": lexicon.CAST.things,
    "trait": lexicon.TRAITS,
    "look": lexicon.LOOKS,
}


def check_tasks(names: Sequence[str]) -> None:
    if not names:
        raise ValueError(f"tasks=[]: name at least one of {', '.join(TASKS)}")
    for name in names:
        if name not in TASKS:
            raise ValueError(
                f"tasks=[{','.join(names)}]: no task of stories is called {name!r}; they are {', '.join(TASKS)}"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"tasks=[{','.join(names)}]: names a task twice; give each once")


def as_first(text: str) -> str:
    """The first part of a story, without a space before it and with a capital: there may be no opening phrase."""
    text = text.removeprefix(" ")
    return text[:1].upper() + text[1:]


def split_of_pair(template: Template, slots: Slots) -> str:
    """Every pair of candidates belongs to one split, so that no story to measure with can occur in training."""
    one, other = template.candidates
    pair = sorted((slots[one], slots[other]))
    bucket = crc32(" ".join(pair).encode()) % 20
    return "select" if bucket < 3 else "report" if bucket < 6 else "train"


def draw_slots(template: Template, split: str, rng: Random) -> Slots:
    if split in CASTS:
        return template.draw(rng, CASTS[split])
    for _ in range(MAX_DRAWS):
        if split_of_pair(template, slots := template.draw(rng, lexicon.CAST)) == pairs_of(split):
            return slots
    raise ValueError(
        f"template {template.name!r} has too few pairs of candidates for the split {split!r}; give it more words"
    )


def pairs_of(split: str) -> str:
    """The split whose pairs of candidates a split uses."""
    return split if split in ("train", "select") else "report"


def draw_parts(template: Template, split: str, rng: Random) -> tuple[str, str]:
    """An opening and an ending: of those that training has, select and report each take every other combination."""
    openings, endings = template.trained_openings, template.trained_endings
    if split == "train":
        return pick(rng, openings), pick(rng, endings)
    if split == "templates":
        openings, endings = tuple(template.openings), tuple(template.endings)
    while True:
        i, j = int(rng.random() * len(openings)), int(rng.random() * len(endings))
        if split == "templates":
            wanted = i == len(openings) - 1 or j == len(endings) - 1
        else:
            wanted = (i + j) % 2 == (split != "select")
        if wanted:
            return openings[i], endings[j]


def draw_gap(template: Template, split: str, rng: Random, size: int | None = None) -> str:
    """What stands between the opening and the question: nothing or a little in training, more under generalisation.

    With another ``size`` everything else is drawn as without it.
    """
    if not template.gaps:
        return ""
    usual = pick(rng, GAPS_IN_GENERALISATION if split == "gaps" else GAPS_IN_TRAINING)
    start = int(rng.random() * len(template.gaps))
    return "".join(islice(cycle(template.gaps), start, start + (usual if size is None else size)))


def write(split: str, n: int, seed: int, tasks: Sequence[str] = tuple(TASKS)) -> Iterator[str]:
    """n stories as plain text, their tasks drawn at random by their shares.

    Often a story has more questions after the first, and now and then a distractor sentence at its end.
    """
    rng = Random(f"text {split} {seed}")
    templates = [TASKS[name].templates for name in tasks for _ in range(TASKS[name].share)]
    for _ in range(n):
        template = pick(rng, pick(rng, templates))
        slots = draw_slots(template, split, rng)
        opening, ending = draw_parts(template, split, rng)
        slots["gap"] = draw_gap(template, split, rng)
        text = template.opening_texts[opening] + template.endings[ending]
        story = as_first(text.format_map(slots | template.words_for(slots, pick(rng, template.candidates))))
        for i in range(template.questions):
            question = template.endings[template.next_ending(ending, i + 1)]
            story += question.format_map(slots | template.words_for(slots, pick(rng, template.candidates)))
        if rng.random() < DISTRACTOR_SHARE:
            story += pick(rng, DISTRACTORS)
        yield story


def cases(
    split: str,
    n: int,
    seed: int,
    tasks: Sequence[str] = tuple(TASKS),
    counterfactual_kind: str | None = None,
    gap: int | None = None,
) -> list[Case]:
    """n annotated stories of each task as n / 2 counterfactual pairs, next to each other; n must be even.

    Counterfactuals differ in the word that points to the antecedent, or in what ``counterfactual_kind`` says; tasks in
    which that kind is impossible have no cases then. ``gap``: so many sentences stand between opening and question, in
    stories that are the same for every such number; None: as many as the split has.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known are {', '.join(SPLITS)}")
    if n % 2 or n < 2:
        raise ValueError(f"{n} cases a task: must be an even number, because stories come with their counterfactuals")
    if counterfactual_kind not in (None, *COUNTERFACTUAL_KINDS):
        raise ValueError(
            f"unknown kind of counterfactual {counterfactual_kind!r}; known are {', '.join(COUNTERFACTUAL_KINDS)}"
        )
    check_tasks(tasks)
    written = []
    for name in tasks:
        task = TASKS[name]
        kind = counterfactual_kind or task.counterfactual_kind
        templates = [
            template for template in task.templates if template.measured and has_counterfactual(task, template, kind)
        ]
        if split == "gaps":
            templates = [template for template in templates if template.gaps]
        if split == "unseen_names":
            templates = [template for template in templates if template.open]
        rng = Random(f"cases {split} {seed} {name}")
        for i in range(n // 2 if templates else 0):
            written += write_pair(task, pick(rng, templates), split, kind, rng, f"{name}-{split}-{seed}-{i}", gap)
    return written


def has_counterfactual(task: Task, template: Template, kind: str) -> bool:
    possible = {"order": template.exchangeable, "attribute": template.change_attribute is not None, "null": True}
    return possible.get(kind, kind == task.counterfactual_kind)


def write_pair(
    task: Task, template: Template, split: str, kind: str, rng: Random, id: str, gap: int | None = None
) -> tuple[Case, Case]:
    """One story and its counterfactual. Gold is either candidate with equal chance, wherever it stands."""
    parts, gold = draw_parts(template, split, rng), pick(rng, template.candidates)
    for _ in range(MAX_DRAWS):
        slots = draw_slots(template, split, rng)
        slots["gap"] = draw_gap(template, split, rng, gap)
        counterfactual_slots, counterfactual_gold = change(task, template, parts, slots, gold, kind, rng)
        if kind == "null" and not slots["opener"]:
            continue  # no other opening phrase is as long as none
        if kind != "attribute" or stays(template, counterfactual_slots, split):
            break
    else:
        raise ValueError(
            f"template {template.name!r} has too few words for {kind} counterfactuals in the split {split!r}"
        )
    story = write_case(task, template, parts, slots, gold, split, (f"{id}a", f"{id}b"), kind)
    counterfactual = write_case(
        task, template, parts, counterfactual_slots, counterfactual_gold, split, (f"{id}b", f"{id}a"), kind
    )
    if kind == "attribute":  # the other candidate now has the same answer; what the story said becomes the foil
        counterfactual = replace(counterfactual, foil=template.words_for(slots, gold)["answer"])
    return story, counterfactual


def stays(template: Template, slots: Slots, split: str) -> bool:
    """Whether a story with another candidate still has two of them, and a pair that its split may have."""
    one, other = template.candidates
    return slots[one] != slots[other] and (split in CASTS or split_of_pair(template, slots) == pairs_of(split))


def change(
    task: Task, template: Template, parts: tuple[str, str], slots: Slots, gold: str, kind: str, rng: Random
) -> tuple[Slots, str]:
    """The words and the antecedent of the counterfactual."""
    if kind == task.counterfactual_kind:
        return slots, template.other(gold)
    if kind == "attribute":
        # pyrefly: ignore [not-callable] `cases` takes only templates that have one for this kind
        return template.change_attribute(rng, slots, gold), gold
    if kind == "null":
        text = template.openings[parts[0]] + template.endings[parts[1]].partition("{answer}")[0]
        slot = pick(rng, [name for name in NEUTRAL if f"{{{name}}}" in text])
        others = [word for word in NEUTRAL[slot] if word != slots[slot]]
        return {**slots, slot: pick(rng, others)}, gold
    exchanged = exchange(slots, *template.candidates)
    same_key = template.words_for(slots, gold)[template.key] == template.words_for(exchanged, gold)[template.key]
    return exchanged, gold if same_key else template.other(gold)


def exchange(slots: Slots, one: str, other: str) -> Slots:
    """Slots with two candidates exchanged, and all that is theirs."""
    exchanged = dict(slots)
    for name, word in slots.items():
        for here, there in ((one, other), (other, one)):
            if name == here or name.startswith(f"{here}_"):
                exchanged[there + name[len(here) :]] = word
    return exchanged


def write_case(
    task: Task,
    template: Template,
    parts: tuple[str, str],
    slots: Slots,
    gold: str,
    split: str,
    ids: tuple[str, str],
    counterfactual_kind: str,
) -> Case:
    """Fills an opening and an ending, ``parts``, and notes where each slot came to stand."""
    opening, ending = parts
    words = slots | template.words_for(slots, gold)
    text, spans = "", {}
    for literal, slot, _, _ in Formatter().parse(template.opening_texts[opening] + template.endings[ending]):
        text += literal if text else as_first(literal)
        if slot is not None:
            start = len(text.encode())
            text += words[slot] if text else as_first(words[slot])
            spans.setdefault(slot, (start, len(text.encode())))
    foil = template.other(gold)
    subject = template.subject(opening)
    own, other = ids
    return Case(
        id=own,
        text=text,
        task=task.name,
        template=f"{template.name}: {opening}, {ending}",
        split=split,
        spans=Spans(
            gold=(spans[gold],),
            distractors=(spans[foil],),
            answer=spans["answer"],
            pronoun=spans.get("pronoun"),
            cue=spans.get("cue"),
            subject=spans[subject] if subject else None,
            chain=(spans["chain"],) if "chain" in spans else (),
            links=links(template, gold, text, spans),
        ),
        foil=template.words_for(slots, foil)["answer"],
        counterfactual=other,
        counterfactual_kind=counterfactual_kind,
        chance_loss=math.log(template.n_choices(slots)),
    )


def links(template: Template, gold: str, text: str, spans: dict[str, Span]) -> tuple[tuple[Span, Span], ...]:
    """Which word of a translation is which word of its original; words that are not there have no link."""
    raw = text.encode()
    trimmed = {}
    for slot, (start, end) in spans.items():
        word = raw[start:end]
        trimmed[slot] = (start + len(word) - len(word.lstrip()), end - len(word) + len(word.rstrip()))
    found = ((trimmed[target], trimmed[source]) for target, source in template.links(gold))
    return tuple((target, source) for target, source in found if target[0] < target[1])
