"""Tasks about animals and things: what *it* means, as a later word says; which sense a word has."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from data.stories import lexicon
from data.stories.drawing import pick, pick_two
from data.stories.grammar import Slots, Task, Template
from data.stories.lexicon import Cast

THE_ENDINGS = {
    "looked": " So we looked at the {answer}.",
    "talked": " Later we talked about the {answer}.",
    "song": " I made a song about the {answer}.",
    "drew": " Then we drew the {answer}.",
    "forgot": " Nobody forgot the {answer}.",
    "later song": " Later we made a song about the {answer}.",
}


def draw_crossing(rng: Random, cast: Cast) -> Slots:
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "pronoun": "it",
        "did_not": pick(rng, lexicon.DID_NOT),
        "degree": pick(rng, lexicon.TOO_OR_NOT),
        "animal": pick(rng, cast.animals),
        "way": pick(rng, cast.ways),
        "animal_cue": pick(rng, lexicon.ANIMAL_CUES),
        "way_cue": pick(rng, lexicon.WAY_CUES),
    }


def draw_rest(rng: Random, cast: Cast) -> Slots:
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "pronoun": "it",
        "degree": pick(rng, lexicon.DEGREES),
        "animal": pick(rng, cast.animals),
        "seat": pick(rng, cast.seats),
        "animal_cue": pick(rng, lexicon.ANIMAL_CUES),
        "seat_cue": pick(rng, lexicon.SEAT_CUES),
    }


# "cue_prey", not "prey_cue": the cue belongs to the role, and stays when two animals change places.
def draw_chase(rng: Random, cast: Cast) -> Slots:
    prey, hunter = pick_two(rng, cast.animals)
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "pronoun": "it",
        "prey": prey,
        "hunter": hunter,
        "cue_prey": pick(rng, lexicon.PREY_CUES),
        "cue_hunter": pick(rng, lexicon.HUNTER_CUES),
    }


def cue_words(slots: Slots, gold: str) -> Slots:
    return {"cue": slots[f"{gold}_cue"], "answer": slots[gold]}


WAS = " because {pronoun} was {cue}."
WAS_TO_A_DEGREE = " because {pronoun} was {degree}{cue}."

CUE = Task(
    "cue",
    question="a word after a pronoun says which of two things it means",
    role="pronoun",
    share=4,
    counterfactual_kind="cue",
    templates=(
        Template(
            "crossing",
            key="cue",
            candidates=("animal", "way"),
            openings={
                "cross": "{opener} the {animal:subject} {did_not} cross the {way}" + WAS_TO_A_DEGREE,
                "away": "{opener} the {animal:subject} stayed away from the {way}" + WAS_TO_A_DEGREE,
                "stopped": "{opener} the {way:subject} stopped the {animal}" + WAS_TO_A_DEGREE,
                "too much": "{opener} the {way:subject} was too much for the {animal}" + WAS_TO_A_DEGREE,
                "not for": "{opener} the {way:subject} was not for the {animal}" + WAS_TO_A_DEGREE,
            },
            endings=THE_ENDINGS,
            draw=draw_crossing,
            words_for=cue_words,
            exchangeable=False,
        ),
        Template(
            "rest",
            key="cue",
            candidates=("animal", "seat"),
            openings={
                "sat": "{opener} the {animal:subject} sat on the {seat}" + WAS_TO_A_DEGREE,
                "slept": "{opener} the {animal:subject} slept on the {seat}" + WAS_TO_A_DEGREE,
                "pleased": "{opener} the {seat:subject} pleased the {animal}" + WAS_TO_A_DEGREE,
                "was for": "{opener} the {seat:subject} was for the {animal}" + WAS_TO_A_DEGREE,
                "lay": "{opener} the {animal:subject} stayed on the {seat}" + WAS_TO_A_DEGREE,
            },
            endings=THE_ENDINGS,
            draw=draw_rest,
            words_for=cue_words,
            exchangeable=False,
        ),
        Template(
            "chase",
            key="cue",
            candidates=("prey", "hunter"),
            openings={
                "ran": "{opener} the {prey:subject} ran from the {hunter}" + WAS,
                "soon ran": "{opener} the {prey:subject} soon ran from the {hunter}" + WAS,
                "chased": "{opener} the {hunter:subject} chased the {prey}" + WAS,
                "soon chased": "{opener} the {hunter:subject} soon chased the {prey}" + WAS,
                "ran away": "{opener} the {prey:subject} ran away from the {hunter}" + WAS,
            },
            endings=THE_ENDINGS,
            draw=draw_chase,
            words_for=lambda slots, gold: {"cue": slots[f"cue_{gold}"], "answer": slots[gold]},
        ),
    ),
)


def draw_boxes(rng: Random, cast: Cast) -> Slots:
    content, holder = cast.two_words(rng, cast.boxes)
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "pronoun": "it",
        "did_not": pick(rng, lexicon.DID_NOT),
        "content": content,
        "holder": holder,
    }


TOO = " because {pronoun} was too {cue}."
SIZES = {"content": "big", "holder": "small"}

ROLES = Task(
    "roles",
    question="a word after a pronoun, and who does what, say which of two things it means",
    role="pronoun",
    share=2,
    counterfactual_kind="cue",
    templates=(
        Template(
            "size",
            key="cue",
            candidates=("content", "holder"),
            openings={
                "fit": "{opener} the {content:subject} {did_not} fit into the {holder}" + TOO,
                "again fit": "{opener} the {content:subject} again {did_not} fit into the {holder}" + TOO,
                "hold": "{opener} the {holder:subject} {did_not} hold the {content}" + TOO,
                "again hold": "{opener} the {holder:subject} again {did_not} hold the {content}" + TOO,
                "then hold": "{opener} then the {holder:subject} {did_not} hold the {content}" + TOO,
            },
            endings=THE_ENDINGS,
            draw=draw_boxes,
            open=True,
            words_for=lambda slots, gold: {"cue": SIZES[gold], "answer": slots[gold]},
        ),
    ),
)

DID = {"wild": "ate", "made": "broke", "river": "flooded", "firm": "closed"}
DEEDS = {"wild": lexicon.WILD_DEEDS, "made": lexicon.MADE_DEEDS}
OWNERS = {"river": lexicon.WATERS, "firm": lexicon.FIRMS}
Contexts = Mapping[str, Sequence[str]]  # what decides a sense, by the sense


def draw_senses(rng: Random, words: tuple[str, ...], contexts: Contexts) -> Slots:
    """Two ambiguous words, one in either sense, each beside what decides it."""
    decide = [(pick(rng, contexts[sense]), sense) for sense in contexts]
    return senses(rng, words, *pick_two(rng, decide))


def draw_one_sense(rng: Random, words: tuple[str, ...], contexts: Contexts) -> Slots:
    """Two ambiguous words in the same sense."""
    sense = pick(rng, tuple(contexts))
    first, second = pick_two(rng, contexts[sense])
    return senses(rng, words, (first, sense), (second, sense))


def senses(rng: Random, words: tuple[str, ...], first: tuple[str, str], second: tuple[str, str]) -> Slots:
    first_word, second_word = pick_two(rng, words)
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "first": first[0],
        "first_kind": first[1],
        "first_word": first_word,
        "second": second[0],
        "second_kind": second[1],
        "second_word": second_word,
    }


def change_sense(rng: Random, slots: Slots, gold: str) -> Slots:
    """What decides becomes something for the other sense."""
    sense = slots[f"{gold}_kind"]
    contexts = DEEDS if sense in DEEDS else OWNERS
    (other,) = (name for name in contexts if name != sense)
    return {**slots, gold: pick(rng, contexts[other]), f"{gold}_kind": other}


def sense_words(slots: Slots, gold: str) -> Slots:
    return {"cue": slots[f"{gold}_word"], "answer": DID[slots[f"{gold}_kind"]]}


SENSE_ENDINGS = {
    "later": " Later the {cue} {answer}.",
    "night": " At night the {cue} {answer}.",
    "soon": " Soon the {cue} {answer}.",
    "think": " I think the {cue} {answer}.",
    "we think": " We think the {cue} {answer}.",
}
DEED = Template(
    "deed",
    key="cue",
    openings={
        "and": "{opener} the {first_word} {first} and the {second_word} {second}.",
        "because": "{opener} the {first_word} {first} because the {second_word} {second}.",
        "so": "{opener} the {first_word} {first}, so the {second_word} {second}.",
        "then": "{opener} the {first_word} {first}. Then the {second_word} {second}.",
        "again": "{opener} again the {first_word} {first} and the {second_word} {second}.",
    },
    endings=SENSE_ENDINGS,
    draw=lambda rng, cast: draw_senses(rng, cast.ambiguous, DEEDS),
    words_for=sense_words,
    change_attribute=change_sense,
    questions=3,
)
OWNER = Template(
    "owner",
    key="cue",
    openings={
        "saw": "{opener} we saw the {first_word} of the {first} and the {second_word} of the {second}.",
        "passed": "{opener} we met at the {first_word} of the {first} near the {second_word} of the {second}.",
        "drew": "{opener} I drew the {first_word} of the {first} and the {second_word} of the {second}.",
        "asked": "{opener} we asked about the {first_word} of the {first} and the {second_word} of the {second}.",
        "found": "{opener} we found the {first_word} of the {first} near the {second_word} of the {second}.",
    },
    endings=SENSE_ENDINGS,
    draw=lambda rng, cast: draw_senses(rng, cast.ambiguous_places, OWNERS),
    words_for=sense_words,
    change_attribute=change_sense,
    questions=3,
)
SENSE = Task(
    "sense",
    question="what was done, or whose it is, says which sense a word has",
    role="word_sense",
    share=3,
    counterfactual_kind="cue",
    templates=(
        DEED,
        OWNER,
        replace(
            DEED,
            name="auxiliary",
            draw=lambda rng, cast: draw_one_sense(rng, cast.ambiguous, DEEDS),
            measured=False,
        ),
        replace(
            OWNER,
            name="auxiliary owner",
            draw=lambda rng, cast: draw_one_sense(rng, cast.ambiguous_places, OWNERS),
            measured=False,
        ),
    ),
)
