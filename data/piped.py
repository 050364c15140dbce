"""Commands that print cases for other programs to read."""

import os
import sys
from collections.abc import Callable


def run(main: Callable[[], None]) -> None:
    """Runs a command, which may be cut short by its reader, such as ``head``, having had enough."""
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
