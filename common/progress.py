"""How long work says how far it is: functions that are called with what is done."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]  # what is being done, how much so far (0: it begins), in all if known
Say = Callable[[str], None]  # what is being done now
Count = Callable[[int], None]  # how much is done


def silent(*_: object) -> None:
    """Takes any of these calls, and does nothing."""
