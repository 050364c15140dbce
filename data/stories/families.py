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


def draw_recall(rng: Random) -> Draw:
    first, second = pick_two(rng, lexicon.PEOPLE)
    first_thing, second_thing = pick_two(rng, lexicon.THINGS)
    n_fillers = int(rng.random() * 3)
    slots = {
        "first": first,
        "second": second,
        "first_thing": first_thing,
        "second_thing": second_thing,
        "opener": pick(rng, lexicon.OPENERS),
        "filler": "".join(" " + pick(rng, lexicon.FILLERS) for _ in range(n_fillers)),
    }
    return Draw(slots, {"first": first_thing, "second": second_thing})


RECALL = Family(
    "recall",
    key_slot="cue",
    twin_kind="cue",
    openings={
        "bought": "{opener} we bought a {first_thing} for {first} and a {second_thing} for {second}.{filler}",
        "made": "{opener} we made a {first_thing} for {first} and a {second_thing} for {second}.{filler}",
        "was": "{opener} we saw the {first_thing} of {first} and the {second_thing} of {second}.{filler}",
        "found": "{opener} we found the {first_thing} for {first}, but not the {second_thing} for {second}.{filler}",
        "drew": "{opener} we drew a {first_thing} with {first} and a {second_thing} with {second}.{filler}",
        "carried": "{opener} we carried a {first_thing} to {first} and a {second_thing} to {second}.{filler}",
    },
    endings={
        "thought": " When I see a {cue}, I think of {answer}.",
        "reminds": " Now every {cue} reminds me of {answer}.",
        "asked": " If you like the {cue}, ask {answer}.",
        "belongs": " Remember, the {cue} belongs to {answer}.",
        "about": " To hear about the {cue}, talk to {answer}.",
        "note": " On the {cue} was a note from {answer}.",
    },
    draw=draw_recall,
)

FAMILIES = {family.name: family for family in (AGREEMENT, CUE, RECALL)}
