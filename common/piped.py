"""Output whose reader is gone: ``head`` has read enough, or a terminal was closed."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from common.notes import print_note


def discard_rest(stream: IO[str]) -> None:
    """Discards what a stream still holds and all that follows: else the interpreter's last flush fails, too."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
