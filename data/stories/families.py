"""The families of stories. Each is data: frames with slots, and a draw of the words that fill them.

In every family there are two candidates and, for each of them, a *key*: the one word that points to it. A story uses
one candidate's key, and a later word, the answer, is that candidate. The twin of a story uses the other key.
To add a family: write its openings and endings, a ``draw``, and add it to FAMILIES.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from data.stories import lexicon


def pick(rng: Random, words: Sequence[str]) -> str:
    """``rng.choice``, three times as fast: stories are drawn by the million."""
    return words[int(rng.random() * len(words))]


def pick_two(rng: Random, words: Sequence[str]) -> tuple[str, str]:
    """Two different words, in random order."""
    i, j = int(rng.random() * len(words)), int(rng.random() * (len(words) - 1))
    return words[i], words[j + (j >= i)]


@dataclass(frozen=True)
class Draw:
    """Words for one story: ``slots`` by name, and for each of the two candidate slots the key that points to it."""

    slots: Mapping[str, str]
    keys: Mapping[str, str]

    def pair(self) -> tuple[str, ...]:
        """The two candidates, in an order that does not depend on their places: what splits keep apart."""
        return tuple(sorted(self.slots[name] for name in self.keys))


@dataclass(frozen=True)
class Family:
    """A story is an opening and an ending; any opening goes with any ending, and the two together are its frame.

    ``key_slot`` is where the key stands, ``pronoun`` or ``cue``; ``twin_kind`` names what the twin changes there.
    """

    name: str
    key_slot: str
    twin_kind: str
    openings: Mapping[str, str]
    endings: Mapping[str, str]
    draw: Callable[[Random], Draw]


def draw_agreement(rng: Random) -> Draw:
    first, second = pick(rng, lexicon.MEN), pick(rng, lexicon.WOMEN)
    keys = {"first": "He", "second": "She"}
    if rng.random() < 0.5:
        first, second, keys = second, first, {"first": "She", "second": "He"}
    slots = {
        "first": first,
        "second": second,
        "opener": pick(rng, lexicon.OPENERS),
        "place": pick(rng, lexicon.PLACES),
        "mood": pick(rng, lexicon.MOODS),
        "thing": pick(rng, lexicon.THINGS),
    }
    return Draw(slots, keys)


AGREEMENT = Family(
    "agreement",
    key_slot="pronoun",
    twin_kind="gender",
    openings={
        "met": "{opener} {first} met {second} at the {place}.",
        "walked": "{opener} {first} walked to the {place} with {second}.",
        "sat": "{opener} {first} sat next to {second} at the {place}.",
        "saw": "{opener} {first} saw {second} near the {place}.",
        "played": "{opener} {first} and {second} played at the {place}.",
        "waited": "{opener} {first} waited for {second} at the {place}.",
    },
    endings={
        "called": " {pronoun} was {mood}, so we called {answer}.",
        "named": " {pronoun} said, my name is {answer}.",
        "owned": " {pronoun} had a {thing}, and we gave some paint to {answer}.",
        "thanked": " {pronoun} sang a song, and everyone thanked {answer}.",
        "woke": " {pronoun} fell asleep, so we woke {answer}.",
        "letter": " {pronoun} lost the {thing}, so we wrote to {answer}.",
    },
    draw=draw_agreement,
)


def draw_cue(rng: Random) -> Draw:
    slots = {"animal": pick(rng, lexicon.ANIMALS), "way": pick(rng, lexicon.WAYS), "pronoun": "it"}
    return Draw(slots, {"animal": pick(rng, lexicon.ANIMAL_CUES), "way": pick(rng, lexicon.WAY_CUES)})


CUE = Family(
    "cue",
    key_slot="cue",
    twin_kind="cue",
    openings={
        "cross": "The {animal} did not cross the {way} because {pronoun} was {cue}.",
        "away": "The {animal} stayed away from the {way} because {pronoun} was {cue}.",
        "back": "The {animal} turned back at the {way} because {pronoun} was {cue}.",
        "stopped": "The {way} stopped the {animal} because {pronoun} was {cue}.",
        "slowed": "The {way} was too much for the {animal} because {pronoun} was {cue}.",
        "wrong": "The {way} was the wrong place for the {animal} because {pronoun} was {cue}.",
    },
    endings={
        "looked": " So we all looked at the {answer}.",
        "talked": " Later the children talked about the {answer}.",
        "song": " I made a little song about the {answer}.",
        "photo": " Anna took a photo of the {answer}.",
        "pointed": " Everyone pointed at the {answer}.",
        "forgot": " Nobody forgot the {answer} that day.",
    },
    draw=draw_cue,
)


RECALL_ENDINGS = {
    "cake": " Then we gave some cake to {cue} {answer}.",
    "asked": " We asked {cue} {answer}.",
    "sat": " Later we sat with {cue} {answer}.",
    "forgot": " Nobody forgot {cue} {answer}.",
    "thanked": " At night we thanked {cue} {answer}.",
    "photo": " I took a photo of {cue} {answer}.",
}


def draw_recall(rng: Random) -> Draw:
    first, second = pick_two(rng, lexicon.PEOPLE)
    first_trade, second_trade = pick_two(rng, lexicon.TRADES)
    fillers = [" " + pick(rng, lexicon.FILLERS) for _ in range(int(rng.random() * 3))]
    # More questions behind the one that counts: every word that needs recall is one more chance to learn it.
    facts = ({"cue": first_trade, "answer": first}, {"cue": second_trade, "answer": second})
    more = [pick(rng, tuple(RECALL_ENDINGS.values())).format_map(pick(rng, facts)) for _ in range(2)]
    slots = {
        "first": first,
        "second": second,
        "first_trade": first_trade,
        "second_trade": second_trade,
        "opener": pick(rng, lexicon.OPENERS),
        "filler": "".join(fillers),
        "more": "".join(more),
    }
    return Draw(slots, {"first": first_trade, "second": second_trade})


RECALL = Family(
    "recall",
    key_slot="cue",
    twin_kind="cue",
    openings={
        "met": "{opener} we met {first_trade} {first} and {second_trade} {second}.{filler}",
        "chess": "{opener} {first_trade} {first} played chess with {second_trade} {second}.{filler}",
        "lunch": "{opener} {first_trade} {first} had lunch with {second_trade} {second}.{filler}",
        "letter": "{opener} {first_trade} {first} wrote a letter to {second_trade} {second}.{filler}",
        "market": "{opener} we saw {first_trade} {first} at the market with {second_trade} {second}.{filler}",
        "helped": "{opener} {first_trade} {first} helped {second_trade} {second}.{filler}",
    },
    endings={name: ending + "{more}" for name, ending in RECALL_ENDINGS.items()},
    draw=draw_recall,
)

FAMILIES = {family.name: family for family in (AGREEMENT, CUE, RECALL)}
