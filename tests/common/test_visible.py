"""What stands for tokens that cannot simply be shown."""

from common.visible import visible_tokens


def test_a_character_of_several_tokens_stands_in_the_one_that_begins_it():
    assert visible_tokens([b"caf\xc3", b"\xa9", b" na\xc3", b"\xafve"]) == ["café", "◦", " naï", "ve"]


def test_bytes_that_are_no_character_and_tokens_without_any_stay_by_themselves():
    assert visible_tokens([b"", b"\xa9", b"a\xe2", b"\x80", b"b", b"\xf0\x9f"]) == [
        "",
        r"\xa9",
        r"a\xe2",
        r"\x80",
        "b",
        r"\xf0\x9f",
    ]


def test_a_character_that_acts_is_an_escape_even_if_tokens_share_it():
    assert visible_tokens([b"\xe2\x80", b"\xae"]) == [r"\u202e", "◦"]
