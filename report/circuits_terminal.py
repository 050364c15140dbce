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
        if sufficient := result.sufficient:
            yield f"sufficient  {visible_name(result.name)}: {enough_heads(sufficient)}"


def enough_heads(sufficient: Sufficiency) -> str:
    """The smallest set, how far it comes, and what the tests say of it."""
    if sufficient.share is None or sufficient.share_ci is None:
        return "all heads together do not surely raise the log-odds of the answer"
    low, high = sufficient.share_ci
    superfluous = [member.head for member in sufficient.members if member.superfluous]
    parts = [
        f"{len(sufficient.heads)} of {sufficient.n_heads} heads bring {sufficient.share:.0%} "
        f"({100 * low:.0f}-{100 * high:.0f}) of the log-odds back: {' '.join(sufficient.heads)}",
        f"equivalent to the whole model: {verdict(sufficient.circuit)}",
    ]
    if superfluous:
        parts.append(f"superfluous: {' '.join(superfluous)}")
    if not sufficient.reached:
        parts.append(f"no set of the {sufficient.largest} heads tried reaches {ENOUGH:.0%} where sets are chosen")
    return "; ".join(parts)


def verdict(test: Equivalence) -> str:
    """What a test of equivalence says, with its p."""
    return f"{'' if test.rejected else 'not '}rejected, {p_text(test.p)}"


def p_text(p: float) -> str:
    """p .02; no more digits than mean something."""
    return "p < .001" if p < 0.001 else f"p {p:.2g}".replace("0.", ".")


def edge_lines(tasks: Sequence[TaskResult]) -> Iterator[str]:
    """Which head feeds which, a line a task; nothing where that was not measured in any."""
    known = [(result.name, result.edges) for result in tasks if result.edges is not None]
    if known:
        yield "\nwhich head feeds which; nats: how far log-odds fall with what it writes there in the counterfactual"
    for name, edges in known:
        yield f"{visible_name(name)}: {edges_in_words(edges)}"


def edges_in_words(edges: Edges | NotMeasured) -> str:
    """The edges that count, by the head that is fed, the strongest first."""
    if isinstance(edges, NotMeasured):
        return f"not measured, {edges.reason}"
    fed: dict[str, list[str]] = {}
    for edge in edges.counting:
        into = f"{edge.sender} ({INPUTS_IN_WORDS[edge.input]}, {edge.drop:.1f} nats)"
        fed.setdefault(edge.receiver, []).append(into)
    parts = [f"{receiver} is fed by {', '.join(senders[:SENDERS])}" for receiver, senders in fed.items()]
    return "; ".join(parts) or f"none of {len(edges.edges)} edges counts"
