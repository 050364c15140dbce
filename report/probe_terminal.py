"""What a probe prints: each task in words, the role map, the known heads of GPT-2 small."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.progress import MofNCompleteColumn, TimeElapsedColumn
from rich.table import Table

from common.progress import Progress
from common.visible import visible_name, visible_text
from probing.behaviour import LIKELIEST, MEANINGS, PREFERRED
from probing.circuits import NecessaryHeads
from probing.effects import MATTERS_P
from probing.findings import Findings
from probing.heads import head_names
from probing.known_heads import known_heads
from probing.lists import TASK as LISTS
from probing.negative_control import negative_control
from probing.quotes import LOOKS_P
from probing.stability import Stability
from probing.tasks import TaskResult
from report import probe_summary as summary
from report.circuits_terminal import edge_lines, sufficiency_lines
from report.pages import NBSP
from report.role_table import role_table
from report.sentences_terminal import sentence_lines
from report.terminal import Output, new_bar
from report.text_summary import leads
from report.text_terminal import print_text, print_text_briefly

NECESSARY = "necessary\nheads"
HEADINGS = (
    "task",
    "model\nright",
    "head\nsite",
    "picks the\nright one, %",
    "best\nbaseline",
    "swap, nats\n(others)",
    "\nverdict",
    NECESSARY,
    "chosen again,\nof 200",
)
WIDTHS = (110, 126)  # of a terminal, from which on one more column fits, and both
UNSURE = 0.95  # a choice that fewer resamples repeat is named
KNOWN_HEADS_CAPTION = (
    "Score: the share of attention that goes where the role says; of S-inhibition and gender heads, the nats that "
    "patching them costs. With GPT-2's own weights this checks the probe against the literature; with any others, "
    "ranks mean nothing."
)


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Shows, on a terminal, what ``probe`` is doing, and for how long."""
    with new_bar(console, MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("probing", total=None)
        yield lambda text, done, total: bar.update(task, description=visible_name(text), completed=done, total=total)


def task_table(tasks: Sequence[TaskResult], width: int) -> Table:
    """One line a task: the head that *select* chose, quoted on *report*. heads.json has the rest.

    80 columns; from WIDTHS on with the heads without which the answer is not known, and how stable the choice is.
    """
    table = Table(title="who looks back, and does it matter", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in HEADINGS[: len(HEADINGS) - sum(width < least for least in WIDTHS)]:
        shrinks = heading in (HEADINGS[0], NECESSARY)  # the others are numbers, of which no digit may go
        table.add_column(heading, no_wrap=not shrinks, overflow="fold" if shrinks else "ellipsis")
    for result in tasks:
        cells = [visible_name(result.name), f"{result.behaviour.accuracy:.0%}", *head_cells(result)]
        table.add_row(*cells[: len(table.columns)])
    return table


def head_cells(result: TaskResult) -> list[str]:
    if not result.resolved:
        return ["-", "-", "-", "-", "not interpreted", "-", "-"]
    assert result.necessary is not None  # as of every task that is resolved
    quoted, swap = result.quotes[result.best], result.effects["weight_swap"].get(result.best)
    low, high = quoted.ci
    return [
        f"{quoted.name} {quoted.site}",
        f"{quoted.accuracy:.1%} ({100 * low:.0f}-{100 * high:.0f})",
        f"{result.best_baseline[1].accuracy:.0%}",
        f"{swap.drop:.1f} ({'none' if swap.reference is None else f'{swap.reference:.1f}'})" if swap else "-",
        verdict(quoted.looks, result.matters(result.best)),
        needed(result.necessary),
        chosen_again(result.stability),
    ]


def chosen_again(stability: Stability) -> str:
    """In how many resamples the same head is chosen, and which other most often: "143 (2.2 57)"."""
    other = stability.runner_up
    return f"{stability.same_head}{f' ({other} {stability.heads[other]})' if other else ''}"


def choice_notes(tasks: Sequence[TaskResult]) -> Iterator[str]:
    """Which choices are unsure, and what would have been found where a head is not shown to look or to matter."""
    for result in tasks:
        if not result.resolved:
            continue
        name, stability = visible_name(result.name), result.stability
        if stability.same_head < UNSURE * stability.resamples:
            others = ", ".join(f"{head} in {n}" for head, n in stability.heads.items() if head != stability.head)
            again = f"head {stability.head} in {stability.same_head} of {stability.resamples} resamples of the cases"
            yield f"chosen again {name}: {again}, {others}"
        if missing := summary.not_shown(result):
            what, would_show = missing
            yield f"not shown    {name}: that head {result.best} {what}; {would_show.replace(NBSP, ' ')}"


def verdict(looks: bool, matters: bool) -> str:
    if not looks:
        return "not shown to look"
    return "looks, matters" if matters else "looks"


def needed(necessary: NecessaryHeads) -> str:
    """The set of heads without which the answer is not known, and how often it is then preferred to the foil."""
    heads, preference = ", ".join(necessary.heads), necessary.preference[-1]
    if necessary.complete:
        return f"{heads} ({preference:.0%})"
    return f"none small: still {preference:.0%} without {heads}"


def behaviour_notes(tasks: Sequence[TaskResult]) -> list[str]:
    """What *right* means in tasks in which it is not that the answer is the likeliest of all tokens."""
    notes = []
    for result in tasks:
        behaviour = result.behaviour
        if behaviour.judged_by == LIKELIEST:
            continue
        low, high = (100 * end for end in behaviour.ci)
        right = f"{MEANINGS[behaviour.judged_by]}, {behaviour.accuracy:.1%} ({low:.0f}-{high:.0f})"
        if behaviour.judged_by == PREFERRED:
            right += f" of {len(result.cases)} cases"
        else:
            right += f"; {MEANINGS[PREFERRED]} in {behaviour.preference:.1%} of {len(result.cases)} cases"
        notes.append(f"model right  in {visible_name(result.name)}: {right}")
    return notes


def unresolved_note(result: TaskResult) -> str:
    """What there is to say of references in a text that the model does not resolve: no head is interpreted."""
    behaviour, (name, baseline) = result.behaviour, result.best_baseline
    low, high = (100 * end for end in behaviour.ci)
    return (
        f"not resolved  {visible_name(result.name)}: {MEANINGS[behaviour.judged_by]} in {behaviour.accuracy:.1%} "
        f"({low:.0f}-{high:.0f}) of {summary.judged_cases(result)}; the best baseline, "
        f"{summary.BASELINES.get(name, name)}, finds the right candidate in {baseline.accuracy:.1%}"
    )


def pattern_notes(findings: Findings) -> list[str]:
    """What the role map leaves out: distances, sinks, and the error of the best aligner."""
    notes = []
    if patterns := findings.attention_patterns:
        for k, name in enumerate(patterns.names):
            if patterns.has("fixed_offset", k):
                notes.append(f"head {name} looks {int(patterns.offset[k])} tokens back")
            if patterns.has("first_token", k):
                notes.append(
                    f"head {name} rests on the first token, whose value is {patterns.sink_norm[k]:.2f} times as large "
                    "as the others'"
                )
    resolved = any(result.resolved and any(case.case.spans.links for case in result.cases) for result in findings.tasks)
    if resolved and (alignment := findings.alignment):
        best = alignment.best
        notes.append(
            f"alignment error rate of head {best} at {alignment.sites[best]}: {alignment.errors[best]:.1%} "
            f"of all words of a translation (the diagonal: {alignment.diagonal:.1%})"
        )
    return notes


def print_findings(findings: Findings, console: Output) -> None:
    """Prints what was measured: the tasks, then a short block on the run's text; or the text first, where there are no
    tasks but those that any text has. Then what could not be measured, and for GPT-2 small what is known of its heads.
    """
    text, names = findings.text, [result.name for result in findings.tasks]
    first = text if text is not None and leads({"text": text, "tasks": names}) else None
    if first is not None:
        print_text(first, console)
        if resolved := [result for result in findings.tasks if result.resolved]:
            print_tasks(replace(findings, tasks=resolved), console, len(findings.tasks))
        for result in findings.tasks:
            if not result.resolved and result.name != LISTS:
                console.print(unresolved_note(result))
    elif findings.tasks:
        print_tasks(findings, console, len(findings.tasks))
    for reason in findings.too_few:
        console.print(f"not measured  {visible_text(reason)}")
    if text is not None and first is None:
        print_text_briefly(text, console)
    if known := known_head_table(findings):
        console.print(known)


def known_head_table(findings: Findings) -> Table | None:
    """Heads that the literature knows, beside what was found of them; None where the model is no GPT-2 small."""
    if not (rows := known_heads(findings)):
        return None
    table = Table(
        title="heads that the literature knows in GPT-2 small",
        title_justify="left",
        caption=KNOWN_HEADS_CAPTION,
        caption_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for heading in ("head", "in the literature", "score", f"rank of {len(head_names(findings.model))}", "here"):
        table.add_column(heading, no_wrap=True, justify="right" if heading[0] in "sr" else "left")
    for row in rows:
        measured = ("-", "-") if row.score is None else (f"{row.score:.2f}", str(row.rank))
        table.add_row(row.head, row.literature, *measured, row.role or "·")
    return table


def too_few_groups(groups: int, n_tasks: int) -> str | None:
    """Which verdict no head can get, because even the smallest p of sign flips of so many groups is too large."""
    smallest = 0.5**groups
    if smallest >= LOOKS_P:
        return f"{groups} groups of words: too few for p to fall below {LOOKS_P}, so no head can look"
    if n_tasks * smallest >= MATTERS_P:
        return (
            f"{groups} groups of words: too few for p, adjusted for {n_tasks} tasks, to fall below {MATTERS_P}, so no "
            "head can matter"
        )
    return None


def print_tasks(findings: Findings, console: Output, n_tasks: int) -> None:
    """Prints the one sentence, the tasks, the negative control and the role map; ``n_tasks``: that were measured."""
    console.print(f"{visible_text(summary.title(findings))}\n", style="bold")
    for line in sentence_lines(findings.sentences):
        console.print(line)
    console.print(task_table(findings.tasks, console.width))
    for note in (*behaviour_notes(findings.tasks), *choice_notes(findings.tasks)):
        console.print(note)
    for line in sufficiency_lines(findings.tasks):
        console.print(line)
    for result in findings.tasks:
        if few := too_few_groups(result.split.groups.max() + 1, n_tasks):
            console.note(f"{visible_name(result.name)} has {few}")
    control = negative_control(findings.tasks)
    if control is not None:
        bug = "" if control == 0.5 else ": A BUG; do not trust any of these numbers"
        console.print(f"\nnegative control (counterfactuals still identical): {control:.2%}, must be 50.00%{bug}\n")
    console.print(role_table(findings, console))
    for note in pattern_notes(findings):
        console.print(note)
    for line in edge_lines(findings.tasks):
        console.print(line)
