"""What was asked for and could not be measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NotMeasured:
    """Stands where a result would; ``reason``: half a sentence that says why there is none."""

    reason: str
