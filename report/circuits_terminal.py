"""What a probe prints of heads in sets and of edges between heads: one line a task."""

from collections.abc import Iterator, Sequence

from common.visible import visible_name
from probing.circuits import Edges, NotMeasured, Sufficiency
from probing.circuits.hypotheses import Equivalence
from probing.circuits.sufficient import ENOUGH
from probing.tasks import TaskResult

INPUTS_IN_WORDS = {"q": "query", "k": "key", "v": "value"}
SENDERS = 5  # that a line has of one head, the strongest


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


def edge_lines(tasks: Sequence[TaskResult]) -> Iterator[str]:
    """Which head feeds which, a line a task; nothing where that was not measured in any."""
    known = [(result.name, result.edges) for result in tasks if result.edges is not None]
    if known:
        yield "\nwhich head feeds which; nats: how far log-odds fall with what it writes there in the counterfactual"
    for name, found in known:
        yield f"{visible_name(name)}: {edges_in_words(found)}"


def edges_in_words(found: Edges | NotMeasured) -> str:
    """The edges that count, by the head that is fed, the strongest first."""
    if isinstance(found, NotMeasured):
        return f"not measured, {found.reason}"
    fed: dict[str, list[str]] = {}
    for edge in found.counting:
        into = f"{edge.sender} ({INPUTS_IN_WORDS[edge.input]}, {edge.drop:.1f} nats)"
        fed.setdefault(edge.receiver, []).append(into)
    parts = [f"{receiver} is fed by {', '.join(senders[:SENDERS])}" for receiver, senders in fed.items()]
    return "; ".join(parts) or f"none of {len(found.edges)} edges counts"
