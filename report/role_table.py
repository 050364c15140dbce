"""The role map in the terminal: a table in words where they fit, else in two letters a role with a legend."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from string import ascii_lowercase, digits

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.style import Style
from rich.table import Table
from rich.text import Text

from common.visible import visible_name
from probing.findings import Findings, Role
from probing.heads import head_names, layer_names
from report.colours import MATTERS, role_colour
from report.terminal import chip, is_plain
from report.tinted_text import decimals, listing

WEAKEST = 0.4  # of a role's colour, so that the weakest role still has one
TITLE = f"what each head does: layers down, heads across; {MATTERS} it matters to the answer"
NOTHING = Text("·", style="dim")
CELL = 4  # two letters, a dot and a space
WIDEST = 10_000  # columns, of a table that is measured


def role_table(findings: Findings, console: Console) -> RenderableType:
    """Layers x heads. Words and colours say the role, strength of colour that of the role, a dot that it matters."""
    heads, layers = findings.role_map(), layer_names(findings.model)
    words = grid([[word_cell(roles, console) for roles in layer] for layer in heads], layers, leading=1)
    if Measurement.get(console, console.options.update(max_width=WIDEST), words).maximum <= console.width:
        return Group(TITLE, words)
    roles_by_head = dict(zip(head_names(findings.model), chain(*heads), strict=True))
    letters = abbreviations(role.role for roles in roles_by_head.values() for role in roles)
    margin = max(CELL, 1 + max(map(len, layers)))
    in_a_row = max(1, (console.width - margin) // CELL)
    n_head = max(map(len, heads))
    width = max(CELL, (console.width - margin) // min(n_head, in_a_row)) - 1
    cells = [[short_cell(roles, letters, width, console) for roles in layer] for layer in heads]
    parts = [grid([layer[i : i + in_a_row] for layer in cells], layers, first=i) for i in range(0, n_head, in_a_row)]
    return Group(TITLE, *parts, *legend(roles_by_head, letters, console))


def grid(cells: Sequence[Sequence[Text]], layers: Sequence[str], first: int = 0, leading: int = 0) -> Table:
    """A table of these cells, with ``leading`` lines between ``layers``; heads count from ``first``."""
    table = Table(box=None, padding=(0, 1, 0, 0), leading=leading)
    table.add_column("", no_wrap=True)
    for head in range(first, first + max(map(len, cells))):
        table.add_column(str(head), no_wrap=True)
    for layer, row in zip(layers, cells, strict=True):
        table.add_row(layer, *row)
    return table


def style_of(role: Role, console: Console) -> Style:
    if is_plain(console):
        return Style.null()
    return chip(role_colour(role.role), WEAKEST + (1 - WEAKEST) * role.strength, console)


def label_of(role: Role) -> str:
    """A role in words: its name, its score, and whether it matters."""
    return f"{visible_name(role.role)} {decimals(role.score)}{f' {MATTERS}' if role.matters else ''}"


def word_cell(roles: Sequence[Role], console: Console) -> Text:
    """One line a role."""
    lines = [Text(label_of(role), style_of(role, console)) for role in roles]
    return Text("\n").join(lines) if lines else NOTHING


def short_cell(roles: Sequence[Role], letters: dict[str, str], width: int, console: Console) -> Text:
    """As many roles as ``width`` characters hold, the strongest first, and a + for more; the legend has them all."""
    cell = Text()
    for i, role in enumerate(roles):
        more = i < len(roles) - 1
        part = letters[role.role] + (MATTERS if role.matters else "")
        space = " " if i else ""
        if i and cell.cell_len + len(space + part) + more > width:
            return cell.append("+") if cell.cell_len < width else cell
        cell.append(space).append(part, style_of(role, console))
    return cell if roles else NOTHING


def abbreviations(roles: Iterable[str]) -> dict[str, str]:
    """Two letters for each role, no two the same: initials where a name has several words, else its beginning."""
    letters: dict[str, str] = {}
    for role in roles:
        if role not in letters:
            letters[role] = next(code for code in candidates(role) if code not in letters.values())
    return letters


def candidates(role: str) -> Iterator[str]:
    words = ["".join(c for c in word if c.isascii() and c.isalnum()) for word in role.lower().replace("_", " ").split()]
    joined = "".join(words)
    if len(words) > 1:
        yield from (words[0][:1] + word[0] for word in words[1:] if words[0] and word)
    yield from (joined[0] + other for other in joined[1:])
    for start in (*joined[:1], *ascii_lowercase):
        yield from (start + other for other in digits + ascii_lowercase)


def legend(roles_by_head: dict[str, list[Role]], letters: dict[str, str], console: Console) -> Iterator[Text]:
    """One line a role: its letters, its name, and as many of its heads as fit, the strongest first."""
    for name, code in letters.items():
        heads = [(head, role) for head, roles in roles_by_head.items() for role in roles if role.role == name]
        heads.sort(key=lambda item: -item[1].strength)
        shown = [f"{head} {decimals(role.score)}{MATTERS if role.matters else ''}" for head, role in heads]
        line, strongest = f" {visible_name(name)}: ", heads[0][1]
        n = len(shown)
        while n > 1 and cell_len(code + line + listing(shown, n)) > console.width:
            n -= 1
        yield Text.assemble((code, style_of(strongest, console)), line, listing(shown, n))
