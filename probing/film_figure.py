"""The film of a run as a picture: when its references were resolved, and when the heads that resolve them formed."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from data.visible import visible_name
from probing.figures import drawing, new_figure, save

N_COLOURS = 10  # that matplotlib tells apart by default
PANELS = (
    ("model_accuracy", "the model's answer is right", "share of answers"),
    ("choice_accuracy", "the head picks what is meant", "choice accuracy"),
    ("resample_drop", "cost of another case's head output, nats", "nats of log-odds"),
)


def draw_film(frames: Sequence[dict], path: Path) -> list[Path]:
    """One panel for behaviour, looking and mattering, against tokens seen; one line a family.

    Returns what was written: nothing for fewer than two frames.
    """
    if len(frames) < 2:
        return []
    families = frames[-1]["families"]
    with drawing(**{"font.size": 9}):
        figure = new_figure(13, 3.9, layout="constrained")
        for axes, (key, title, label) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
            for i, family in enumerate(families):
                draw_line(axes, frames, family, key, i)
            axes.set(title=title, ylabel=label, xlabel="tokens seen")
            axes.set_xscale("symlog", linthresh=max(1, frames[1]["tokens"]))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            if key != "resample_drop":
                axes.set_ylim(-0.03, 1.03)
        axes.legend(frameon=False, fontsize=8, bbox_to_anchor=(1.02, 0.5), loc="center left")
        return save(figure, path)


def draw_line(axes: Axes, frames: Sequence[dict], family: str, key: str, i: int) -> None:
    known = [frame for frame in frames if family in frame["families"]]
    head = known[-1]["families"][family]["head"]
    axes.plot(
        [frame["tokens"] for frame in known],
        [frame["families"][family][key] for frame in known],
        "-" if i < N_COLOURS else "--",
        color=f"C{i % N_COLOURS}",
        marker=".",
        label=f"{visible_name(family)}, head {head}",  # a label that began with _ would be left out
    )
