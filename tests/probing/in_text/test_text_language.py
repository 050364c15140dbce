"""Whether a text seems to be in the language whose words are counted in it."""

import numpy as np

from data.text.tokenizers import IdTokenizer, byte_tokenizer
from probing.in_text.language import about_language

BYTES = byte_tokenizer()


def about(text: str, name: str | None = "en") -> list[str]:
    return about_language(BYTES.encode(text)[None], BYTES, name)


def test_a_text_with_few_function_words_is_not_in_their_language():
    """The first and the last word may be cut off, and numbers are no words."""
    assert about("Quando i ragazzi videro il gatto, tutti lo avevano visto. Poi") == [
        "language=en: only 11% of the words in the text are among its pronouns and function words, so the text seems "
        "to be in another language; language=null counts these as other words"
    ]
    assert about("Then he saw the cat on page 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 and 22") == []


def test_nothing_is_said_without_a_language_or_words():
    assert about("Quando i ragazzi videro il gatto, tutti lo avevano visto.", None) == []
    assert about("...") == []
    assert about_language(np.array([[1, 2, 3]]), IdTokenizer(9), "en") == []
