"""Role maps of several models in one picture: layers x heads, a coloured bar a role, a dot where it matters."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from common.visible import visible_name
from probing.findings import Role
from report.colours import FAINT, INK, MATTERS, ROLE_COLOURS, blend, rgb, role_colour
from report.figures.canvas import drawing, new_canvas, save, widest
from report.role_table import abbreviations

RoleMap = Sequence[Sequence[Sequence[Role]]]  # by layer and head, the strongest role of each head first
CELL, BAR = 0.52, 0.15  # inches: a head's width, a role's height
GAP, LEFT, TOP = 0.06, 0.3, 0.5
LEGEND = 0.24  # inches a line
COLUMNS = 3  # of the legend
STRENGTH = 0.55  # of a role's colour, so that ink can be read on it
SIZE, NAME = 7, 9  # points


def draw_role_maps(rows: Sequence[Sequence[tuple[str, RoleMap]]], title: str, path: Path) -> list[Path]:
    """Rows of (what model, its roles); the legend explains the two letters of each role."""
    present = {role.role for row in rows for _, layers in row for heads in layers for roles in heads for role in roles}
    names = [name for name in ROLE_COLOURS if name in present] + sorted(present - ROLE_COLOURS.keys())
    letters = abbreviations(names)
    heights = [max(height_of(layers) for _, layers in row) for row in rows]
    legend = LEGEND * (math.ceil((len(names) + 1) / COLUMNS) + 1)
    with drawing():
        widths = [sum(width_of(name, layers) for name, layers in row) + GAP for row in rows]
        width = max(*widths, 0.2 + widest([title], weight="bold"))
        figure, axes = new_canvas(width, 0.35 + sum(heights) + TOP * len(rows) + legend)
        axes.text(0.1, 0.22, title, weight="bold")
        y = 0.35
        for row, height in zip(rows, heights, strict=True):
            x = 0.0
            for name, layers in row:
                draw_map(axes, x, y, name, layers, letters)
                x += width_of(name, layers)
            y += height + TOP
        draw_legend(axes, y + 0.1, width, letters)
        return save(figure, path)


def width_of(name: str, layers: RoleMap) -> float:
    """A map is as wide as its heads, or as its name; to be asked inside ``drawing``."""
    return LEFT + 0.15 + max(CELL * len(layers[0]), widest([name], NAME))


def height_of(layers: RoleMap) -> float:
    """Every layer is as high as its busiest head needs."""
    return sum(map(layer_height, layers))


def layer_height(heads: Sequence[Sequence[Role]]) -> float:
    return GAP + BAR * max(2, *map(len, heads))


def draw_map(axes: Axes, left: float, top: float, name: str, layers: RoleMap, letters: dict[str, str]) -> None:
    axes.text(left + LEFT, top + 0.2, name, fontsize=NAME)
    y = top + 0.42
    for head in range(len(layers[0])):
        axes.text(left + LEFT + CELL * (head + 0.5), y - 0.04, str(head), fontsize=SIZE, ha="center", color=INK)
    for layer, heads in enumerate(layers):
        height = layer_height(heads) - GAP
        axes.text(left + LEFT - 0.08, y + height / 2, str(layer), fontsize=SIZE, ha="right", va="center")
        for head, roles in enumerate(heads):
            draw_head(axes, left + LEFT + CELL * head, y, height, roles, letters)
        y += height + GAP


def draw_head(axes: Axes, x: float, y: float, height: float, roles: Sequence[Role], letters: dict[str, str]) -> None:
    width = CELL - GAP
    axes.add_patch(Rectangle((x, y), width, height, facecolor=rgb(FAINT), edgecolor="none"))
    for i, role in enumerate(roles):
        colour = blend(role_colour(role.role), STRENGTH)
        axes.add_patch(Rectangle((x, y + BAR * i), width, BAR, facecolor=colour, edgecolor="white", linewidth=0.4))
        text = f"{letters[role.role]} {MATTERS}" if role.matters else letters[role.role]
        axes.text(x + width / 2, y + BAR * (i + 0.5), text, fontsize=SIZE, ha="center", va="center", color=INK)


def draw_legend(axes: Axes, top: float, width: float, letters: dict[str, str]) -> None:
    entries = [(code, visible_name(name), role_colour(name)) for name, code in letters.items()]
    step = (width - 0.3) / COLUMNS
    for i, (code, name, colour) in enumerate(entries):
        x, y = 0.3 + step * (i % COLUMNS), top + LEGEND * (i // COLUMNS)
        axes.add_patch(Rectangle((x, y), 0.3, BAR, facecolor=blend(colour, STRENGTH), edgecolor="none"))
        axes.text(x + 0.15, y + BAR / 2, code, fontsize=SIZE, ha="center", va="center", color=INK)
        axes.text(x + 0.38, y + BAR / 2, name, fontsize=8, va="center")
    y = top + LEGEND * math.ceil(len(entries) / COLUMNS)
    marks = f"{MATTERS} matters to the answer; grey: no role; layers down, heads across"
    axes.text(0.3, y + BAR / 2, marks, fontsize=8, va="center")
