"""Notes, and output whose reader is gone: ``head`` has read enough, or a terminal was closed.

A note is what a user should know beside what was asked for, in one line.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from common.visible import visible_text


def discard_rest(stream: IO[str]) -> None:
    """Discards what a stream still holds and all that follows: else the interpreter's last flush fails, too."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
        discard_rest(sys.stderr)


class BestEffortOutput:
    """stdout for work that is worth more than what it prints: once it cannot be written, the work goes on silently.

    A closed pipe is not reported; any other failure, such as a full disk, is one line on stderr.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        return self.attempt(lambda: self.stream.write(text)) or len(text)

    def flush(self) -> None:
        self.attempt(self.stream.flush)

    def attempt(self, act: Callable[[], int | None]) -> int | None:
        try:
            return act()
        except OSError as error:
            discard_rest(self.stream)
            if not isinstance(error, BrokenPipeError):
                print_note(f"stdout cannot be written ({error.strerror}); going on without it")
            return None
