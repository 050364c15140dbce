"""Words in pieces, and words that a text does not have."""

import numpy as np
import pytest

from data.text.tokenizers import Tokenizer, byte_tokenizer, train_bpe
from data.text.words import missing_words, words_in_pieces

STORIES = ["Anna met Joanna. Élan?", "“Bob” didn't see Anna9x", "Then Lee came"]


def ids_of(tokenizer: Tokenizer) -> np.ndarray:
    return tokenizer.encode_pieces((story, True) for story in STORIES)


def test_words_of_several_tokens_are_shown_with_their_pieces():
    tokenizer = train_bpe([" met Tom Tom"] * 3, 262)
    assert b" Tom" in tokenizer.pieces
    assert b" met" not in tokenizer.pieces
    assert b"met" in tokenizer.pieces
    assert words_in_pieces("Tom met Tom, Tomé 1984!", tokenizer) == {
        "Tom": [b"To", b"m"],
        " Tomé": [b"Tom", b"\xc3", b"\xa9"],
    }
    assert words_in_pieces("Tom", byte_tokenizer()) == {}
    tokenizer.start = " "
    assert words_in_pieces("Tom met Tom", tokenizer) == {}, "the first word is read after a space"


def test_an_ideograph_is_a_word_of_its_own():
    tokenizer = train_bpe([" met Tom Tom"] * 3, 262)
    assert list(words_in_pieces("日本。Tomé日", tokenizer)) == ["日", "本", "Tomé"]


@pytest.mark.parametrize("tokenizer", [byte_tokenizer(), train_bpe(STORIES, 270), train_bpe(STORIES * 3, 300)])
def test_words_are_missing_where_they_are_only_parts_of_others(tokenizer):
    tokens = ids_of(tokenizer)
    assert missing_words("Anna Joanna Élan Bob didn't see Lee came met", tokens, tokenizer) == []
    assert missing_words("an anna Ann, Jo Lan elan b didn came's Pia x", tokens, tokenizer) == [
        *("an", "anna", "Ann", "Jo", "Lan", "elan", "b", "Pia")
    ]
