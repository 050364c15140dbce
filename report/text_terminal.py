"""What a probe prints of heads in a text, out of ``text`` in heads.json: a sentence, and in compact tables where each
head looks, what is lost without it, and the loss by kind of token.
"""

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.table import Table

from common.visible import visible_text
from report import text_summary as summary
from report.pages import percent
from report.text_summary import kind_in_words, nats, relation_in_words

MOST_HEADS = 24  # of a table; heads.json has the rest
WIDE = 110  # columns, where more relations and kinds fit
LEAST_NATS = 0.01  # of a kind, to be worth a line
ROLE = "*"


def print_text(text: Mapping, console: Console) -> None:
    """All of it, for a run whose text comes first."""
    console.print(f"{visible_text(summary.title(text))}\n", style="bold")
    console.print(head_table(text, wide=console.width >= WIDE))
    print_notes(text, console)
    console.print(kind_table(text))
    for reason in text["left_out"]:
        console.print(f"not measured  {visible_text(reason)}")


def print_text_briefly(text: Mapping, console: Console) -> None:
    """A short block, for a run whose tasks come first."""
    console.print(f"\nin {source_of(text)}: {visible_text(summary.title(text))}", style="bold")
    console.print(head_table(text, wide=console.width >= WIDE))
    print_notes(text, console)


def print_notes(text: Mapping, console: Console) -> None:
    """What the marks of the table mean, how far back heads need to look, and what was read."""
    if any(role["by"] == "effect" for head in text["heads"] for role in head["roles"]):
        console.print(
            f"{ROLE} its role: costs more than 0 (p < .01 over all heads and kinds) and more than any untrained head"
        )
    for sentence in (*summary.about_reach(text["how_far_back"]), summary.about_text(text)):
        console.print(visible_text(sentence))


def source_of(text: Mapping) -> str:
    path = text["source"]["text_file"]
    return "its own validation text" if path is None else f"text_file={path}"


def head_table(text: Mapping, wide: bool) -> Table:
    """One line a head: what it looks at most beyond uniform attention, and the kinds of token that cost most without
    it: the first in 80 columns, three in ``wide``, 110. Of many heads those that cost most.
    """
    heads = sorted(text["heads"], key=strength(text), reverse=True)[:MOST_HEADS]
    shown = {head["head"] for head in heads}
    title = "what heads attend to, and what it costs to do without each"
    if left_out := len(text["heads"]) - len(heads):
        title += f" ({left_out} that cost less are in heads.json)"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    headings = ("\nhead", "\nattends to", "share, %\n(uniform)", "without it these cost\nmore, nats per token")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    table.add_column("all\ntokens", no_wrap=True, justify="right")
    for head in text["heads"]:
        if head["head"] in shown:
            everything = head["effects"][text["shown"]]["all"]["nats"]
            table.add_row(head["head"], *looks(head), costs(text, head, 3 if wide else 1), nats(everything, 3))
    return table


def strength(text: Mapping) -> Callable[[Mapping], float]:
    """What orders heads: how much each surely costs on the kind of token that it costs most on."""
    return lambda head: max(effect["ci"][0] for effect in head["effects"][text["shown"]].values())


def looks(head: Mapping) -> tuple[str, str]:
    """The relation whose share is farthest above uniform attention, and both shares."""
    relations = head["looks"]["relations"]
    name = max(relations, key=lambda name: relations[name]["share"] - relations[name]["uniform"])
    own = relations[name]
    return relation_in_words(name), f"{100 * own['share']:3.0f} ({100 * own['uniform']:.0f})"


def costs(text: Mapping, head: Mapping, n: int) -> str:
    """The n kinds of token that cost most without a head, of those that surely cost something: its role first."""
    effects = head["effects"][text["shown"]]
    sure = [name for name, effect in effects.items() if effect["ci"][0] > 0 and effect["nats"] >= LEAST_NATS]
    own = {role["role"] for role in head["roles"] if role["by"] == "effect"}
    sure = sorted((name for name in sure if name != "all"), key=lambda name: (name not in own, -effects[name]["nats"]))
    parts = [f"{kind_in_words(name)} {nats(effects[name]['nats'])}{ROLE if name in own else ''}" for name in sure[:n]]
    return ", ".join(parts) or "-"


def kind_table(text: Mapping) -> Table:
    """The loss on each kind of token, the frequent ones first, and what it is without any head."""
    table = Table(title="\nloss by kind of token, nats per token", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("kind", no_wrap=True)
    for heading in ("of all tokens", "loss", "without any head"):
        table.add_column(heading, justify="right", no_wrap=True)
    without = text["all_heads"]["effects"][text["shown"]]
    for name, kind in sorted(text["kinds"].items(), key=lambda item: -item[1]["tokens"]):
        loss = kind["loss"]["nats"]
        table.add_row(kind_in_words(name), percent(kind["share"]), nats(loss), nats(loss + without[name]["nats"]))
    return table
