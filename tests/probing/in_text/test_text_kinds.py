"""Kinds of tokens and relations of keys to queries, on sentences sorted by hand."""

import numpy as np
import pytest
import torch

from data.languages import load_language
from data.text.tokenizers import WORD_PATTERN, BpeTokenizer, IdTokenizer, Tokenizer, byte_tokenizer
from probing.in_text.kinds import (
    ID_KINDS,
    ID_RELATIONS,
    KIND_CODES,
    KINDS,
    RELATION_CODES,
    RELATIONS,
    kinds_for,
    relation_codes,
    relations_for,
    token_kinds,
)

ENGLISH = load_language("en")
BYTES = byte_tokenizer()
MERGES = (b"Ro", b"me", b"Rome", b" Rome", b"aw", b" s", b" saw", b" h", b"im", b" him", b"th", b"in")


def pairs() -> BpeTokenizer:
    """A BPE of few merges."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    for piece in MERGES:
        ranks.setdefault(piece, len(ranks))
    return BpeTokenizer("bpe", ranks, WORD_PATTERN)


def sort_tokens(text: str, tokenizer: Tokenizer, language=ENGLISH) -> tuple[list[str], list[str], list[str]]:
    """Each token's text; from the second on, its kind as one to be predicted; up to the last but one, as a key."""
    ids = tokenizer.encode(text)
    found = token_kinds(ids[None], tokenizer, language)
    kinds, keys = (
        [list(table)[code] for code in codes[0]] for table, codes in ((KINDS, found.kind), (RELATIONS, found.key))
    )
    return [tokenizer.pieces[i].decode(errors="replace") for i in ids], kinds, keys


def test_kinds_of_bytes():
    pieces, kinds, _ = sort_tokens("Al saw him. Al\nsaw so", BYTES)
    expected = {
        1: "inside_word",  # A|l
        2: "space",
        3: "first_mention",  # s
        4: "inside_word",
        7: "pronoun",  # h
        8: "inside_word",
        10: "punctuation",
        12: "name_again",  # A
        13: "inside_word",
        14: "line_end",
        15: "word_again",  # s, after another token than before
        19: "rest",  # so, which the window cuts off
        20: "inside_word",
    }
    assert {i: kinds[i - 1] for i in expected} == expected
    assert len(kinds) == len(pieces) - 1


def test_kinds_of_byte_pairs():
    pieces, kinds, _ = sort_tokens(" Rome saw him. Rome saw him saw, nothing\n", pairs())
    assert "|".join(pieces) == " Rome| saw| him|.| Rome| saw| him| saw|,| |n|o|th|in|g|\n"
    assert kinds == [
        "first_mention",
        "pronoun",
        "punctuation",
        "name_again",
        "pair_again",  # Rome saw
        "pronoun",
        "word_again",  # after another word
        "punctuation",
        "space",
        "first_mention",
        *["inside_word"] * 4,
        "line_end",
    ]


def test_keys_of_byte_pairs():
    pieces, _, keys = sort_tokens("Rome saw him. nothing\nRome", pairs())
    by_piece = dict(zip(pieces, keys, strict=False))
    assert by_piece["Rome"] == by_piece[" saw"] == by_piece["th"] == "rest"
    assert by_piece[" him"] == "function_word"
    assert by_piece["."] == by_piece["\n"] == "punctuation"
    assert by_piece[" "] == "space"


def test_a_word_is_a_name_again_only_if_it_had_its_capital_before():
    assert sort_tokens("rose.Rose.", BYTES)[1][4] == "word_again"
    assert sort_tokens("Rose.Rose.", BYTES)[1][4] == "name_again"


def test_a_capitalised_function_word_is_no_name():
    assert sort_tokens("The.The.", BYTES)[1][3] == "word_again"
    assert sort_tokens("The.The.", BYTES, language=None)[1][3] == "name_again"


def test_without_a_language_pronouns_are_words_and_the_kinds_that_need_one_are_not_offered():
    _, kinds, keys = sort_tokens("a him.", BYTES, language=None)
    assert kinds[1] == "first_mention"
    assert "function_word" not in keys
    assert kinds_for(BYTES, ENGLISH) == KINDS
    assert "pronoun" not in kinds_for(BYTES, None)
    assert "function_word" not in relations_for(BYTES, None)


def test_words_end_at_apostrophes_and_at_the_end_of_a_document():
    ids = np.array([[*BYTES.encode("l'ab"), BYTES.end, *BYTES.encode("cd.")]])
    kinds = [list(KINDS)[code] for code in token_kinds(ids, BYTES, None).kind[0]]
    assert kinds == [
        "punctuation",
        "first_mention",
        "inside_word",
        "line_end",
        "first_mention",
        "inside_word",
        "punctuation",
    ]


def test_letters_of_several_bytes_and_accents_are_parts_of_words_and_ideographs_are_words():
    assert sort_tokens("xé.", BYTES)[1] == ["inside_word", "inside_word", "punctuation"]
    assert sort_tokens("xe\u0301.", BYTES)[1][1:3] == ["inside_word", "inside_word"]
    kinds = sort_tokens("日本日.", BYTES)[1]
    assert kinds[2::3] == ["first_mention", "word_again", "punctuation"]
    assert kinds[:2] == kinds[3:5] == ["inside_word"] * 2


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d", "\u00ad"])
def test_a_joiner_and_a_soft_hyphen_go_on_with_a_word_and_are_none_by_themselves(joiner):
    kinds = sort_tokens(f"a{joiner}b.", BYTES)[1]
    assert kinds == ["inside_word"] * (len(kinds) - 1) + ["punctuation"]
    assert set(sort_tokens(f".{joiner}.", BYTES)[1]) == {"punctuation"}


def test_bytes_that_are_no_text_are_marks_and_nothing_fails():
    ids = np.array([[0x80, 0xFF, ord("a"), 0xE6, 0x97]])
    kinds = [list(KINDS)[code] for code in token_kinds(ids, BYTES, ENGLISH).kind[0]]
    assert kinds == ["punctuation", "first_mention", "punctuation", "punctuation"]


def test_relations_of_a_window_by_hand():
    """a b . a b c: what the second b (4) and c (5) see."""
    first, itself, before, after, same, mark, rest = map(
        list(RELATIONS).index,
        ("first_token", "itself", "token_before", "after_same_token", "same_token", "punctuation", "rest"),
    )
    key = torch.tensor([[rest, rest, mark, rest, rest, rest]])
    codes = relation_codes(torch.tensor([[1, 2, 9, 1, 2, 3]]), key)[0]
    assert codes[4, :5].tolist() == [first, same, after, before, itself]
    assert codes[5, :6].tolist() == [first, rest, mark, rest, before, itself]
    assert codes[3, :4].tolist() == [first, after, before, itself]


@pytest.mark.parametrize("table", [KINDS, RELATIONS])
def test_everything_has_a_description(table):
    assert all(table.values())


def test_tokens_that_stand_for_no_text_have_kinds_of_their_own():
    """Whatever their names look like: here a pronoun, a name, punctuation and a number."""
    tokenizer = IdTokenizer(["start", "he", "Ann", "...", "7"], end="start")
    ids = np.array([[1, 2, 3, 0, 1, 2, 2, 4, 0]])
    found = token_kinds(ids, tokenizer, ENGLISH)
    kinds = [
        "new_token",
        "new_token",
        "end_token",
        "token_again",
        "pair_again",
        "token_again",
        "new_token",
        "end_token",
    ]
    assert [[*KIND_CODES][code] for code in found.kind[0]] == kinds
    keys = ["end_token" if i == 3 else "rest" for i in range(8)]
    assert [[*RELATION_CODES][code] for code in found.key[0]] == keys
    assert (kinds_for(tokenizer, ENGLISH), relations_for(tokenizer, ENGLISH)) == (ID_KINDS, ID_RELATIONS)


def test_without_an_end_token_nothing_is_one():
    tokenizer = IdTokenizer(3)
    assert [*kinds_for(tokenizer, None)] == ["pair_again", "token_again", "new_token"]
    assert "end_token" not in relations_for(tokenizer, None)
    assert set(token_kinds(np.array([[0, 1, 2]]), tokenizer, None).key[0]) == {RELATION_CODES["rest"]}
