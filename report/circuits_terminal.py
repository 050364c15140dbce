"""What a probe prints of heads in sets: one line a task."""

from collections.abc import Iterator, Sequence

from common.visible import visible_name
from probing.circuits import Sufficiency
from probing.circuits.hypotheses import Equivalence
from probing.circuits.sufficient import ENOUGH
from probing.tasks import TaskResult


def sufficiency_lines(tasks: Sequence[TaskResult]) -> Iterator[str]:
    """Which few heads suffice in each task, where that was measured."""
    for result in tasks:
        if found := result.sufficient:
            yield f"sufficient  {visible_name(result.name)}: {enough_heads(found)}"


def enough_heads(found: Sufficiency) -> str:
    """The smallest set, how far it comes, and what the tests say of it."""
    if found.share is None or found.share_ci is None:
        return "all heads together do not surely raise the log-odds of the answer"
    low, high = found.share_ci
    superfluous = [member.head for member in found.members if member.superfluous]
    parts = [
        f"{len(found.heads)} of {found.n_heads} heads bring {found.share:.0%} ({100 * low:.0f}-{100 * high:.0f}) "
        f"of the log-odds back: {' '.join(found.heads)}",
        f"equivalent to the whole model: {verdict(found.circuit)}",
    ]
    if superfluous:
        parts.append(f"superfluous: {' '.join(superfluous)}")
    if not found.reached:
        parts.append(f"no set of the {found.largest} heads tried reaches {ENOUGH:.0%} where sets are chosen")
    return "; ".join(parts)


def verdict(found: Equivalence) -> str:
    """What a test of equivalence says, with its p."""
    return f"{'' if found.rejected else 'not '}rejected, {p_text(found.p)}"


def p_text(p: float) -> str:
    """p .02; no more digits than mean something."""
    return "p < .001" if p < 0.001 else f"p {p:.2g}".replace("0.", ".")
