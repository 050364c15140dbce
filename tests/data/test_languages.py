"""Word lists of languages are files; what has none is refused in one line."""

import pytest

from common.errors import InputError
from data.languages import People, known_languages, load_language


@pytest.mark.parametrize("name", known_languages())
def test_words_are_lower_case_without_apostrophes_and_pronouns_are_function_words(name):
    language = load_language(name)
    assert language.pronouns
    assert language.pronouns < language.function_words
    assert all(word.isalpha() and word == word.casefold() for word in language.function_words)


def test_english_has_what_everybody_expects():
    english = load_language("en")
    assert {"he", "she", "it", "them"} <= english.pronouns
    assert {"the", "of", "and", "not"} <= english.function_words - english.pronouns


@pytest.mark.parametrize("name", ["tlh", "../en", ""])
def test_a_language_without_lists_is_refused(name):
    with pytest.raises(InputError, match=r"there are word lists for en; give one of these, or null"):
        load_language(name)


@pytest.mark.parametrize(
    ("lists", "foils"),
    [
        ({}, {}),
        ({"she": {"pronouns": "elle la"}}, {}),
        ({"she": {"pronouns": "hän"}, "he": {"pronouns": "hän"}}, {}),
        (
            {"she": {"pronouns": "elle la"}, "he": {"pronouns": "il le"}},
            {"elle": "il", "il": "elle", "Elle": "Il", "Il": "Elle"},
        ),
    ],
)
def test_cases_ask_for_the_first_pronouns_of_women_and_men(lists, foils):
    assert People(lists).foils == foils
