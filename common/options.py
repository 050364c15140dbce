"""What options of a command line must be."""

from argparse import Namespace
from collections.abc import Mapping

from common.errors import InputError


def require_at_least(options: Namespace, limits: Mapping[str, float]) -> None:
    """Raises InputError where an option, or one of its values, is below its limit."""
    for name, least in limits.items():
        given = vars(options)[name]
        lowest = min(given) if isinstance(given, list) else given
        if not lowest >= least:  # nor is NaN
            raise InputError(f"--{name.replace('_', '-')} {lowest}: must be at least {least}")
