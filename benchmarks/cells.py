"""How a benchmark writes down several runs of one thing."""

from collections.abc import Sequence
from statistics import median


def cell(numbers: Sequence[float], digits: int) -> str:
    """The median, with the lowest and the highest."""
    return f"{median(numbers):.{digits}f} ({min(numbers):.{digits}f}-{max(numbers):.{digits}f})"
