"""Empty figures in one style, and how they are saved: the same figure, the same bytes."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from common.atomic import replace_durably
from report.colours import INK, PAPER

FORMATS = ("png", "svg", "pdf")
DPI = 150
POINT = 1 / 72  # inches
LineStyle = dict[str, Any]  # what matplotlib takes as keywords for a line
OTHERS: LineStyle = {"color": "#BDBDBD", "linewidth": 0.7}  # lines behind those with a colour
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
