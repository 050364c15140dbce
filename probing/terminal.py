"""What probing found, in the terminal: each family in words, then the role map."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from data.visible import visible_name, visible_text
from probing import summary
from probing.effects import NeededSet
from probing.families import LOOKS_P, FamilyResult, impossible_probe
from probing.findings import Findings
from probing.known_heads import known_head_table
from probing.role_map import role_map
from probing.splits import Split

HEADINGS = (
    "family",
    "model\nright",
    "head\nsite",
    "picks the\nright one, %",
    "best\nbaseline",
    "swap, nats\n(others)",
    "\nverdict",
    "not known\nwithout",
)
FEWEST_GROUPS = 8  # whose sign flips can reach LOOKS_P


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Shows, on a terminal, what ``probe`` is doing, and for how long."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("probing", total=None)
        yield lambda text, done, total: bar.update(task, description=visible_name(text), completed=done, total=total)


def family_table(families: Sequence[FamilyResult], wide: bool) -> Table:
    """One line a family: the head that *select* chose, quoted on *report*. heads.json has the rest.

    80 columns; ``wide``: 110, with the heads without which the answer is not known.
    """
    table = Table(title="who looks back, and does it matter", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in HEADINGS if wide else HEADINGS[:-1]:
        table.add_column(heading, no_wrap=True)
    for result in families:
        cells = [visible_name(result.name), f"{result.accuracy:.0%}", *head_cells(result)]
        table.add_row(*cells[: len(table.columns)])
    return table


def head_cells(result: FamilyResult) -> list[str]:
    if not result.resolved:
        return ["-", "-", "-", "-", "not interpreted", "-"]
    quoted, swap = result.quotes[result.best], result.effects["swap"].get(result.best)
    low, high = quoted.ci
    return [
        f"{quoted.name} {quoted.site}",
        f"{quoted.accuracy:.1%} ({100 * low:.0f}-{100 * high:.0f})",
        f"{result.best_baseline[1].accuracy:.0%}",
        f"{swap.drop:.1f} ({'none' if swap.reference is None else f'{swap.reference:.1f}'})" if swap else "-",
        verdict(quoted.looks, result.matters(result.best)),
        needed(result.needed),
    ]


def verdict(looks: bool, matters: bool) -> str:
    if not looks:
        return "not shown to look"
    return "looks, matters" if matters else "looks"


def needed(found: NeededSet) -> str:
    """The set of heads without which the answer is not known, and how often it is then preferred to the foil."""
    heads, preference = ", ".join(found.heads), found.preference[-1]
    return f"{heads} ({preference:.0%})" if found.complete else f"shared: {preference:.0%} without {heads}"


def habit_notes(findings: Findings) -> list[str]:
    """What the role map has no room for: distances, sinks, and the error of the best aligner."""
    notes = []
    if habits := findings.habits:
        for k, name in enumerate(habits.names):
            if habits.has("fixed_offset", k):
                notes.append(f"head {name} looks {int(habits.offset[k])} tokens back")
            if habits.has("first_token", k):
                notes.append(
                    f"head {name} rests on the first token, whose value is {habits.sink_norm[k]:.2f} times as large "
                    "as the others'"
                )
    if found := findings.alignment:
        notes.append(
            f"alignment error rate of head {found.best} at {found.sites[found.best]}: {found.errors[found.best]:.1%} "
            f"of all words of a translation (the diagonal: {found.diagonal:.1%})"
        )
    return notes


def print_findings(findings: Findings, console: Console) -> None:
    """Prints the one sentence, the families, what could not be measured, the impossible probe and the role map;
    for GPT-2 small also what is known of its heads.
    """
    console.print(f"{visible_text(summary.title(findings))}\n", style="bold")
    console.print(family_table(findings.families, wide=console.width >= 110))
    for reason in findings.too_few:
        console.print(f"not measured  {visible_text(reason)}")
    for result in findings.families:
        if (groups := Split(result.cases).groups.max() + 1) < FEWEST_GROUPS:
            few = f"{groups} groups of words: too few for p to fall below {LOOKS_P}"
            console.print(f"note   {visible_name(result.name)} has {few}")
    impossible = impossible_probe(findings.families)
    if impossible is not None:
        bug = "" if impossible == 0.5 else ": A BUG; do not trust any of these numbers"
        console.print(f"\nimpossible probe (twins still identical): {impossible:.2%}, must be 50.00%{bug}\n")
    console.print(role_map(findings, console))
    for note in habit_notes(findings):
        console.print(note)
    if known := known_head_table(findings):
        console.print(known)
