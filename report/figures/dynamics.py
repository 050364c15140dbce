"""How heads formed: what they did at each snapshot of training, against tokens seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from common.visible import visible_name
from report.figures.canvas import OTHERS, drawing, line_style, new_figure, save

DYNAMICS = (
    ("model_accuracy", "the model's answer is right", "share of answers"),
    ("choice_accuracy", "the head picks what is meant", "choice accuracy"),
    ("resample_ablation_drop", "cost of resample ablation", "nats of log-odds"),
)
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
            axes.set(title=title, ylabel=label)
            show_tokens_seen(axes, moments)
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
        axes.set(title="how much the loss grows without a head", ylabel="nats per token")
        show_tokens_seen(axes, moments)
        axes.legend(fontsize=8, bbox_to_anchor=(1.02, 0.5), loc="center left")
        return save(figure, path)


def show_tokens_seen(axes: Axes, moments: Sequence[Mapping]) -> None:
    """The horizontal axis: linear up to the second snapshot, since the first has seen none, logarithmic after it."""
    axes.set_xlabel("tokens seen")
    axes.set_xscale("symlog", linthresh=max(1, moments[1]["tokens"]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
