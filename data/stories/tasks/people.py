"""Tasks about people: whom a pronoun means, by gender, by number, through another pronoun, or by what was done."""

from random import Random

from data.stories import lexicon
from data.stories.drawing import pick, pick_two
from data.stories.grammar import Slots, Task, Template
from data.stories.lexicon import Cast
from data.stories.names import GENDERS

PRONOUNS = {"man": "He", "woman": "She", "one": "It", "many": "They", "thing": "It"}


def scene(rng: Random) -> Slots:
    """What a story about people needs beside the people."""
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "place": pick(rng, lexicon.PLACES),
        "mood": pick(rng, lexicon.MOODS),
        "thing": pick(rng, lexicon.CAST.things),
    }


def draw_kinds(rng: Random, one: tuple[str, str], other: tuple[str, str]) -> Slots:
    """Two candidates of different kinds, each (word, kind), in random order."""
    if rng.random() < 0.5:
        one, other = other, one
    return {**scene(rng), "first": one[0], "first_kind": one[1], "second": other[0], "second_kind": other[1]}


def draw_gender(rng: Random, cast: Cast, titled: float = lexicon.TITLED) -> Slots:
    (title, man), (other_title, woman) = cast.two_people(rng, "man", "woman", titled)
    slots = draw_kinds(rng, (man, "man"), (woman, "woman"))
    for candidate in ("first", "second"):
        slots[f"{candidate}_title"] = title if slots[f"{candidate}_kind"] == "man" else other_title
    return slots


def draw_number(rng: Random, cast: Cast) -> Slots:
    one, many = pick(rng, cast.beasts), pick(rng, cast.nouns)
    while one == many:
        many = pick(rng, cast.nouns)
    return {**draw_kinds(rng, (one[0], "one"), (many[1], "many")), "look": pick(rng, lexicon.LOOKS)}


def draw_animacy(rng: Random, cast: Cast) -> Slots:
    person, thing = pick(rng, lexicon.TRADES)[0], pick(rng, cast.things)
    kind = pick(rng, GENDERS)
    return {**draw_kinds(rng, (person, kind), (thing, "thing")), "look": pick(rng, lexicon.LOOKS)}


def kind_words(slots: Slots, gold: str) -> Slots:
    return {"pronoun": PRONOUNS[slots[f"{gold}_kind"]], "answer": slots[gold]}


NAMED_OPENINGS = {
    "met": "{opener} {first_title}{first:subject} met {second_title}{second} at the {place}.",
    "walked": "{opener} {first_title}{first:subject} walked to the {place} with {second_title}{second}.",
    "sat": "{opener} {first_title}{first:subject} sat next to {second_title}{second} at the {place}.",
    "saw": "{opener} {first_title}{first:subject} saw {second_title}{second} near the {place}.",
    "both": "{opener} we met {first_title}{first} and {second_title}{second} at the {place}.",
    "sat with": "{opener} {first_title}{first:subject} sat with {second_title}{second} near the {place}.",
}
COMMON_OPENINGS = {
    "next": "{opener} the {first:subject} stood next to the {second} at the {place}.",
    "behind": "{opener} the {first:subject} stood behind the {second} near the {place}.",
    "found": "{opener} we found the {first} and the {second} at the {place}.",
    "drew": "{opener} I drew the {first} and the {second} at the {place}.",
    "near": "{opener} we found the {first} next to the {second} near the {place}.",
}

AGREEMENT = Task(
    "agreement",
    question="gender, number or animacy says which candidate a pronoun means",
    role="pronoun",
    share=4,
    counterfactual_kind="gender",
    templates=(
        Template(
            "gender",
            key="pronoun",
            openings=NAMED_OPENINGS,
            endings={
                "called": " {pronoun} was {mood}, so we called {answer}.",
                "had": " {pronoun} had a {thing}, and we thanked {answer}.",
                "song": " {pronoun} sang a song, and everyone thanked {answer}.",
                "woke": " {pronoun} fell asleep, so we woke {answer}.",
                "lost": " {pronoun} lost the {thing}, so we asked {answer}.",
                "asked": " {pronoun} was {mood}, and everyone asked {answer}.",
            },
            draw=draw_gender,
            open=True,
            words_for=kind_words,
            questions=2,
        ),
        Template(
            "number",
            key="pronoun",
            openings=COMMON_OPENINGS,
            endings={
                "looked": " {pronoun} looked {look}, so we called the {answer}.",
                "asleep": " {pronoun} fell asleep, so we woke the {answer}.",
                "away": " {pronoun} went away, and we missed the {answer}.",
                "stayed": " {pronoun} stayed {look}, and we asked the {answer}.",
                "looked and woke": " {pronoun} looked {look}, and we woke the {answer}.",
            },
            draw=draw_number,
            words_for=kind_words,
            questions=2,
        ),
        Template(
            "animacy",
            key="pronoun",
            openings=COMMON_OPENINGS,
            endings={
                "was": " {pronoun} was {look}, so we looked at the {answer}.",
                "looked": " {pronoun} looked {look}, and we missed the {answer}.",
                "fell": " {pronoun} fell over, so we helped the {answer}.",
                "stayed": " {pronoun} stayed {look}, and we talked about the {answer}.",
                "was missed": " {pronoun} was {look}, and we missed the {answer}.",
            },
            draw=draw_animacy,
            words_for=kind_words,
            questions=2,
        ),
    ),
)


def with_trades(rng: Random, slots: Slots, one: str, other: str) -> Slots:
    """The candidates become "baker Tom" and "singer Anna"."""
    for candidate, (trade, did) in zip((one, other), pick_two(rng, lexicon.TRADES), strict=True):
        name = slots[candidate]
        slots |= {candidate: f"{trade} {name}", f"{candidate}_name": name, f"{candidate}_did": did}
    return slots


def fact_words(slots: Slots, gold: str) -> Slots:
    return {
        "pronoun": PRONOUNS[slots[f"{gold}_kind"]],
        "answer": slots[f"{gold}_did"],
        "name": slots[f"{gold}_name"],
    }


FACTS = Task(
    "facts",
    question="two steps: from a pronoun to a person to what that person did",
    role="pronoun",
    share=4,
    counterfactual_kind="gender",
    templates=(
        Template(
            "gender",
            key="pronoun",
            openings=NAMED_OPENINGS,
            endings={
                "day": " {pronoun} {answer} all day, so we called {name}.",
                "well": " {pronoun} {answer} well, and everyone thanked {name}.",
                "again": " {pronoun} {answer} again, and we asked {name}.",
                "night": " {pronoun} {answer} all night, so we woke {name}.",
            },
            draw=lambda rng, cast: with_trades(rng, draw_gender(rng, cast, titled=0), "first", "second"),
            open=True,
            words_for=fact_words,
            questions=2,
        ),
    ),
)


def chain_words(slots: Slots, gold: str) -> Slots:
    return {"chain": PRONOUNS[slots[f"{gold}_kind"]], "pronoun": "I", "answer": slots[gold]}


CHAINS = Task(
    "chains",
    question="a pronoun leads to a name through another pronoun",
    role="pronoun",
    share=3,
    counterfactual_kind="gender",
    templates=(
        Template(
            "gender",
            key="chain",
            openings=NAMED_OPENINGS,
            endings={
                "call": " {chain} said, {pronoun} am {mood}, so please call me {answer}.",
                "lost": " {chain} said, {pronoun} lost my {thing} and my name is {answer}.",
                "know": " {chain} said, {pronoun} am {mood} and you know me as {answer}.",
                "here": " {chain} said, {pronoun} have a {thing} and my name is {answer}.",
                "live": " {chain} said, {pronoun} lost my {thing}, so please call me {answer}.",
            },
            draw=draw_gender,
            open=True,
            words_for=chain_words,
            questions=2,
        ),
    ),
)


def draw_deed(rng: Random, cast: Cast, titled: float = lexicon.TITLED) -> Slots:
    """Two people of one gender, so that only what was done says whom the pronoun means."""
    gender = pick(rng, GENDERS)
    (doer_title, doer), (other_title, other) = cast.two_people(rng, gender, gender, titled)
    return {
        **scene(rng),
        "pronoun": PRONOUNS[gender].lower(),
        "doer": doer,
        "doer_title": doer_title,
        "other": other,
        "other_title": other_title,
        "blames_doer": pick(rng, lexicon.BLAMES_DOER),
        "blames_other": pick(rng, lexicon.BLAMES_OTHER),
        "trait": pick(rng, lexicon.TRAITS),
    }


def deed_words(slots: Slots, gold: str) -> Slots:
    return {"verb": slots[f"blames_{gold}"], "answer": slots[gold]}


TRAIT = " because {pronoun} was {trait}."

VERB_BIAS = Task(
    "verb_bias",
    question="the verb before a pronoun says whom it means",
    role="pronoun",
    share=2,
    counterfactual_kind="verb",
    templates=(
        Template(
            "verb",
            key="verb",
            candidates=("doer", "other"),
            openings={
                "active": "{opener} {doer_title}{doer:subject} {verb} {other_title}{other}" + TRAIT,
                "place active": "{opener} at the {place} {doer_title}{doer:subject} {verb} {other_title}{other}"
                + TRAIT,
                "passive": "{opener} {other_title}{other:subject} was {verb} by {doer_title}{doer}" + TRAIT,
                "place passive": "{opener} at the {place} {other_title}{other:subject} was {verb} by {doer_title}{doer}"
                + TRAIT,
                "active place": "{opener} {doer_title}{doer:subject} {verb} {other_title}{other} at the {place}"
                + TRAIT,
            },
            endings={
                "we called": " So we called {answer}.",
                "asked": " Then everyone asked {answer}.",
                "talked": " Later we talked about {answer}.",
                "wrote": " At night we wrote to {answer}.",
                "everyone called": " Later everyone called {answer}.",
            },
            draw=draw_deed,
            open=True,
            words_for=deed_words,
        ),
    ),
)


def reason_words(slots: Slots, gold: str) -> Slots:
    return {"verb": slots[f"blames_{gold}"], "answer": slots[f"{gold}_did"], "name": slots[f"{gold}_name"]}


REASONS = Task(
    "reasons",
    question="three steps: from a verb to a pronoun's person to what that person did",
    role="pronoun",
    share=2,
    counterfactual_kind="verb",
    templates=(
        Template(
            "verb",
            key="verb",
            candidates=("doer", "other"),
            openings={
                "active": "{opener} {doer:subject} {verb} {other}{gap} because {pronoun}",
                "then active": "{opener} then {doer:subject} {verb} {other}{gap} because {pronoun}",
                "passive": "{opener} {other:subject} was {verb} by {doer}{gap} because {pronoun}",
                "then passive": "{opener} then {other:subject} was {verb} by {doer}{gap} because {pronoun}",
                "again": "{opener} {other:subject} again was {verb} by {doer}{gap} because {pronoun}",
            },
            endings={
                "day": " {answer} all day. So we called {name}.",
                "well": " {answer} well. Later everyone asked {name}.",
                "again": " {answer} again. Later we talked about {name}.",
                "often": " often {answer}. Then we asked {name}.",
                "night": " {answer} all night. So everyone asked {name}.",
            },
            draw=lambda rng, cast: with_trades(rng, draw_deed(rng, cast, titled=0), "doer", "other"),
            open=True,
            words_for=reason_words,
            gaps=lexicon.PLACE_GAPS,
        ),
    ),
)
