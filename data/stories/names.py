"""Names and words that are spelled anew: first names of real people, and millions that are made up.

A model that met the forty names of the lexicon only would learn to choose among them. Names that occur once, spelled in
several tokens, leave it nothing but to copy whoever is meant. A name shows its gender by its last letter: women's names
end in *a* or *e*, men's in a consonant, *o* or *u*.
"""

from collections.abc import Sequence
from functools import cache
from random import Random
from zlib import crc32

from data.languages import load_language
from data.stories.drawing import pick

GENDERS = ("man", "woman")
REAL = 0.2  # the share of real names
UNSEEN_BUCKETS, BUCKETS = 3, 20  # their ratio: the share of names and made-up words that training never has

CONSONANTS = "b b c d d f g h h j j k k k l l l l m m m m n n n n p p q r r r r s s s s t t t v v w x y z".split()
CLUSTERS = (
    "bh bl br ch chr cl cr dh dj dr dv dz fj fl fr gh gl gn gr gw hl hr hy kh kl kn kr ks kw ky lh ll mb mp nd ng nk "
    "ny ph pl pr ps qu rh sc sch sh shr sk sl sm sn sp st str sv sw th thr tl tr ts tw tz vl vr wh wr zh zl zv"
).split()
VOWELS = "a a e e i i o o u u y".split()
VOWEL_PAIRS = "aa ae ai ao au ay ea ee ei eo eu ey ia ie io iu oa oe oi oo ou oy ua ue ui uo ya ye yo yu".split()
CODAS = (
    "l m n n n r r s s t b c ch ck d f g h j k l ll ld lm m mb n nn nd ng nk nt p q r rd rk rl rm rn rt s sh sk ss st "
    "t th v w x z"
).split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ENDS = {
    "woman": "a a a a ia ia na la ra ka ya e e ie elle ette ine".split(),
    "man": "o o u b ck d f g k l ld m n n nd r r rt s s sh st t th v x z ik us or er an".split(),
}
SYLLABLES = (1, 1, 2, 2, 2, 2, 3, 3)
SHORTEST, LONGEST = 3, 10  # letters
MISSPELT = 0.15  # the share of made-up words in which one letter is drawn from all: so every pair of letters occurs


def spell(rng: Random, ends: Sequence[str] | None = None) -> str:
    """A made-up word in lower case, which ends in one of ``ends`` if they are given."""
    n = pick(rng, SYLLABLES)
    word = "" if rng.random() < 0.15 else pick(rng, CLUSTERS if rng.random() < 0.2 else CONSONANTS)
    for i in range(n):
        word += pick(rng, VOWEL_PAIRS if rng.random() < 0.15 else VOWELS)
        if i < n - 1:
            word += pick(rng, CODAS) if rng.random() < 0.2 else ""
            word += pick(rng, CLUSTERS if rng.random() < 0.1 else CONSONANTS)
    if rng.random() < MISSPELT:
        at = int(rng.random() * len(word))
        word = word[:at] + pick(rng, LETTERS) + word[at + 1 :]
    if ends is None:
        return word + (pick(rng, CODAS) if rng.random() < 0.6 else "")
    end = pick(rng, ends)
    if end[0] in "aeiouy":
        word = word.rstrip("aeiouy") or word
    return word + end


def is_unseen(word: str) -> bool:
    """Whether training never has this made-up word or name."""
    return crc32(word.lower().encode()) % BUCKETS < UNSEEN_BUCKETS


@cache
def first_names() -> dict[str, str]:
    """The first names of real people, and "he" or "she" for each."""
    return load_language("en").people.first_names


@cache
def real_names(gender: str, unseen: bool) -> list[str]:
    """The first names of real people of one gender (data/languages) that training has, or never has; only those with a
    last letter that shows it.
    """
    wanted, letters = "he" if gender == "man" else "she", {end[-1] for end in ENDS[gender]}
    return [
        name
        for name, given in first_names().items()
        if given == wanted and name[-1] in letters and is_unseen(name) == unseen
    ]


def open_name(rng: Random, gender: str, unseen: bool) -> str:
    """A real or a made-up name whose last letter shows the gender; ``unseen``: one that training never has."""
    if rng.random() < REAL:
        return pick(rng, real_names(gender, unseen))
    while (name := open_word(rng, unseen, ENDS[gender]).capitalize()) in first_names():
        pass
    return name


def open_word(rng: Random, unseen: bool, ends: Sequence[str] | None = None) -> str:
    """A made-up word in lower case, which ends in one of ``ends`` if they are given; ``unseen``: that training never
    has.
    """
    while True:
        word = spell(rng, ends)
        if SHORTEST <= len(word) <= LONGEST and is_unseen(word) == unseen:
            return word
