"""Figures for papers, as png, svg or pdf: role map, stories with tints, accuracy by site, training dynamics, curves.

Each ``draw_...`` returns the files that it wrote, none where there is nothing to draw. The same findings give the same
bytes, because figures carry no date.
"""

import io
import math
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.ticker import EngFormatter

from common.atomic import replace_durably
from common.visible import visible_name
from data import EncodedCase, Tokenizer
from data.cases.case import SITES, counterfactual_groups
from model import GPT
from probing.findings import Findings, Role
from probing.heads import attention_row, layer_names
from probing.roles import role_of
from probing.splits import Split
from probing.tasks import NEVER_CHOSEN, HeadQuote, Quoted, TaskResult, negative_control_at
from report.colours import FAINT, INK, MATTERS, PAPER, RGB, TINT, blend, rgb, role_colour
from report.probe_summary import percent
from report.role_table import label_of
from report.tinted_text import split_words
from storage.metrics import Row
from training.evaluation import part_losses, tasks_of

FORMATS = ("png", "svg", "pdf")
NAMES = ("role_map", "stories", "sites", "dynamics", "text_dynamics")  # the figures of a probe
EARLIER_NAMES = ("film",)  # what earlier versions called dynamics
DPI = 150
POINT = 1 / 72  # inches
LineStyle = dict[str, Any]  # what matplotlib takes as keywords for a line
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # nearly as wide, for readers of an SVG without the first
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a corpus is a dollar
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text, that can be searched, copied and edited
    "pdf.fonttype": 42,
    "svg.hashsalt": "lookback",  # the same findings, the same file
}
UNDATED = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


@contextmanager
def drawing(**more: object) -> Iterator[None]:
    """One style for the figures made and saved inside; a character that the font lacks is a box, without a warning."""
    with matplotlib.rc_context(STYLE | more), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from", category=UserWarning)
        yield


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = None) -> Figure:
    """An empty figure of this size in inches."""
    return Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER, layout=layout)


def new_canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure with axes that are not shown, in inches from the upper left corner."""
    figure = new_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return figure, axes


def save(figure: Figure, path: Path) -> list[Path]:
    """Writes the figure in the format that the path ends in; the same figure is the same bytes."""
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:], metadata=UNDATED[path.suffix])
    replace_durably(path, picture.getvalue())
    return [path]


def width_of(text: str, size: float = 10, weight: str = "normal") -> float:
    """How wide a line of ``text`` is, in inches; to be asked inside ``drawing``."""
    renderer = RendererAgg(1, 1, DPI)
    return renderer.get_text_width_height_descent(text, FontProperties(size=size, weight=weight), False)[0] / DPI


def widest(texts: Sequence[str], size: float = 10, weight: str = "normal") -> float:
    return max((width_of(text, size, weight) for text in texts), default=0.0)


def line_style(i: int) -> LineStyle:
    """Colour and dashes of the i-th of many lines: the ten colours that matplotlib has by default, then dashed ones."""
    return {"color": f"C{i % 10}", "linestyle": "-" if i < 10 else "--"}


def remove_figures(folder: Path) -> None:
    """Deletes the figures that an earlier probe left in ``folder``, whatever their format."""
    for name in (*NAMES, *EARLIER_NAMES):
        for suffix in FORMATS:
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)


def draw_figures(findings: Findings, tokenizer: Tokenizer, folder: Path, suffix: str) -> list[Path]:
    """All figures of a probe that there is something to draw in, FOLDER/NAME.SUFFIX for NAMES."""
    role_map, stories, sites, dynamics, text_dynamics = (folder / f"{name}.{suffix}" for name in NAMES)
    return [
        *draw_role_map(findings, role_map),
        *draw_stories(findings, tokenizer, stories),
        *draw_sites(findings, sites),
        *draw_dynamics(findings.dynamics, dynamics),
        *draw_text_dynamics(findings.text, text_dynamics),
    ]


# Role map: layers x heads.

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


# Stories as the best heads see them: a case of each role, its counterfactual below it, every word tinted. In inches.

WIDTH, MARGIN, SPACE, PAD = 8.5, 0.15, 0.05, 0.03
HEADING, LINE, GAP = 0.32, 0.34, 0.14
HALF = 0.09  # the height of a word's ground
PALE = "#767676"  # the palest grey that reads well on paper


@dataclass(frozen=True)
class DrawnWord:
    """A word on its ground, ``width`` from ``x`` on. ``share`` of attention; ``site``: boxed; ``gold``: underlined."""

    text: str
    text_x: float
    x: float
    width: float
    line: int
    share: float
    site: bool
    gold: bool
    later: bool


def draw_stories(findings: Findings, tokenizer: Tokenizer, path: Path) -> list[Path]:
    """For each role one resolved task; boxed: the site, underlined: gold, pale: what comes after the site."""
    by_role: dict[str, TaskResult] = {}
    for result in findings.tasks:
        if result.resolved:
            by_role.setdefault(role_of(result.name), result)
    if not by_role:
        return []
    with drawing():
        parts = []
        for result in by_role.values():
            quoted = result.quotes[result.best]
            shortest = min(counterfactual_groups(result.cases), key=lambda group: len(group[0].tokens))
            stories = [lay_out(findings.model, tokenizer, case, quoted) for case in shortest]
            parts.append((heading(result, quoted), stories))
        return draw_parts(parts, path)


def draw_parts(parts: Sequence[tuple[str, Sequence[Sequence[DrawnWord]]]], path: Path) -> list[Path]:
    """Stories below each other, those of each part under its title; to be called inside ``drawing``."""
    height = MARGIN + sum(HEADING + GAP + sum(map(height_of, stories)) for _, stories in parts)
    width = max(WIDTH, 2 * MARGIN + widest([title for title, _ in parts], weight="bold"))
    figure, axes = new_canvas(width, height)
    y = MARGIN
    for title, stories in parts:
        axes.text(MARGIN, y + HEADING / 2, title, weight="bold", va="center")
        y += HEADING
        for story in stories:
            draw_story(axes, story, y)
            y += height_of(story)
        y += GAP
    return save(figure, path)


def heading(result: TaskResult, quoted: HeadQuote) -> str:
    right = f"picks the right one in {percent(quoted.accuracy)} of {len(result.cases)} held-out cases"
    return f"{visible_name(result.name)}: head {quoted.name} at {quoted.site}, {right}"


def lay_out(model: GPT, tokenizer: Tokenizer, case: EncodedCase, quoted: Quoted) -> list[DrawnWord]:
    """The words of a story, each on the line where it fits."""
    site = case.sites[quoted.site]
    weights = attention_row(model, case.tokens, site, quoted.name)
    gold = {token for span in case.gold for token in range(*span)}
    words = split_words(case.tokens, tokenizer)[1:]  # the first is the end token
    spaced = [bool(word.running[0]) for word in words[1:]]
    drawn, x, line = [], MARGIN, 0
    # Between words there is a space; where text goes on without one, as before a full stop, there is none.
    for word, before, after in zip(words, [True, *spaced], [*spaced, True], strict=True):
        text, left = word.running[1], PAD * before
        width = left + width_of(text) + PAD * after
        if x + width > WIDTH - MARGIN and x > MARGIN:
            x, line = MARGIN, line + 1
        share = sum(weights[word.start : word.end])
        is_gold = not gold.isdisjoint(range(word.start, word.end))
        drawn.append(DrawnWord(text, x + left, x, width, line, share, word.holds(site), is_gold, word.start > site))
        x += width + SPACE * after
    return drawn


def height_of(story: Sequence[DrawnWord]) -> float:
    return LINE * (story[-1].line + 1)


def draw_story(axes: Axes, story: Iterable[DrawnWord], top: float) -> None:
    for word in story:
        y = top + LINE * (word.line + 0.5)
        box = {"facecolor": blend(TINT, word.share), "edgecolor": INK if word.site else "none", "linewidth": 0.8}
        axes.add_patch(Rectangle((word.x, y - HALF), word.width, 2 * HALF, **box))
        axes.text(word.text_x, y + 0.05, word.text, va="baseline", color=PALE if word.later else INK)
        if word.gold:
            axes.plot([word.x, word.x + word.width], [y + HALF + 0.035] * 2, color=INK, linewidth=1.2)


# Choice accuracy against site: where a head can know what is meant, and where nobody can.

COLUMNS = 4
TITLE_WIDTH = 30  # characters
NO_BREAK = "\xa0"
LEGEND = (1.65, 0.95)  # inches: one column, two columns
OTHERS: LineStyle = {"color": "#BDBDBD", "linewidth": 0.7}
CHOSEN: LineStyle = {"color": TINT, "linewidth": 2.2, "marker": "o", "markersize": 4}
CHANCE_LINE: LineStyle = {"color": INK, "linewidth": 0.7}
BASELINE: LineStyle = {"color": INK, "linewidth": 1.1, "linestyle": ":"}
CONTROL: LineStyle = {"color": INK, "marker": "D", "markersize": 6, "markerfacecolor": "none", "linestyle": "none"}


def draw_sites(findings: Findings, path: Path) -> list[Path]:
    """One panel for each resolved task."""
    resolved = [result for result in findings.tasks if result.resolved]
    if not resolved:
        return []
    sites = [site for site in SITES if any(site in result.heads.sites for result in resolved)]
    columns = min(COLUMNS, len(resolved))
    rows = math.ceil(len(resolved) / columns)
    with drawing(**{"font.size": 8}):
        figure = new_figure(max(5.0, 2.4 * columns + 0.4), 1.95 * rows + LEGEND[columns > 2], layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for axes, result in zip(panels, resolved, strict=False):
            draw_panel(axes, result, sites)
        for axes in list(panels)[len(resolved) :]:
            axes.remove()
        figure.supylabel("choice accuracy", fontsize=8)
        draw_legend(figure, sites, any(negative_control_at(result) for result in resolved), wide=columns > 2)
        return save(figure, path)


def draw_panel(axes: Axes, result: TaskResult, sites: list[str]) -> None:
    heads, quoted, (name, baseline) = result.heads, result.quotes[result.best], result.best_baseline
    chosen = heads.names.index(result.best)
    accuracy = heads.accuracy()  # [S, K]
    x = [sites.index(site) for site in heads.sites]
    for never in NEVER_CHOSEN:
        if never in sites:
            axes.axvspan(sites.index(never) - 0.5, sites.index(never) + 0.5, color=FAINT, linewidth=0)
    axes.plot(x, accuracy, zorder=1, **OTHERS)
    axes.axhline(0.5, zorder=1.5, **CHANCE_LINE)
    axes.axhline(baseline.accuracy, zorder=1.5, **BASELINE)
    low, high = Split(result.cases).intervals(heads.choice()[:, :, chosen]).T
    axes.vlines(x, low, high, color=TINT, linewidth=1.2, zorder=2)
    axes.plot(x, accuracy[:, chosen], zorder=3, **CHOSEN)
    if control := negative_control_at(result):
        axes.plot([sites.index("P")], [control.accuracy], zorder=4, **CONTROL)
    axes.text(0.03, 0.05, f"baseline: {name}, {percent(baseline.accuracy)}", fontsize=7, transform=axes.transAxes)
    title = textwrap.fill(visible_name(result.name), TITLE_WIDTH)
    found = f"head {quoted.name}, {percent(quoted.accuracy)} at {quoted.site}"
    axes.set_title(f"{title}\n{found}", loc="left", fontsize=8)
    axes.set_xticks(range(len(sites)), sites)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.set(xlim=(-0.5, len(sites) - 0.5), ylim=(-0.04, 1.06))


def draw_legend(figure: Figure, sites: list[str], control: bool, wide: bool) -> None:
    """Says what the lines and the sites are, in two columns where they fit."""
    entries = [
        (Line2D([], [], **CHOSEN), "the head chosen on other cases, with 95 % intervals"),
        (Line2D([], [], **OTHERS), "every other head"),
        (Line2D([], [], **BASELINE), "the best baseline, at its own best site"),
        (Line2D([], [], **CHANCE_LINE), "50 %: a coin"),
        (Patch(color=FAINT), "the answer itself is read: never chosen"),
    ]
    if control:
        entries.append((Line2D([], [], **CONTROL), "the negative control: any head before the cue, must be 50 %"))
    handles, labels = zip(*entries, strict=True)
    meanings = "; ".join(f"{site}: {SITES[site]}".replace(" ", NO_BREAK) for site in sites)
    meanings = textwrap.fill(meanings, 120 if wide else 60, break_on_hyphens=False)
    figure.legend(handles, labels, title=meanings, loc="outside lower center", ncols=2 if wide else 1)


# Training: how heads formed, and the curves of a run, against tokens seen.

DYNAMICS = (
    ("model_accuracy", "the model's answer is right", "share of answers"),
    ("choice_accuracy", "the head picks what is meant", "choice accuracy"),
    ("resample_ablation_drop", "cost of resample ablation", "nats of log-odds"),
)
LOSSES = {
    "train_loss": {"label": "training, one batch", "color": "#b8c4d6"},
    "val_loss": {"label": "validation, all of it", "color": "#1f4e8c", "marker": "."},
}


NAMED_HEADS = 8  # of a picture; the others are pale


def draw_dynamics(moments: Sequence[dict], path: Path) -> list[Path]:
    """One panel for behaviour, looking and mattering; one line a task. Nothing for fewer than two moments."""
    if len(moments) < 2:
        return []
    with drawing(**{"font.size": 9}):
        figure = new_figure(13, 3.9, layout="constrained")
        for axes, (key, title, label) in zip(figure.subplots(1, len(DYNAMICS)), DYNAMICS, strict=True):
            for i, task in enumerate(moments[-1]["tasks"]):
                known = [moment for moment in moments if task in moment["tasks"]]
                looks = [moment["tasks"][task] for moment in known]
                name = f"{visible_name(task)}, head {looks[-1]['head']}"  # one that began with _ would be left out
                x, y = [moment["tokens"] for moment in known], [look[key] for look in looks]
                axes.plot(x, y, marker=".", label=name, **line_style(i))
            axes.set(title=title, ylabel=label, xlabel="tokens seen")
            axes.set_xscale("symlog", linthresh=max(1, moments[1]["tokens"]))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            if key != "resample_ablation_drop":
                axes.set_ylim(-0.03, 1.03)
        axes.legend(fontsize=8, bbox_to_anchor=(1.02, 0.5), loc="center left")
        return save(figure, path)


def draw_text_dynamics(text: Mapping | None, path: Path) -> list[Path]:
    """How much the loss on all tokens grows without each head, against tokens seen; those that cost most at the end
    have colours. ``text``: as in heads.json. Nothing for fewer than two moments.
    """
    moments = text.get("dynamics", ()) if text else ()
    if len(moments) < 2:
        return []
    last = moments[-1]["heads"]
    heads = sorted(last, key=lambda head: -last[head]["nats"])
    with drawing(**{"font.size": 9}):
        figure = new_figure(7.5, 3.9, layout="constrained")
        axes = figure.subplots()
        x = [moment["tokens"] for moment in moments]
        for i, head in enumerate(heads):
            y = [moment["heads"][head]["nats"] for moment in moments]
            style = line_style(i) | {"label": f"head {head}", "marker": "."} if i < NAMED_HEADS else OTHERS
            axes.plot(x, y, **style)
        axes.set(title="how much the loss grows without a head", ylabel="nats per token", xlabel="tokens seen")
        axes.set_xscale("symlog", linthresh=max(1, moments[1]["tokens"]))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.legend(fontsize=8, bbox_to_anchor=(1.02, 0.5), loc="center left")
        return save(figure, path)


def draw_curves(rows: Sequence[Row], path: Path) -> list[Path]:
    """Loss against tokens, and for stories each task's share of right answers. Nothing before two evaluations."""
    evaluations = [row for row in rows if row.get("val_loss") is not None]
    if len(evaluations) < 2:
        return []
    tasks = tasks_of(evaluations[-1], "referential")
    with drawing():
        figure = new_figure(10 if tasks else 5.5, 3.6, layout="constrained")
        losses, *right = figure.subplots(1, 2 if tasks else 1, squeeze=False)[0]
        for key, style in LOSSES.items():
            plot_column(losses, rows, key, style)
        for i, name in enumerate(part_losses(evaluations[-1])):
            style = {"label": f"validation on {visible_name(name)}"} | line_style(i)
            plot_column(losses, evaluations, f"val_loss/{name}", style)
        losses.set(ylabel="loss, nats per token", ylim=loss_limits(rows))
        losses.legend()
        for axes in right:
            for i, task in enumerate(tasks):
                plot_column(axes, evaluations, f"referential/{task}/accuracy", {"label": task} | line_style(i))
            axes.set(ylabel="right answers", ylim=(-0.02, 1.02))
            axes.legend(fontsize=7, ncols=2, loc="lower right")
        for axes in (losses, *right):
            axes.set_xlabel("tokens")
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        return save(figure, path)


def plot_column(axes: Axes, rows: Sequence[Row], key: str, style: dict) -> None:
    """One number of the record against tokens, where it was measured."""
    points = [(row["tokens"], row[key]) for row in rows if row.get(key) is not None]
    axes.plot(*zip(*points, strict=True), **style)


def loss_limits(rows: Sequence[Row]) -> tuple[float, float] | tuple[None, None]:
    """The losses after the first twentieth of the tokens, which fall from a height that would flatten the rest; None
    where there are none.
    """
    end = rows[-1]["tokens"]
    late = [row[key] for row in rows for key in LOSSES if row["tokens"] >= end / 20 and row.get(key) is not None]
    return (min(late) * 0.98, max(late) * 1.02) if late else (None, None)
