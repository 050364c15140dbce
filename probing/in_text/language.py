"""Whether a text is in the language whose pronouns and function words are kinds of its tokens.

Other languages share some of the words, such as *i* and *me*, which mean something else there.
"""

import numpy as np

from data import Tokenizer
from data.languages import Language, load_language
from probing.in_text.kinds import Reading

LEAST = 0.2  # of all words that are function words; English prose has 0.4 to 0.5
MOST_WINDOWS = 32  # more say the same


def share_of_function_words(tokens: np.ndarray, tokenizer: Tokenizer, language: Language) -> float:
    """Of the words in windows ``tokens`` [N, T + 1], numbers and those at a window's edges aside; 1 without any."""
    some = np.linspace(0, len(tokens) - 1, min(len(tokens), MOST_WINDOWS)).astype(int)
    words = [
        word for window in tokens[some] for word in Reading(window, tokenizer).words[1:-1] if not word[0].isdigit()
    ]
    return sum(word.casefold() in language.function_words for word in words) / len(words) if words else 1.0


def known_language(name: str | None, tokenizer: Tokenizer) -> Language | None:
    """The language ``name``, if there is one and tokens stand for text; raises InputError for one that is unknown."""
    return load_language(name) if name and tokenizer.has_text else None


def language_of(tokens: np.ndarray, tokenizer: Tokenizer, name: str | None) -> Language | None:
    """``known_language`` if the windows can be in it, else None."""
    language = known_language(name, tokenizer)
    return language if language and share_of_function_words(tokens, tokenizer, language) >= LEAST else None


def about_language(tokens: np.ndarray, tokenizer: Tokenizer, name: str | None) -> list[str]:
    """A sentence where the windows seem to be in another language than ``name``."""
    language = known_language(name, tokenizer)
    share = share_of_function_words(tokens, tokenizer, language) if language else 1.0
    if share >= LEAST:
        return []
    return [
        f"language={name}: only {share:.0%} of the words in the text are among its pronouns and function words, so the "
        "text seems to be in another language; language=null counts these as other words"
    ]
