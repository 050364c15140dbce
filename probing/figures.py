"""What all pictures share: their style, their formats, how wide words are, and how a figure becomes a file."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from data.disk import replace_durably
from probing.colours import INK, PAPER

FORMATS = ("png", "svg", "pdf")
NAMES = ("role_map", "stories", "sites", "film")
DPI = 150
POINT = 1 / 72  # inches
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # nearly as wide, for readers of an SVG without the first
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a corpus is a dollar
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text, that can be searched, copied and edited
    "pdf.fonttype": 42,
    "svg.hashsalt": "lookback",  # the same findings, the same file
}
UNDATED = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


@contextmanager
def drawing(**more: object) -> Iterator[None]:
    """Figures made and saved inside look alike; a character that the font lacks is a box, and no reason to warn."""
    with matplotlib.rc_context(STYLE | more), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from", category=UserWarning)
        yield


def new_figure(width: float, height: float, layout: str | None = None) -> Figure:
    """An empty figure of this size in inches."""
    return Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER, layout=layout)


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


def remove_pictures(folder: Path) -> None:
    """Deletes the pictures that an earlier probe left in ``folder``, whatever their format."""
    for name in NAMES:
        for suffix in FORMATS:
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)
