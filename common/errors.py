"""The errors that users cause and users can fix."""

from collections.abc import Sequence

SHOWN = 5  # of all that is wrong, in one message


class InputError(ValueError):
    """Something given from outside is wrong: a file, a folder, a setting. Its message is one line that names the
    offending value and the remedy; the scripts print it without a traceback and exit with status 1."""


class NoTextError(InputError):
    """``where`` has no text under ``field``. The message ends with ``remedy``, which names keys of train.py;
    ``elsewhere`` is the message of scripts that do not have these keys.
    """

    def __init__(self, where: str, field: str, remedy: str) -> None:
        missing = f"{where}: no text under {field!r}"
        super().__init__(f"{missing}; {remedy}")
        self.elsewhere = f"{missing}; give files that have text there in every record, or plain text"


class NothingFoundError(InputError):
    """``key``, a path, names no file."""

    def __init__(self, key: str, path: str, what: str) -> None:
        super().__init__(f"{key}={path}: {what}")
        self.key = key


def first_few(reasons: Sequence[str]) -> str:
    """The first few reasons, and how many more there are, for a message of one line."""
    more = [f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
    return "; ".join([*reasons[:SHOWN], *more])


def first_line(error: Exception) -> str:
    """What a library's error says, in one line; the kind of error where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def reason_of(error: Exception) -> str:
    """The kind of an error and the first line of what caused it; the library that is missing, where that is why."""
    missing = error
    while missing is not None and not isinstance(missing, ImportError):
        missing = missing.__cause__
    if missing is not None and missing.name:
        return f"that needs: pip install {missing.name}"
    cause, before = error, error
    while before is not None:
        before = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if isinstance(before, ImportError):  # a library did without another
            break
        cause = before or cause
    return f"{type(error).__name__}: " + str(cause).strip().split("\n")[0]
