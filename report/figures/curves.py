"""The curves of a run: loss against tokens, and right answers of each task."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from common.visible import visible_name
from report.figures.canvas import drawing, line_style, new_figure, save
from storage.metrics import Row
from training.evaluation import part_losses, tasks_of

LOSSES = {
    "train_loss": {"label": "training, one batch", "color": "#b8c4d6"},
    "val_loss": {"label": "validation, all of it", "color": "#1f4e8c", "marker": "."},
}


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
    return (min(late) * 0.98, max(late) * 1.02 or 1.0) if late else (None, None)
