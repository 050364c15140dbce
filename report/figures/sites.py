"""Choice accuracy against site: where a head can know what is meant, and where nobody can."""

import math
import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from common.visible import visible_name
from data.cases.case import SITES
from probing.findings import Findings
from probing.negative_control import negative_control_at
from probing.stability import NEVER_CHOSEN
from probing.tasks import TaskResult
from report.colours import FAINT, INK, TINT
from report.figures.canvas import OTHERS, LineStyle, drawing, new_figure, save
from report.pages import NBSP, percent

COLUMNS = 4
TITLE_WIDTH = 30  # characters
LEGEND = (1.65, 0.95)  # inches: one column, two columns
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
        panels = [*figure.subplots(rows, columns, squeeze=False).flat]
        for axes, result in zip(panels, resolved, strict=False):
            draw_panel(axes, result, sites)
        for axes in panels[len(resolved) :]:
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
    low, high = result.split.intervals(heads.choice()[:, :, chosen]).T
    axes.vlines(x, low, high, color=TINT, linewidth=1.2, zorder=2)
    axes.plot(x, accuracy[:, chosen], zorder=3, **CHOSEN)
    if control := negative_control_at(result):
        axes.plot([sites.index("P")], [control.accuracy], zorder=4, **CONTROL)
    axes.text(0.03, 0.05, f"baseline: {name}, {percent(baseline.accuracy, 1)}", fontsize=7, transform=axes.transAxes)
    title = textwrap.fill(visible_name(result.name), TITLE_WIDTH)
    subtitle = f"head {quoted.name}, {percent(quoted.accuracy, 1)} at {quoted.site}"
    axes.set_title(f"{title}\n{subtitle}", loc="left", fontsize=8)
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
    meanings = "; ".join(f"{site}: {SITES[site]}".replace(" ", NBSP) for site in sites)
    meanings = textwrap.fill(meanings, 120 if wide else 60, break_on_hyphens=False)
    figure.legend(handles, labels, title=meanings, loc="outside lower center", ncols=2 if wide else 1)
