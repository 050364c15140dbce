"""Signals that end a process as an exit does, so that the work they interrupt is kept or cleaned up."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def exit_on(*names: str) -> Iterator[None]:
    """Makes the first of these signals raise SystemExit in the work inside; those after it are ignored, for they would
    interrupt what that cleans up. So is one that was ignored before, as SIGHUP under nohup.
    """
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    caught = [number for number in known if signal.getsignal(number) == signal.SIG_DFL]

    def leave(number: int, frame: FrameType | None) -> None:
        for each in caught:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    try:
        for number in caught:
            signal.signal(number, leave)
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)
