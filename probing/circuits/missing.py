"""What was asked for and could not be measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NotMeasured:
    """Stands where a result would; ``reason``: half a sentence that says why there is none."""

    reason: str


def not_measured_json(found: NotMeasured | None) -> dict | None:
    """In heads.json: the reason; null for what was not asked for."""
    return None if found is None else {"not_measured": found.reason}
