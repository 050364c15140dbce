"""Tasks about words themselves: agreement of verbs, recall of names, repeated words, a foreign language."""

from dataclasses import replace
from random import Random

from data.stories import lexicon
from data.stories.drawing import pick, pick_two
from data.stories.grammar import Slots, Task, Template
from data.stories.lexicon import Cast
from data.stories.names import GENDERS

SINGULAR = {many: one for cast in (lexicon.CAST, lexicon.HELD_OUT_WORDS) for one, many in cast.nouns}
PLURAL = {one: many for many, one in SINGULAR.items()}


def draw_subject(rng: Random, cast: Cast) -> Slots:
    """Two nouns, one of them plural."""
    one, many = pick_two(rng, cast.nouns)
    first, second = pick_two(rng, (one[0], many[1]))
    return clause(rng, first, second)


def draw_alike(rng: Random, cast: Cast) -> Slots:
    """Two nouns of the same number: either decides the verb."""
    number = int(rng.random() * 2)
    first, second = pick_two(rng, cast.nouns)
    return clause(rng, first[number], second[number])


def clause(rng: Random, first: str, second: str) -> Slots:
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "first": first,
        "second": second,
        "link_first": pick(rng, lexicon.LINKS_NEAR),
        "link_second": pick(rng, lexicon.LINKS_CLAUSE),
        "adverb": pick(rng, lexicon.ADVERBS),
        "mood": pick(rng, lexicon.MOODS),
        "look": pick(rng, lexicon.LOOKS),
    }


def change_number(rng: Random, slots: Slots, gold: str) -> Slots:
    noun = slots[gold]
    return {**slots, gold: SINGULAR.get(noun) or PLURAL[noun]}


ATTRACTOR = Template(
    "attractor",
    key="link",
    openings={
        "the": "{opener} the {first:subject} {link} the {second}{gap}",
        "think": "{opener} I think the {first:subject} {link} the {second}{gap}",
        "maybe": "{opener} maybe the {first:subject} {link} the {second}{gap}",
        "but": "{opener} it rained, but the {first:subject} {link} the {second}{gap}",
        "we think": "{opener} we think the {first:subject} {link} the {second}{gap}",
    },
    endings={
        "mood": " {adverb} {answer} {mood}.",
        "very": " {adverb} {answer} very {mood}.",
        "so": " {adverb} {answer} so {mood}.",
        "and": " {adverb} {answer} {mood} and {look}.",
        "too": " {adverb} {answer} too {mood}.",
    },
    draw=draw_subject,
    words_for=lambda slots, gold: {
        "link": slots[f"link_{gold}"],
        "answer": "were" if slots[gold] in SINGULAR else "was",
    },
    gaps=lexicon.PLACE_GAPS,
    change_attribute=change_number,
)
SUBJECT_VERB = Task(
    "subject_verb",
    question="which of two nouns is a verb's subject",
    share=2,
    counterfactual_kind="verb",
    templates=(ATTRACTOR, replace(ATTRACTOR, name="auxiliary", draw=draw_alike, measured=False)),
)


def draw_recall(rng: Random, cast: Cast) -> Slots:
    first, second = cast.two_names(rng)
    first_trade, second_trade = pick_two(rng, lexicon.TRADES)
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "place": pick(rng, lexicon.PLACES),
        "first": first,
        "second": second,
        "first_trade": first_trade[0],
        "second_trade": second_trade[0],
    }


RECALL = Task(
    "recall",
    question="a pair of words, seen once",
    role="key_value",
    share=2,
    counterfactual_kind="cue",
    templates=(
        Template(
            "trade",
            key="cue",
            openings={
                "met": "{opener} we met {first_trade} {first} and {second_trade} {second}.",
                "chess": "{opener} {first_trade} {first:subject} played chess with {second_trade} {second}.",
                "lunch": "{opener} {first_trade} {first:subject} had lunch with {second_trade} {second}.",
                "helped": "{opener} {first_trade} {first:subject} helped {second_trade} {second} at the {place}.",
                "saw": "{opener} we met {first_trade} {first} with {second_trade} {second}.",
            },
            endings={
                "asked": " We asked {cue} {answer}.",
                "sat": " Later we sat with {cue} {answer}.",
                "forgot": " Nobody forgot {cue} {answer}.",
                "thanked": " At night we thanked {cue} {answer}.",
                "later asked": " Later we asked {cue} {answer}.",
            },
            draw=draw_recall,
            open=True,
            words_for=lambda slots, gold: {"cue": slots[f"{gold}_trade"], "answer": slots[gold]},
            questions=3,
        ),
    ),
)


# For each number of other words: how many of them stand before the first candidate, and before the second.
PLACES_OF_TWO = {n: [(i, j) for i in range(1, n) for j in range(i + 1, n + 1)] for n in (2, 3, 4, 5)}
LISTED = lexicon.CAST.things + lexicon.CAST.ambiguous


def draw_words(rng: Random, cast: Cast) -> Slots:
    """A list of 4 to 7 words. The candidates are two of them, neither first nor next to each other."""
    first, second = cast.two_words(rng, cast.things)
    others = [word for word in LISTED if word not in (first, second)]
    words = [others.pop(int(rng.random() * len(others))) for _ in range(pick(rng, (2, 3, 4, 5)))]
    i, j = pick(rng, PLACES_OF_TWO[len(words)])
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "name": cast.name(rng, pick(rng, GENDERS), cast.is_open(rng)),
        "first": first,
        "second": second,
        "head": " ".join(words[:i]),
        "middle": " ".join(words[i:j]),
        "tail": "".join(f" {word}" for word in words[j:]),
    }


def next_words(slots: Slots, gold: str) -> Slots:
    before, after = ("head", f" {slots['middle']}") if gold == "first" else ("middle", slots["tail"])
    return {"cue": slots[before].split()[-1], "answer": slots[gold], "rest": after}


def words_that_could_follow(slots: Slots) -> int:
    """All words of the list but the first and the cue. Of made-up ones there are two: those stand out as candidates."""
    if slots["first"] not in LISTED:
        return 2
    return len(slots["head"].split() + slots["middle"].split() + slots["tail"].split())


LIST = "{head} {first} {middle} {second}{tail}"

COPYING = Task(
    "copying",
    question="which word came next in a list, when it is said again",
    share=2,
    counterfactual_kind="cue",
    templates=(
        Template(
            "list",
            key="cue",
            openings={
                "sang": "{opener} {name} sang " + LIST + ".",
                "said": "{opener} {name} said " + LIST + ".",
                "heard": "{opener} we heard " + LIST + ".",
                "wrote": "{opener} {name} wrote " + LIST + ".",
                "we said": "{opener} we said " + LIST + ".",
            },
            endings={
                "again": " Then again {cue} {answer}{rest}.",
                "we": " Later we sang {cue} {answer}{rest}.",
                "all": " Soon everyone said {cue} {answer}{rest}.",
                "once": " At night we said {cue} {answer}{rest}.",
                "then": " Then everyone sang {cue} {answer}{rest}.",
            },
            draw=draw_words,
            open=True,
            words_for=next_words,
            questions=2,
            n_choices=words_that_could_follow,
        ),
    ),
)


def draw_sentence(rng: Random, cast: Cast) -> Slots:
    (doer, _), (other, _) = pick_two(rng, cast.nouns)
    doer_adjective, other_adjective = pick_two(rng, ("", *lexicon.OLIN_ADJECTIVES))
    return {
        "opener": pick(rng, lexicon.OPENERS),
        "verb": pick(rng, tuple(lexicon.OLIN_VERBS)),
        "doer": doer,
        "other": other,
        "doer_adjective": doer_adjective and f"{doer_adjective} ",
        "other_adjective": other_adjective and f"{other_adjective} ",
    }


def translation_words(slots: Slots, gold: str) -> Slots:
    foil = "other" if gold == "doer" else "doer"
    adjectives = (lexicon.OLIN_ADJECTIVES.get(slots[f"{name}_adjective"].strip()) for name in (gold, foil))
    answer_adjective, rest_adjective = (f" {word}" if word else "" for word in adjectives)
    return {
        "cue": lexicon.DOER_FIRST if gold == "doer" else lexicon.OTHER_FIRST,
        "olin_verb": lexicon.OLIN_VERBS[slots["verb"]],
        "answer": lexicon.OLIN_NOUNS[slots[gold]],
        "answer_adjective": answer_adjective,
        "rest": lexicon.OLIN_NOUNS[slots[foil]],
        "rest_adjective": rest_adjective,
    }


def olin_links(gold: str) -> tuple[tuple[str, str], ...]:
    """(slot of an Olin word, slot of the English word it translates)."""
    foil = "other" if gold == "doer" else "doer"
    return (
        ("olin_verb", "verb"),
        ("answer", gold),
        ("answer_adjective", f"{gold}_adjective"),
        ("rest", foil),
        ("rest_adjective", f"{foil}_adjective"),
    )


OLIN = "{olin_verb} {cue} {answer}{answer_adjective} {rest}{rest_adjective}."

SENTENCE = Template(
    "sentence",
    key="cue",
    candidates=("doer", "other"),
    openings={
        "active": "{opener} the {doer_adjective}{doer:subject} {verb} the {other_adjective}{other}.",
        "then active": "{opener} then the {doer_adjective}{doer:subject} {verb} the {other_adjective}{other}.",
        "passive": "{opener} the {other_adjective}{other:subject} was {verb} by the {doer_adjective}{doer}.",
        "then passive": "{opener} then the {other_adjective}{other:subject} was {verb} by the {doer_adjective}{doer}.",
        "again": "{opener} the {other_adjective}{other:subject} again was {verb} by the {doer_adjective}{doer}.",
    },
    endings={
        "in": " In Olin " + OLIN,
        "say": " In Olin we say " + OLIN,
        "is": " In Olin that is " + OLIN,
        "one says": " In Olin everyone says " + OLIN,
        "it is": " In Olin it is " + OLIN,
    },
    draw=draw_sentence,
    words_for=translation_words,
    gaps=(),
    questions=1,
    links=olin_links,
)
WORD = Template(
    "word",
    key="cue",
    candidates=("doer", "other"),
    openings={
        "saw": "{opener} we saw the {doer_adjective}{doer}.",
        "found": "{opener} we found the {doer_adjective}{doer}.",
        "met": "{opener} we met the {doer_adjective}{doer}.",
    },
    endings={
        "in": " In Olin {answer}{answer_adjective}.",
        "that": " In Olin that is {answer}{answer_adjective}.",
        "say": " In Olin we say {answer}{answer_adjective}.",
    },
    draw=draw_sentence,
    words_for=lambda slots, gold: translation_words(slots, "doer"),
    gaps=(),
    measured=False,
)
TRANSLATION = Task(
    "translation",
    question="a particle says who is named first in a made-up language",
    role="alignment",
    share=2,
    counterfactual_kind="cue",
    templates=(SENTENCE, WORD),
)
