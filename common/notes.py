"""A note: what a user should know beside what was asked for, in one line."""

import os
import sys

from common.visible import visible_text


def note_line(sentence: str) -> str:
    """``sentence`` as a note, with a mark for every character that would act on a terminal."""
    return f"note   {visible_text(sentence)}"


def print_note(sentence: str) -> None:
    """Prints a note to stderr, where there is no console, or stdout has what was asked for and nothing else. No work
    ends because nobody can read it.
    """
    try:
        print(note_line(sentence), file=sys.stderr)
    except OSError:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # the interpreter's last flush would fail, too
