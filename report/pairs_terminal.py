"""What ``probe.py pairs=...`` prints: how often the model prefers the right sentence of a minimal pair."""

from rich.table import Table

from common.visible import visible_name
from probing.pairs import ScoredPairs
from report.terminal import Output


def print_pairs(scored: ScoredPairs, console: Output) -> None:
    """One line a phenomenon, then all of them."""
    table = Table(title="which sentence is likelier", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("phenomenon")
    for heading in ("pairs", "right, %", "95 % interval", "the shorter one, %"):
        table.add_column(heading, justify="right", no_wrap=True)
    phenomena = scored.by("phenomenon")
    whole = {"all": scored.accuracy()} if len(phenomena) > 1 else {}
    for name, accuracy in (phenomena | whole).items():
        low, high = accuracy.ci
        interval, shorter = f"{100 * low:.1f}-{100 * high:.1f}", f"{100 * accuracy.shorter:.1f}"
        table.add_row(visible_name(name), f"{accuracy.pairs:,}", f"{100 * accuracy.right:.1f}", interval, shorter)
    console.print(table)
    paradigms = scored.by("paradigm")
    if len(paradigms) > 1:
        console.print(f"mean over {len(paradigms)} paradigms: {scored.over_paradigms:.1%}; a coin would have 50 %")
    if same := sum(pair.good == pair.bad for pair in scored.pairs):
        console.note(f"in {same} pairs both sentences are the same; each counts one half")
    if scored.too_long:
        console.note(f"{scored.too_long:,} pairs are left out: they do not fit into the model's block")
