"""How time and memory of attention grow with the length of the text, as a picture: one line a kind of attention."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy.optimize import isotonic_regression

from report.colours import INK
from report.figures.canvas import DPI, POINT, drawing, new_figure, save

PANELS = (("time, forward and backward", "milliseconds"), ("memory added at the peak", "MiB"))
COLOURS = {  # that the colour-blind can distinguish (Okabe & Ito 2008), the last one darker
    "explicit": INK,
    "F": "#0072B2",
    "W": "#D55E00",
    "S": "#009E73",
    "S, √T": "#56B4E9",
    "L": "#CC79A7",
    "R": "#B58900",
}
APART = 0.055  # of the panel's height, between two labels at the lines' ends

Columns = dict[str, dict[int, float]]  # variant -> length -> milliseconds or MiB


def draw_scaling(columns: Sequence[Columns], legends: Sequence[dict[str, str]], path: Path) -> list[Path]:
    """A panel for time and one for memory, both axes logarithmic; ``legends`` holds the legends' lines."""
    with drawing():
        figure = new_figure(13, 5.6)
        figure.set_layout_engine("constrained", w_pad=0.12)
        for axes, panel, values, powers in zip(figure.subplots(1, 2), PANELS, columns, legends, strict=True):
            draw_panel(axes, *panel, values, powers)
        return save(figure, path)


def draw_panel(axes: Axes, title: str, unit: str, columns: Columns, legend: dict[str, str]) -> None:
    columns = {name: column for name, column in columns.items() if column}
    for name, column in columns.items():
        axes.plot(list(column), list(column.values()), marker=".", color=COLOURS[name], label=legend[name])
    lengths = sorted(set().union(*columns.values()))
    axes.set(title=title, xlabel="length T, tokens", ylabel=unit, xscale="log", yscale="log")
    axes.xaxis.set_major_locator(FixedLocator(lengths))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda length, _: f"{length:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(title="growing with T to the power of", alignment="left", frameon=False, fontsize=9, loc="upper left")
    label_ends(axes, columns)


def label_ends(axes: Axes, columns: Columns) -> None:
    """The name of each line after its right end, and where names would meet, beside it, with a stroke to it."""
    low, high = (math.log(edge) for edge in axes.get_ylim())
    for length in {max(column) for column in columns.values()}:  # lines may end at different ones
        ends = {name: column[length] for name, column in columns.items() if max(column) == length}
        names = sorted(ends, key=ends.__getitem__)
        heights = moved_apart([(math.log(ends[name]) - low) / (high - low) for name in names])
        for name, height in zip(names, heights, strict=True):
            colour = COLOURS[name]
            points = (
                (height * (high - low) + low - math.log(ends[name])) / (high - low) * axes.bbox.height / DPI / POINT
            )
            axes.annotate(
                name,
                (length, ends[name]),
                xytext=(22, points),
                textcoords="offset points",
                va="center",
                color=colour,
                weight="bold",
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 4},
            )


def moved_apart(heights: Sequence[float]) -> list[float]:
    """Rising heights, moved as little as possible until neighbours are APART."""
    steps = APART * np.arange(len(heights))
    return list(isotonic_regression(np.array(heights) - steps).x + steps)
