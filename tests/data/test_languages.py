"""Word lists of languages are files; what has none is refused in one line."""

import pytest

from common.errors import InputError
from data.languages import known_languages, load_language


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
