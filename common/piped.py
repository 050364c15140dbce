"""What becomes of output that nobody takes any more: ``head`` has had enough, a terminal is gone."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any


def let_go(stream: IO[str]) -> None:
    """Sends into nothing what a stream still holds and will get, or the interpreter's last flush would fail, too."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Unheeded:
    """stdout for work that is worth more than what it prints: once it cannot be written, the work goes on silently.

    A reader who has left is no reason for a remark; anything else, such as a full disk, is a line on stderr.
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
            let_go(self.stream)
            if not isinstance(error, BrokenPipeError):
                with suppress(OSError):
                    print(f"note   stdout cannot be written ({error.strerror}); going on without it", file=sys.stderr)
            return None
