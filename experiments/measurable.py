"""Whether heads can be measured as asked: what is wrong with that is said before anything long."""

from collections.abc import Collection, Sequence
from pathlib import Path

from common.errors import InputError, first_few
from common.folders import TOKENIZER
from data import Tokenizer
from model import GPTConfig
from probing.heads import require_heads
from probing.lists import TASK as LISTS
from probing.measure import FEWEST_CASES
from storage import checkpoint
from storage.not_a_run import require_run


def shape_of(run: Path) -> tuple[GPTConfig, Tokenizer]:
    """The shape of a run's network, and its tokenizer; raises InputError where it is no run, or has no heads."""
    require_run(run)
    config = GPTConfig(**checkpoint.latest_state(run)["model"])
    require_heads(config, run)
    return config, Tokenizer.load(run / TOKENIZER)


def require_pairs(n_cases: int) -> None:
    """Raises InputError for a number of cases, the value of --cases, that no measurement can be made of."""
    if n_cases < FEWEST_CASES or n_cases % 2:
        raise InputError(
            f"--cases {n_cases}: must be at least {FEWEST_CASES}, and even, since cases come with their counterfactuals"
        )


def print_too_few(run: Path, tasks: Collection[str], too_few: Sequence[str]) -> None:
    """Says which tasks are not measured; raises InputError where no others are left, random lists aside."""
    if not set(tasks) - {LISTS}:
        raise InputError(f"run={run}: none of its tasks can be measured: {first_few(too_few)}")
    print("".join(f"{run}: not measured: {reason}\n" for reason in too_few), end="")
