"""The words that stories are made of, and who draws them.

Each one is a single token once BPE has been trained on the stories, except those that are spelled anew (names.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from data.stories.drawing import Item, pick
from data.stories.names import GENDERS, open_name, open_word


@dataclass(frozen=True)
class Cast:
    """The words that a story can be about: its candidates are drawn from here.

    ``persons`` and ``beasts`` are (one, many). ``ambiguous`` name an animal or a made thing, as what they do shows;
    ``ambiguous_places`` a part of a water or of a firm, as their owner shows. In a share ``open_share`` of the stories,
    names and the words of ``two_words`` are spelled anew; if ``unseen``, as training never has them.
    """

    men: tuple[str, ...]
    women: tuple[str, ...]
    persons: tuple[tuple[str, str], ...]
    beasts: tuple[tuple[str, str], ...]
    animals: tuple[str, ...]
    ways: tuple[str, ...]
    things: tuple[str, ...]
    boxes: tuple[str, ...]
    ambiguous: tuple[str, ...]
    ambiguous_places: tuple[str, ...]
    seats: tuple[str, ...]
    open_share: float = 0.0
    unseen: bool = False

    @cached_property
    def people(self) -> tuple[str, ...]:
        return self.men + self.women

    @cached_property
    def nouns(self) -> tuple[tuple[str, str], ...]:
        return self.persons + self.beasts

    def is_open(self, rng: Random) -> bool:
        """Whether the candidates of the next story are spelled anew: both or neither, so that being known never shows
        which one is meant.
        """
        return rng.random() < self.open_share

    def name(self, rng: Random, gender: str, spelled: bool) -> str:
        """The name of a "man" or a "woman", ``spelled`` anew or known."""
        if spelled:
            return new(lambda: open_name(rng, gender, self.unseen))
        return pick(rng, self.men if gender == "man" else self.women)

    def person(self, rng: Random, gender: str, spelled: bool, titled: float) -> tuple[str, str]:
        """A title with a space after it, or nothing, and a name. After a title, a name that is spelled anew need not
        show its gender.
        """
        if rng.random() >= titled:
            return "", self.name(rng, gender, spelled)
        title = pick(rng, TITLES[gender])
        name = new(lambda: open_word(rng, self.unseen).capitalize()) if spelled else self.name(rng, gender, spelled)
        return f"{title} ", name

    def two_names(self, rng: Random) -> tuple[str, str]:
        """Two names that begin with different letters, so that their first tokens differ."""
        spelled = self.is_open(rng)
        return draw_two(lambda i: self.name(rng, pick(rng, GENDERS), spelled), str)

    def two_people(self, rng: Random, one: str, other: str, titled: float) -> tuple[tuple[str, str], tuple[str, str]]:
        """Title and name of two people of these genders, a share of whom is ``titled``; the names begin with different
        letters.
        """
        spelled = self.is_open(rng)
        return draw_two(lambda i: self.person(rng, (one, other)[i], spelled, titled), lambda person: person[1])

    def two_words(self, rng: Random, words: tuple[str, ...]) -> tuple[str, str]:
        """Two of ``words``, or two made-up ones, that begin with different letters."""
        if self.is_open(rng):
            return draw_two(lambda i: new(lambda: open_word(rng, self.unseen)), str)
        return draw_two(lambda i: pick(rng, words), str)


def new(draw: Callable[[], str]) -> str:
    """What ``draw`` returns first that is no word of the lexicon."""
    while (word := draw()) in TAKEN:
        pass
    return word


def draw_two(draw: Callable[[int], Item], word: Callable[[Item], str]) -> tuple[Item, Item]:
    """``draw(0)`` and ``draw(1)``, such that what ``word`` makes of them begins with different letters."""
    one, other = draw(0), draw(1)
    while word(one)[0] == word(other)[0]:
        other = draw(1)
    return one, other


TITLED = 0.25  # the share of people without a trade who have a title
TITLES = {
    "man": ("Mr", "king", "uncle", "prince", "sir", "lord"),
    "woman": ("Mrs", "queen", "aunt", "princess", "lady", "Miss"),
}


CAST = Cast(
    men=tuple("Tom Ben Sam Max Leo Jack Paul Adam Noah Luke Mark Fred Carl Hugo Otto Ivan Omar Theo Finn Erik".split()),
    women=tuple(
        "Anna Mary Lucy Emma Rose Jane Ella Nina Sara Lily Kate Amy Mia Zoe Eva Ruth Clara Nora Ida Olga".split()
    ),
    persons=(
        ("girl", "girls"),
        ("boy", "boys"),
        ("king", "kings"),
        ("guest", "guests"),
        ("nurse", "nurses"),
        ("clown", "clowns"),
        ("prince", "princes"),
        ("uncle", "uncles"),
    ),
    beasts=(
        ("dog", "dogs"),
        ("cat", "cats"),
        ("cow", "cows"),
        ("goat", "goats"),
        ("rabbit", "rabbits"),
        ("bird", "birds"),
        ("horse", "horses"),
        ("fox", "foxes"),
    ),
    animals=tuple("animal dog cat horse cow fox sheep goat rabbit donkey goose bear wolf deer camel".split()),
    ways=tuple("road street bridge river field path hill forest tunnel lake meadow swamp valley beach".split()),
    things=tuple("drum kite ball lamp doll book coat boat cup hat bell vase clock flute mirror spoon".split()),
    boxes=tuple("box bag basket chest trunk crate barrel jar pot drawer sack tin bowl bin pouch purse".split()),
    ambiguous=tuple("bat seal crane mouse jaguar beetle bug ram".split()),
    ambiguous_places=("bank", "branch", "head", "arm"),
    seats=tuple("mat rug sofa bench pillow chair cushion blanket carpet couch".split()),
    open_share=0.6,
)

# They occur in training too, but only in passing: no ordinary story is about them. The split `new_role` is.
HELD_OUT_WORDS = Cast(
    men=("Dan", "Joe", "Pete"),
    women=("Tina", "Vera", "Joan"),
    persons=(("queen", "queens"),),
    beasts=(("pig", "pigs"), ("hen", "hens")),
    animals=("pig", "hen", "mule"),
    ways=("canyon", "desert", "harbor"),
    things=("ring", "rope", "shoe"),
    boxes=("bucket", "case", "tub"),
    ambiguous=("cobra", "python", "monitor"),
    ambiguous_places=("mouth", "bed", "foot"),
    seats=("stool", "hammock"),
)
# Every name, and every thing whose kind does not matter, is one that training never has.
UNSEEN = replace(CAST, open_share=1.0, unseen=True)

OPENERS = ("One day", "Last week", "This morning", "In spring", "After lunch", "Long ago", "", "", "")
PLACES = tuple("park market garden school station library museum castle".split())
MOODS = tuple("tired hungry happy sad angry cold thirsty lonely".split())
LOOKS = tuple("wet dirty cold clean quiet dry warm shiny".split())

# What people are and what they did because of it: drawn anew in every story.
TRADES = (
    ("baker", "baked"),
    ("singer", "sang"),
    ("painter", "painted"),
    ("driver", "drove"),
    ("teacher", "taught"),
    ("sailor", "sailed"),
    ("hunter", "hunted"),
    ("dancer", "danced"),
    ("writer", "wrote"),
    ("farmer", "farmed"),
    ("rider", "rode"),
    ("climber", "climbed"),
)

# "Tom amazed Ben because he ...": he is Tom. "Tom thanked Ben because he ...": he is Ben (Garvey & Caramazza 1974).
BLAMES_DOER = tuple("amazed annoyed frightened surprised bored impressed charmed upset".split())
BLAMES_OTHER = tuple("thanked praised admired scolded blamed punished hired fired".split())
TRAITS = tuple("kind loud late new clever slow young funny".split())

DID_NOT = ("did not", "didn't")
TOO_OR_NOT = ("", "too ")
DEGREES = ("", "", "so ", "very ")
ANIMAL_CUES = tuple("tired hungry sleepy scared thirsty lazy sick nervous".split())
SEAT_CUES = tuple("soft warm comfortable smooth".split())
WAY_CUES = tuple("wide muddy icy flooded narrow slippery steep dusty".split())
PREY_CUES = tuple("weak shy tiny".split())
HUNTER_CUES = tuple("fierce strong wild".split())

LINKS_NEAR = tuple("near behind beside with".split())
LINKS_CLAUSE = tuple("said knew hoped thought".split())
ADVERBS = tuple("really often always never still once".split())

# What only animals do, and what only made things do: it shows which sense an ambiguous word has.
WILD_DEEDS = tuple("flew swam slept jumped drank yawned grew dug sneezed crawled barked".split())
MADE_DEEDS = tuple("rusted cracked leaked bent melted faded shone snapped tore creaked".split())

# Whose it is shows which sense a place has.
WATERS = tuple("river lake stream creek pond sea".split())
FIRMS = tuple("firm town company city state club".split())

# Olin, a language that nobody speaks. Its verb comes first, its adjectives after their nouns, and a small word after
# the verb says who is named first: "ka" the one who acts, "mo" the one to whom it is done.
OLIN_NOUNS = {
    "girl": "lumi",
    "boy": "taro",
    "king": "vesk",
    "guest": "reki",
    "nurse": "duvo",
    "clown": "yup",
    "prince": "sorn",
    "uncle": "veli",
    "dog": "bano",
    "cat": "miru",
    "cow": "gola",
    "goat": "zeki",
    "rabbit": "pilu",
    "bird": "fani",
    "horse": "tulo",
    "fox": "rima",
    "queen": "halu",
    "pig": "nuba",
    "hen": "kirt",
}
OLIN_VERBS = {"helped": "sil", "followed": "kor", "heard": "mek", "called": "tam", "pushed": "dun", "liked": "pav"}
OLIN_ADJECTIVES = {"old": "oska", "small": "ibi", "happy": "yuna", "quiet": "elu"}
DOER_FIRST, OTHER_FIRST = "ka", "mo"

# Nobody and nothing in them could be he, she, it or they.
GAPS = (
    " We sat down.",
    " We had to wait.",
    " Soon we laughed.",
    " Then we waited.",
    " So we stayed.",
    " Later we went on.",
)
PLACE_GAPS = tuple(
    f" {where} the {place}" for where, place in zip(("at", "near", "by", "behind") * 2, PLACES, strict=True)
)


def distractor_sentences() -> tuple[str, ...]:
    """Sentences with a held-out word each, for the end of a story, where nothing refers to them."""
    things = (
        *HELD_OUT_WORDS.animals,
        *HELD_OUT_WORDS.ways,
        *HELD_OUT_WORDS.things,
        *HELD_OUT_WORDS.boxes,
        *HELD_OUT_WORDS.ambiguous,
        *HELD_OUT_WORDS.ambiguous_places,
        *HELD_OUT_WORDS.seats,
    )
    sentences = [f" We waved to {person}." for person in HELD_OUT_WORDS.people]
    sentences += [f" {person} was late." for person in HELD_OUT_WORDS.people]
    sentences += [f" We saw the {thing}." for thing in things]
    sentences += [f" The {many} were happy." for _, many in HELD_OUT_WORDS.nouns]
    sentences += [f" The {one} was happy." for one, _ in HELD_OUT_WORDS.nouns]
    sentences += [f" In Olin a {one} is a {OLIN_NOUNS[one]}." for one, _ in HELD_OUT_WORDS.nouns]
    return tuple(dict.fromkeys(sentences))


def words_of(value: object) -> Iterator[str]:
    """All words in texts, and in tuples of them."""
    for part in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
        yield from part.split() if isinstance(part, str) else words_of(part)


# Words of the templates themselves.
PLAIN = (
    "about again all and asked asleep away because but call called chess cross down drew everyone fell fit for forgot "
    "found from have heard helped hold into know laughed lost made maybe met missed much name next night nobody not "
    "olin over please pleased played rained ran saw say says song soon stayed stood stopped talked that the then think "
    "too very wait waited walked was waved well were woke you"
)
# What nothing that is spelled anew may be: a word that stories have anyway.
TAKEN = frozenset(
    word
    for value in (
        *(*vars(CAST).values(), *vars(HELD_OUT_WORDS).values()),
        *(PLAIN, GAPS, OPENERS, PLACES, MOODS, LOOKS, TRADES, TRAITS, BLAMES_DOER, BLAMES_OTHER),
        *(ANIMAL_CUES, SEAT_CUES, WAY_CUES, PREY_CUES, HUNTER_CUES, LINKS_NEAR, LINKS_CLAUSE, ADVERBS),
        *(WILD_DEEDS, MADE_DEEDS, WATERS, FIRMS, DOER_FIRST, OTHER_FIRST),
        *(tuple(words.values()) for words in (OLIN_NOUNS, OLIN_VERBS, OLIN_ADJECTIVES)),
    )
    for word in words_of(value)
)
