"""Pronouns and function words, a small TOML file a language: what counts as one is data, not code."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Language:
    """Words in lower case. ``function_words`` has the pronouns in it."""

    name: str
    pronouns: frozenset[str]
    function_words: frozenset[str]


def known_languages() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_language(name: str) -> Language:
    """The words of a language; raises InputError for one that has no file here."""
    if name not in known_languages():
        known = ", ".join(known_languages())
        raise InputError(f"language={name}: there are word lists for {known}; give one of these, or null for none")
    lists = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    pronouns, others = (frozenset(lists[key].split()) for key in ("pronouns", "function_words"))
    return Language(name, pronouns, pronouns | others)
