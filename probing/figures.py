"""Pictures of what probing found: the role map, and one story as the best heads see it."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from data import EncodedCase, Tokenizer
from data.cases import twin_groups
from model import GPT
from probing.families import HeadQuote
from probing.findings import Findings, Role
from probing.heads import attention_row
from probing.roles import FAMILY_ROLES, ROLE_COLOURS

INK, PAPER, FAINT = "#222222", "#FFFFFF", "#F2F2F2"
GOLD = "#D55E00"
FONT = {"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK}


def tint(colour: str, strength: float) -> tuple[float, float, float]:
    """``colour`` on white paper: 0 is white, 1 is the colour itself."""
    strength = min(1.0, max(0.0, strength))
    return tuple(1 - strength * (1 - channel) for channel in colors.to_rgb(colour))


def draw_role_map(findings: Findings, path: Path) -> list[Path]:
    """Layers x heads; colour: the strongest role; strength of colour: that of the role; dot: the head matters."""
    role_map = findings.role_map()
    n_layer, n_head = len(role_map), len(role_map[0])
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(1.6 + 1.25 * n_head, 1.5 + 0.8 * n_layer), dpi=150, facecolor=PAPER)
        axes = figure.add_subplot()
        for layer, heads in enumerate(role_map):
            for head, roles in enumerate(heads):
                draw_cell(axes, head, layer, roles)
        axes.set_xlim(-0.5, n_head - 0.5)
        axes.set_ylim(n_layer - 0.5, -0.5)
        axes.set_xticks(range(n_head), [f"head {i}" for i in range(n_head)])
        axes.set_yticks(range(n_layer), [f"layer {i}" for i in range(n_layer)])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title("What each head does (● = it matters to the answer)", loc="left", fontsize=10)
        figure.tight_layout()
        figure.savefig(path)
    return [path]


def draw_cell(axes: Axes, x: int, y: int, roles: Sequence[Role]) -> None:
    box = {"boxstyle": "round,pad=0,rounding_size=0.06"}
    face, text = FAINT, "·"
    dark = False
    if roles:
        role = roles[0]
        face = tint(ROLE_COLOURS.get(role.role, "#555555"), 0.15 + 0.85 * role.strength)
        dark = 0.299 * face[0] + 0.587 * face[1] + 0.114 * face[2] < 0.6
        text = "\n".join(role.label for role in roles)
    patch = FancyBboxPatch((x - 0.45, y - 0.42), 0.9, 0.84, facecolor=face, edgecolor="none", **box)
    axes.add_patch(patch)
    axes.text(x, y, text, ha="center", va="center", fontsize=9, color=PAPER if dark else INK)


def draw_stories(findings: Findings, tokenizer: Tokenizer, path: Path) -> list[Path]:
    """For each role one resolved family: a story and its twin, every word tinted by how much the best head looks at it.

    Returns what was written: nothing, where the model resolves no family (a picture of an earlier time is removed).
    """
    path.unlink(missing_ok=True)
    resolved = [result for result in findings.families if result.resolved]
    by_role = {}
    for result in resolved:
        by_role.setdefault(FAMILY_ROLES.get(result.name, result.name), result)
    shown = list(by_role.values())
    if not shown:
        return []
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(11, 1.3 * len(shown)), dpi=150, facecolor=PAPER)
        for i, result in enumerate(shown):
            axes = figure.add_subplot(len(shown), 1, i + 1)
            axes.axis("off")
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            quoted = result.quotes[result.best]
            title = (
                f"{result.name}: head {quoted.name} at {quoted.site}, "
                f"picks the right one in {quoted.accuracy:.1%} of {len(result.cases)} held-out cases"
            )
            shortest = min(twin_groups(result.cases), key=lambda group: len(group[0].case.text))  # one line each
            axes.text(0, 0.93, title, fontsize=10, weight="bold", va="top")
            for case, y in zip(shortest, (0.52, 0.14), strict=False):
                draw_story(figure, axes, findings.model, tokenizer, case, quoted, y)
        figure.tight_layout()
        figure.savefig(path)
    return [path]


def draw_story(
    figure: Figure, axes: Axes, model: GPT, tokenizer: Tokenizer, case: EncodedCase, quoted: HeadQuote, y: float
) -> None:
    """One story on one line: tinted words, the site boxed, gold underlined, what comes after the site pale."""
    site = case.sites[quoted.site]
    weights = attention_row(model, case.tokens, site, quoted.name)
    gold = {token for start, end in case.gold for token in range(start, end)}
    renderer = FigureCanvasAgg(figure).get_renderer()
    x = 0.0
    for position, token in enumerate(case.tokens[1:], start=1):
        piece = tokenizer.decode([token])
        word = piece.removeprefix(" ").replace("\n", "↵") or "␣"
        x += 0.006 if piece.startswith(" ") else 0.0
        weight = weights[position] if position <= site else 0.0
        text = axes.text(
            x,
            y,
            word.replace("$", r"\$"),
            fontsize=10,
            va="center",
            color=INK if position <= site else "#999999",
            bbox={
                "facecolor": tint(GOLD, weight),
                "edgecolor": INK if position == site else "none",
                "boxstyle": "round,pad=0.12",
                "linewidth": 0.8,
            },
        )
        extent = text.get_window_extent(renderer).transformed(axes.transData.inverted())
        if position in gold:
            axes.plot([extent.x0, extent.x1], [extent.y0 - 0.06] * 2, color=INK, linewidth=1.2, clip_on=False)
        x = extent.x1 + 0.003
