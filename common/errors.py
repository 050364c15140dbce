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
