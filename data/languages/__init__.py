"""The words of a language, a TOML file each: what is a pronoun, a function word or a woman's name is data, not code."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from common.errors import InputError

FOLDER = Path(__file__).parent
GENDERS, ANY = ("she", "he"), ("titles", "not_names", "before_places", "inside_names")


class People:
    """The words about people of one language. ``titles``, ``nouns``, ... give "she", "he" or, for titles, "".

    ``foils``: *he* for *she* and *she* for *he*, the pronouns that cases ask for; empty where a language has no such
    two. ``lists``: a language's file, or {}: names are then known by their capitals alone, and have no gender.
    """

    def __init__(self, lists: Mapping[str, Any]) -> None:
        def gendered(kind: str) -> dict[str, str]:
            return {word: gender for gender in GENDERS for word in lists.get(gender, {}).get(kind, "").split()}

        self.first_names, self.pronouns, self.nouns = map(gendered, ("first_names", "pronouns", "nouns"))
        titles, *others = (lists.get("any", {}).get(kind, "").split() for kind in ANY)
        self.titles = dict.fromkeys(titles, "") | gendered("titles")
        self.not_names, self.before_places, self.inside_names = map(frozenset, others)
        first = {gender: word for word, gender in reversed(self.pronouns.items())}.values()
        self.foils = dict(permutations(first, 2)) | dict(permutations(map(str.capitalize, first), 2))


@dataclass(frozen=True)
class Language:
    """``pronouns`` and ``function_words`` are in lower case; the latter have the former in them."""

    name: str
    pronouns: frozenset[str]
    function_words: frozenset[str]
    people: People


def known_languages() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_language(name: str) -> Language:
    """The words of a language; raises InputError for one that has no file here."""
    if name not in known_languages():
        known = ", ".join(known_languages())
        raise InputError(f"language={name}: there are word lists for {known}; give one of these, or null for none")
    lists = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    pronouns, others = (frozenset(lists[key].split()) for key in ("pronouns", "function_words"))
    return Language(name, pronouns, pronouns | others, People(lists))
