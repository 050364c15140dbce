"""One HTML file out of the style, the scripts and the data of a page."""

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from common.atomic import replace_durably
from model import GPT

HERE = Path(__file__).parent
NBSP = "\u00a0"
SHARED = ("dom", "chart", "dynamics", "text_dynamics")
LIVE = (
    *("grid", "running_text", "live/visible", "live/state", "live/address", "live/model", "live/reading"),
    *("live/tokens", "live/edits", "live/next", "live/heads", "live/slot", "live/starts", "live/tour", "live/live"),
)
SCRIPTS = {
    "probe": (
        *(*SHARED, *LIVE, "found", "patterns", "roles", "tinted", "sentences", "story", "sites"),
        *("sufficient", "edges", "scores", "numbers", "text_heads", "text_effects", "how_far_back"),
        *("text_examples", "text_method", "method", "probe"),
    ),
    "training": (*SHARED, "losses", "references", "samples", "training"),
    "live": ("dom", *LIVE, "live/page"),
    "worker": (  # runs beside a page, and gets the model from it
        *("live/visible", "live/tokenizer", "live/weights", "live/arithmetic", "live/interventions", "live/attention"),
        *("live/network", "live/words", "live/worker"),
    ),
}


@dataclass(frozen=True)
class Heading:
    """What a page says before anything is drawn: what it is about, its one sentence, and what supports it."""

    about: str
    title: str
    sentences: Sequence[str]


def counted(n: int, thing: str) -> str:
    """1 layer, 2 layers."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def percent(share: float, digits: int = 0) -> str:
    """0.123 -> "12 %", which no line breaks; halves up, as the page's script rounds."""
    return f"{100 * share + 1e-9:.{digits}f}{NBSP}%"


def millions(n: float) -> str:
    """1536000 -> "1.54 M", which no line breaks."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n >= 0.9995 * size:  # less has three digits of the next unit
            return f"{n / size:.3g}{NBSP}{unit}"
    return f"{n:g}"


def shape_of(n_layer: int, n_head: int, attention: str) -> str:
    """2 layers of 4 heads; and how many of them are recurrent (R), where any is."""
    recurrent = (attention * n_layer)[:n_layer].count("R")
    if recurrent == n_layer:
        return counted(n_layer, "recurrent layer")
    shape = f"{counted(n_layer - recurrent, 'layer')} of {counted(n_head, 'head')}"
    return f"{shape}, {counted(recurrent, 'recurrent layer')}" if recurrent else shape


def in_words(model: GPT) -> str:
    """The model's shape and size: 3 layers of 4 heads, 850 k parameters."""
    config = model.config
    shape = shape_of(config.n_layer, config.n_head, config.attention)
    return f"{shape}, {millions(model.n_parameters())} parameters"


def pack(part: bytes) -> str:
    """Bytes as text for a page: deflated, with a checksum, then base64, so that no data can end or begin anything in
    HTML.
    """
    return base64.b64encode(zlib.compress(part, 6)).decode()


@cache
def script_of(page: str) -> str:
    files = "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS[page])
    return f'"use strict";\n(() => {{\n{files}}})();\n'


@cache
def style() -> str:
    return (HERE / "style.css").read_text(encoding="utf-8")


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def render(page: str, heading: Heading, parts: Mapping[str, bytes | str]) -> str:
    """The page "probe", "training" or "live" as HTML. ``parts``: its data by name, as bytes, or as text packed already.

    The Content-Security-Policy allows this style, this script and a worker that the script makes, and nothing else: no
    request, no other code.
    """
    packed = {name: part if isinstance(part, str) else pack(part) for name, part in parts.items()}
    blocks = (f'<script type="text/plain" id="{escape(name)}">{part}</script>' for name, part in packed.items())
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        style_digest=digest(style()),
        script_digest=digest(script_of(page)),
        style=style(),
        script=script_of(page),
        about=escape(heading.about),
        title=escape(heading.title),
        sentences="\n".join(f"<p>{escape(sentence)}</p>" for sentence in heading.sentences),
        parts="\n".join(blocks),
    )


def write_page(path: Path, page: str, heading: Heading, parts: Mapping[str, bytes | str]) -> list[Path]:
    """Writes the page in one step, so that a browser that loads it meanwhile finds a whole one.

    Several processes may do so at the same time: training, and a probe that has training dynamics for the page. Bytes
    of names that are no UTF-8 are shown as escapes.
    """
    replace_durably(path, render(page, heading, parts).encode(errors="backslashreplace"), shared=True)
    return [path]
