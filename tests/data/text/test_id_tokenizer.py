"""Tokens that stand for no text: their names are shown, read where they can be, and kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data import Tokenizer
from data.text.tokenizers import CharacterTokenizer, IdTokenizer, from_json

MOVES = IdTokenizer(["e4", "e5", "Nf3", "start"], end="start")
SOURCE = Path("tokenizer.json")


def refusal(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def test_names_are_read_and_shown_with_one_space_between_them():
    assert MOVES.encode_document("e4 Nf3").tolist() == [3, 0, 2]
    assert MOVES.decode([3, 0, 2]) == " e4 Nf3"
    assert (MOVES.end, MOVES.vocab_size, MOVES.lengths.tolist()) == (3, 4, [3, 3, 4, 0])


def test_a_number_is_as_many_names_and_nothing_stands_in_front_without_an_end():
    tokenizer = IdTokenizer(12)
    assert tokenizer.encode_document("11 0").tolist() == [11, 0]
    assert tokenizer.encode_document("").dtype == np.int64
    assert (tokenizer.end, tokenizer.beginning, tokenizer.encode_document("").tolist()) == (None, [], [])


@pytest.mark.parametrize("tokenizer", [MOVES, IdTokenizer(3), IdTokenizer(["to move", "é"])])
def test_it_is_the_same_after_it_was_kept(tokenizer):
    again = from_json(tokenizer.to_json().encode(), SOURCE)
    assert isinstance(again, IdTokenizer)
    assert (again.names, again.end, again.pieces) == (tokenizer.names, tokenizer.end, tokenizer.pieces)


def test_what_is_no_name_and_what_cannot_be_cut_into_names_is_refused():
    remedy = "give names with one space between them (e4, e5, Nf3, ...)"
    assert refusal(MOVES.encode_document, "e4 e6") == f"'e6' is no name of a token; {remedy}"
    assert refusal(MOVES.encode_document, "e4  e5") == f"'' is no name of a token; {remedy}"
    begun = "the token 'start' begins every sequence by itself; leave it out"
    assert refusal(MOVES.encode_document, "start e4") == begun
    assert refusal(IdTokenizer(["to move", "e4"]).encode, "e4") == (
        "the name 'to move' of a token has a space, so that text cannot be cut into names; give ids"
    )


def test_ids_are_read_where_no_name_is_a_number():
    assert MOVES.encode("2 0 3").tolist() == [2, 0, 3]
    assert IdTokenizer(["to move", "e4"]).encode("1 0").tolist() == [1, 0]
    assert IdTokenizer(["2", "1", "0"]).encode("0 2").tolist() == [2, 0]
    for text in ("4", "2 e4 0", "-1", "²", "9" * 30):
        assert "is no name of a token" in refusal(MOVES.encode, text)


def test_names_that_are_the_ids_are_read_as_ids_the_end_token_too():
    numbers = IdTokenizer([*map(str, range(12))], end="0")
    assert numbers.encode("0 5 7").tolist() == [0, 5, 7]
    assert numbers.encode("5 0 7").tolist() == [5, 0, 7]
    assert IdTokenizer(["0", "1", "end"], end="end").encode("1 2 0").tolist() == [1, 2, 0]


@pytest.mark.parametrize("names", [[*map(str, range(21, 109))], ["a", "b", "-0.5"], ["a", "b", "20240101"]])
def test_no_id_is_taken_for_a_name_that_is_a_number(names):
    tokenizer = IdTokenizer(names)
    assert tokenizer.encode(names[-1]).tolist() == [len(names) - 1]
    assert "'2' is no name of a token" in refusal(tokenizer.encode, "2")
    assert IdTokenizer([*names, "to move"]).encode("2").tolist() == [2]


def test_names_that_are_no_names_are_refused():
    assert refusal(IdTokenizer, ["a", "b", "a"]) == "'a' is the name of several tokens; each needs its own"
    assert refusal(IdTokenizer, ["a"], "b") == "end='b' is none of the names of tokens"
    for names in ([], 0, None, 2.5, ["a", ""], [1], ["\ud800"], [*map(str, range(10**5)), ""]):
        message = refusal(IdTokenizer, names)
        assert message.startswith("names of tokens must be texts that are not empty, one for each")
        assert len(message) < 200
    damaged = refusal(from_json, b'{"kind": "ids", "names": ["a", "a"], "end": null}', SOURCE)
    assert damaged.startswith("tokenizer.json is damaged or no tokenizer of this project ('a' is the name of several")


def test_characters_are_read_one_by_one_with_nothing_around_them():
    tokenizer = CharacterTokenizer(["b", "a", "é", " "])
    assert tokenizer.encode_document("a bé").tolist() == tokenizer.encode("a bé").tolist() == [1, 3, 0, 2]
    assert tokenizer.decode([1, 3, 0, 2]) == "a bé"
    assert tokenizer.encode_pieces([("a ", True), ("b", True)]).tolist() == [1, 3, 0]
    assert refusal(tokenizer.encode, "abc") == (
        "'c' is none of the 4 characters that this model knows; give a text without it"
    )


def test_characters_are_stored_as_they_are(tmp_path):
    tokenizer = CharacterTokenizer(["b", "a", "\n"])
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json(), encoding="utf-8")
    again = Tokenizer.load(path)
    assert (again.kind, again.end, again.start, again.pieces) == ("characters", None, "", [b"b", b"a", b"\n"])


def test_what_documents_of_characters_begin_with_is_stored_where_there_is_anything():
    tokenizer = CharacterTokenizer(["b", "a", " "])
    bare = tokenizer.to_json()
    assert json.loads(bare) == {"kind": "characters", "names": ["b", "a", " "], "end": None}
    tokenizer.start = " "
    again = from_json(tokenizer.to_json().encode(), SOURCE)
    assert again.encode_document("ab").tolist() == [2, 1, 0]
    assert again.to_json() == tokenizer.to_json() != bare
