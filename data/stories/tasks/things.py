"""Tasks about animals and things: what *it* means, as a later word says; which sense a word has."""

from dataclasses import replace
from random import Random

from data.stories import lexicon
from data.stories.grammar import Slots, Task, Template, pick, pick_two
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
        "too": pick(rng, lexicon.TOO),
        "animal": pick(rng, cast.animals),
        "way": pick(rng, cast.ways),
        "animal_cue": pick(rng, lexicon.ANIMAL_CUES),
        "way_cue": pick(rng, lexicon.WAY_CUES),
    }


def draw_rest(rng: Random, cast: Cast) -> Slots:
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "pronoun": "it",
        "too": pick(rng, ("", "", "so ", "very ")),
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


WAS = " because {pronoun} was {cue}."
WAS_TOO = " because {pronoun} was {too}{cue}."

CUE = Task(
    "cue",
    question="a word after a pronoun says which of two things it means",
    role="pronoun",
    share=2,
    counterfactual_kind="cue",
    templates=(
        Template(
            "crossing",
            key="cue",
            candidates=("animal", "way"),
            openings={
                "cross": "{opener} the {animal:subject} {did_not} cross the {way}" + WAS_TOO,
                "away": "{opener} the {animal:subject} stayed away from the {way}" + WAS_TOO,
                "stopped": "{opener} the {way:subject} stopped the {animal}" + WAS_TOO,
                "too much": "{opener} the {way:subject} was too much for the {animal}" + WAS_TOO,
                "not for": "{opener} the {way:subject} was not for the {animal}" + WAS_TOO,
            },
            endings=THE_ENDINGS,
            draw=draw_crossing,
            words_for=lambda slots, gold: {"cue": slots[f"{gold}_cue"], "answer": slots[gold]},
            exchangeable=False,
        ),
        Template(
            "rest",
            key="cue",
            candidates=("animal", "seat"),
            openings={
                "sat": "{opener} the {animal:subject} sat on the {seat}" + WAS_TOO,
                "slept": "{opener} the {animal:subject} slept on the {seat}" + WAS_TOO,
                "pleased": "{opener} the {seat:subject} pleased the {animal}" + WAS_TOO,
                "was for": "{opener} the {seat:subject} was for the {animal}" + WAS_TOO,
                "lay": "{opener} the {animal:subject} stayed on the {seat}" + WAS_TOO,
            },
            endings=THE_ENDINGS,
            draw=draw_rest,
            words_for=lambda slots, gold: {"cue": slots[f"{gold}_cue"], "answer": slots[gold]},
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
    share=3,
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
            rounds=2,
            words_for=lambda slots, gold: {"cue": SIZES[gold], "answer": slots[gold]},
        ),
    ),
)

DID = {"wild": "ate", "made": "broke"}


def draw_senses(rng: Random, cast: Cast) -> Slots:
    """An ambiguous word that is an animal, and one that is a made thing, as what they do says."""
    deeds = [(pick(rng, lexicon.WILD_DEEDS), "wild"), (pick(rng, lexicon.MADE_DEEDS), "made")]
    return senses(rng, cast, *pick_two(rng, deeds))


def draw_one_sense(rng: Random, cast: Cast) -> Slots:
    """Two of one kind: either deed decides the sense of both words."""
    kind, deeds = pick(rng, (("wild", lexicon.WILD_DEEDS), ("made", lexicon.MADE_DEEDS)))
    first, second = pick_two(rng, deeds)
    return senses(rng, cast, (first, kind), (second, kind))


def senses(rng: Random, cast: Cast, first: tuple[str, str], second: tuple[str, str]) -> Slots:
    first_word, second_word = pick_two(rng, cast.ambiguous)
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "first": first[0],
        "first_kind": first[1],
        "first_word": first_word,
        "second": second[0],
        "second_kind": second[1],
        "second_word": second_word,
    }


def change_deed(rng: Random, slots: Slots, gold: str) -> Slots:
    """The deed that decides becomes one of the other kind."""
    if slots[f"{gold}_kind"] == "wild":
        return {**slots, gold: pick(rng, lexicon.MADE_DEEDS), f"{gold}_kind": "made"}
    return {**slots, gold: pick(rng, lexicon.WILD_DEEDS), f"{gold}_kind": "wild"}


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
    endings={
        "later": " Later the {cue} {answer}.",
        "night": " At night the {cue} {answer}.",
        "soon": " Soon the {cue} {answer}.",
        "think": " I think the {cue} {answer}.",
        "we think": " We think the {cue} {answer}.",
    },
    draw=draw_senses,
    words_for=lambda slots, gold: {"cue": slots[f"{gold}_word"], "answer": DID[slots[f"{gold}_kind"]]},
    change_attribute=change_deed,
    questions=2,
)
SENSE = Task(
    "sense",
    question="what was done says which sense a word has",
    role="word_sense",
    share=3,
    counterfactual_kind="cue",
    templates=(DEED, replace(DEED, name="auxiliary", draw=draw_one_sense, measured=False)),
)
