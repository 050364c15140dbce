"""Free text that a key gives: on the command line or, where that says ``-``, line by line on standard input."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from typing import TextIO

from common.errors import InputError
from common.visible import visible_text

STDIN = "-"


def for_each_text(key: str, given: str, use: Callable[[str], None]) -> None:
    """``use(given)``, or ``use`` of one line of standard input after the other.

    At a terminal lines are asked for until one is empty. A line that cannot be used is named on stderr, and the next
    one follows; where they come from a pipe or a file, InputError is raised in the end.
    """
    if given != STDIN:
        use(given)
        return
    n, failed, typed = 0, 0, sys.stdin is not None and sys.stdin.isatty()
    for n, line in enumerate(typed_lines(key) if typed else piped_lines(), start=1):
        try:
            if not line.strip():
                raise InputError("it is empty")
            use(line)
        except InputError as error:
            failed += 1
            sys.stdout.flush()
            print(f"error: {'' if typed else f'line {n}: '}{visible_text(str(error))}", file=sys.stderr, flush=True)
    if not typed and not n:
        raise InputError(f"{key}=-: there is nothing on standard input")
    if not typed and failed:
        raise InputError(f"{key}=-: {failed} of {n} lines could not be used")


def typed_lines(key: str) -> Iterator[str]:
    """What is typed after a prompt, up to an empty line or the end of input."""
    shown = sys.stdout if sys.stdout.isatty() else sys.stderr  # a file gets no prompts
    with suppress(ImportError):
        import readline  # noqa: F401 with it, input() can be edited and repeated
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    with suppress(EOFError):
        while (line := ask(f"{key}> ", shown)).strip():
            yield line
        return
    print(file=shown)  # Ctrl-D leaves the cursor after the prompt


def ask(prompt: str, shown: TextIO) -> str:
    with redirect_stdout(shown):
        return input(prompt)


def piped_lines() -> Iterator[str]:
    """The lines of a pipe or a file, in UTF-8 whatever the locale; bytes that are not UTF-8 become U+FFFD."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    return (line.removesuffix("\n") for line in sys.stdin or ())
