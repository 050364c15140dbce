"""How a command ends that its user can put right: in one line."""

import io
import os
import re
import sys
from collections.abc import Callable

from common.errors import InputError
from common.output import discard_rest
from common.visible import visible_text

OUT_OF_MEMORY = re.compile("out of memory|can't allocate memory")


class one_line_errors:
    """Turns errors that users can put right into one line; anything else is a bug and keeps its traceback."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: object) -> None:
        try:
            sys.stdout.flush()
        except OSError as unwritten:
            discard_rest(sys.stdout)
            unwritten.filename = "stdout"
            error = error or unwritten
        if isinstance(error, BrokenPipeError):  # whoever reads has had enough
            discard_rest(sys.stdout)
            raise SystemExit(0) from None
        if isinstance(error, InputError):
            raise SystemExit(f"error: {visible_text(str(error))}") from None
        if isinstance(error, KeyboardInterrupt):
            print("interrupted", file=sys.stderr)
            raise SystemExit(130) from None
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and OUT_OF_MEMORY.search(str(error))):
            where = " on the device" if "CUDA" in str(error) else ""
            raise SystemExit(
                f"error: out of memory{where}; close other programs, or use a smaller model or batch"
            ) from None
        if isinstance(error, OSError):
            message = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
            raise SystemExit(f"error: {visible_text(message)}") from None


def open_streams(encoding: str | None = None) -> None:
    """Makes sure that there is something to print to, in this ``encoding``, with ? for what it lacks."""
    # Either is None where whoever started this has closed it, as for a daemon.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="replace")


def run(main: Callable[[], None]) -> None:
    """Runs a command that only prints: an error is one line; a reader that has closed the pipe is none."""
    open_streams("utf-8")  # as cases= reads it, whatever the locale
    with one_line_errors():
        try:
            main()
        except OSError as error:
            error.filename = error.filename or "stdout"  # files that cannot be read have a name
            raise
