"""meta.pkl of nanoGPT is read, and nothing in it is run."""

import pickle

import pytest

from common.errors import InputError
from data.text.characters import characters_of_text, read_characters

LETTERS = "\n !aé日😀"


def meta(letters: str) -> dict:
    by_id = dict(enumerate(letters))
    return {"vocab_size": len(letters), "itos": by_id, "stoi": {one: i for i, one in by_id.items()}}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("letters", [LETTERS, "x", "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))])
def test_characters_come_in_the_order_of_their_ids(tmp_path, protocol, letters):
    path = tmp_path / "meta.pkl"
    path.write_bytes(pickle.dumps(meta(letters), protocol=protocol))
    assert read_characters(path) == list(letters)


def test_the_text_gives_the_same_characters(tmp_path):
    path = tmp_path / "input.txt"
    path.write_text(LETTERS[::-1] * 3, encoding="utf-8", newline="")
    assert characters_of_text(path) == sorted(LETTERS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"itos": print}), "the instruction .*GLOBAL makes something else"),
        (pickle.dumps(meta("ab") | {"more": [1]}), "the instruction EMPTY_LIST makes something else"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "is no list of characters"),  # asks for a memo of 2**31 entries
        (b"\x80\x04X\xff\xff\xff\x7fa.", "is no list of characters"),  # a text of 2**31 bytes
        (b"\x80\x02}", "is no list of characters"),
        (b"\x80\x02u.", "is no list of characters"),
        (b"", "is no list of characters"),
        (pickle.dumps({}), "is no list of characters"),
        (pickle.dumps({"itos": {}}), "names what is no single character"),
        (pickle.dumps({"itos": {0: "ab"}}), "names what is no single character"),
        (pickle.dumps({"itos": {0: 7}}), "names what is no single character"),
        (pickle.dumps({"itos": {1: "a"}}), "is no list of characters"),
        (pickle.dumps({"itos": {0: "a", 1: "a"}}), "has a character twice"),
        (b"\x80\x02}X\x04\x00\x00\x00itos}K\x00X\x03\x00\x00\x00\xed\xa0\x80ss.", "half of a surrogate pair"),
    ],
)
def test_anything_else_is_refused_in_a_line(tmp_path, content, message):
    path = tmp_path / "meta.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_characters(path)


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "meta.pkl"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match="has 1,073,741,824 bytes"):
        read_characters(path)
