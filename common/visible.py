"""Text that a corpus may hold, as text that can be shown: nothing invisible, nothing that acts."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise

SHOWN = {"\n": "↵", "\t": "⇥", " ": " ", "\x7f": "␡"}
SPACES = re.compile(" {2,}| $")  # that would go unseen
START = "⟨start⟩"  # of a text: the end token, which has no bytes of its own
END = "⟨end⟩"  # the same token after a text
GOES_ON = "◦"  # a token whose bytes all belong to a character that an earlier token began
JOINERS = "\u200c\u200d"  # between letters and inside emoji, where they belong to what is seen


def visible(piece: bytes) -> str:
    """What to show for a token of these bytes: single spaces before or between words stay, all else that cannot be
    seen gets a mark.

    Newlines, tabs and other spaces become ↵, ⇥ and ␣, control characters their pictures, bytes that are no UTF-8 and
    characters that change the direction of text or have no shape their escapes, such as ``\\xe2`` and ``\\u202e``.
    """
    text = piece.decode(errors="backslashreplace")
    text = SPACES.sub(lambda spaces: "␣" * len(spaces[0]), text)
    return "".join(map(visible_character, text))


def visible_tokens(pieces: Sequence[bytes]) -> list[str]:
    """What to show for each token of a text: a character of several tokens stands whole in the one that begins it."""
    text = b"".join(pieces).decode(errors="surrogateescape")
    raw = text.encode(errors="surrogateescape")
    sizes = (1 if "\udc80" <= c <= "\udcff" else len(c.encode()) for c in text)
    character_ends = list(accumulate(sizes))
    ends = accumulate(map(len, pieces))
    cuts = [0, *(character_ends[bisect_left(character_ends, end)] if end else 0 for end in ends)]
    return [
        GOES_ON if piece and start == end else visible(raw[start:end])
        for piece, (start, end) in zip(pieces, pairwise(cuts), strict=True)
    ]


def visible_character(character: str) -> str:
    if character in SHOWN:
        return SHOWN[character]
    if character < " ":
        return chr(0x2400 + ord(character))
    hidden = unicodedata.category(character)[0] in "CZ" and character not in JOINERS
    return character.encode("unicode_escape").decode() if hidden else character


def visible_text(text: str, keep: str = "") -> str:
    """``text`` with a mark for every character that would act on a terminal; spaces and ``keep`` stay as they are."""
    return "".join(c if unicodedata.category(c) == "Zs" or c in keep else visible_character(c) for c in text)


def visible_name(name: str) -> str:
    """The name of a task or a role as one reads it: subject verb for subject_verb."""
    return visible_text(name.replace("_", " "))
