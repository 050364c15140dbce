"""The role map: what each head does, layers x heads."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from probing.findings import Findings, Role
from probing.heads import layer_names
from report.colours import FAINT, INK, MATTERS, RGB, blend, rgb, role_colour
from report.figures.canvas import POINT, drawing, new_figure, save, widest
from report.role_table import label_of

ROLE_SIZE = 9  # points
ROLE_LINE = 1.35 * ROLE_SIZE * POINT  # inches
WEAKEST, STRONGEST = 0.1, 0.55  # of a role's colour
BOX = 0.9  # of a cell's width, the rest is space
ROLE_TITLE = f"What each head does ({MATTERS} = it matters to the answer)"


def draw_role_map(findings: Findings, path: Path) -> list[Path]:
    """Colour: the strongest role; strength of colour: that of the role; dot: the head matters. Nothing where references
    in a text are all that was asked for and none gave a role.
    """
    role_map, layers = findings.role_map(), layer_names(findings.model)
    if not findings.tasks or (findings.source.get("cases") == "text" and not any(map(any, role_map))):
        return []
    n_layer, n_head = len(role_map), max(map(len, role_map))
    cells = [roles for heads in role_map for roles in heads]
    with drawing():
        width = max(1.25, (0.2 + widest([label_of(role) for roles in cells for role in roles], ROLE_SIZE)) / BOX)
        height = max(0.8, 0.3 + ROLE_LINE * max(map(len, cells)))
        margin, top = 0.2 + widest([f"layer {name}" for name in layers]), 0.4
        size = (margin + max(width * n_head, widest([ROLE_TITLE])) + 0.1, top + height * n_layer + 0.35)
        figure = new_figure(*size)
        rectangle = (margin / size[0], 0.35 / size[1], width * n_head / size[0], height * n_layer / size[1])
        axes = figure.add_axes(rectangle, xlim=(-0.5, n_head - 0.5), ylim=(n_layer - 0.5, -0.5))
        for layer, heads in enumerate(role_map):
            for head, roles in enumerate(heads):
                draw_cell(axes, head, layer, roles)
        axes.set_xticks(range(n_head), [f"head {i}" for i in range(n_head)])
        axes.set_yticks(range(n_layer), [f"layer {name}" for name in layers])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(ROLE_TITLE, loc="left", fontsize=10)
        return save(figure, path)


def fill_of(role: Role) -> RGB:
    """The stronger the role, the more of its colour; never so much that ink could not be read on it."""
    return blend(role_colour(role.role), WEAKEST + (STRONGEST - WEAKEST) * role.strength)


def draw_cell(axes: Axes, x: int, y: int, roles: Sequence[Role]) -> None:
    face, text = rgb(FAINT), "·"
    if roles:
        face, text = fill_of(roles[0]), "\n".join(map(label_of, roles))
    box = {"boxstyle": "round,pad=0,rounding_size=0.06"}
    axes.add_patch(FancyBboxPatch((x - BOX / 2, y - 0.42), BOX, 0.84, facecolor=face, edgecolor="none", **box))
    axes.text(x, y, text, ha="center", va="center", fontsize=ROLE_SIZE, linespacing=1.2, color=INK)
