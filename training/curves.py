"""A run's curves as a picture in its folder, drawn from its record."""

import io
import time
from pathlib import Path

from data.disk import replace_durably
from training.evaluation import families_of
from training.metrics import Row, read_rows

REDRAW_SECONDS = 60
N_COLOURS = 10  # that matplotlib tells apart by default
COLOURS = {"train_loss": "#b8c4d6", "val_loss": "#1f4e8c"}


class Curves:
    """A sink of ``training.metrics``: draws RUN/curves.png at evaluations, once a minute at most, and at the end."""

    def __init__(self, run: Path) -> None:
        self.run, self.drawn = run, time.monotonic()

    def __call__(self, row: Row) -> None:
        if "val_loss" in row and time.monotonic() - self.drawn > REDRAW_SECONDS:
            self.draw()

    def __enter__(self) -> "Curves":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:  # a run that failed, perhaps for want of room, has something else to say
            self.draw()

    def draw(self) -> None:
        draw_curves(read_rows(self.run / "metrics.jsonl"), self.run / "curves.png")
        self.drawn = time.monotonic()


def loss_limits(rows: list[Row]) -> tuple[float, float]:
    """The losses after the first twentieth of the tokens, which fall from a height that would flatten the rest."""
    end = rows[-1]["tokens"]
    late = [row[key] for row in rows for key in COLOURS if row["tokens"] >= end / 20 and row.get(key) is not None]
    return (min(late) * 0.98, max(late) * 1.02) if late else (None, None)


def draw_curves(rows: list[Row], place: Path) -> None:
    """Loss against tokens, and for stories the share of right answers of each family; nothing without two points."""
    from matplotlib.figure import Figure  # slow to import
    from matplotlib.ticker import EngFormatter

    evaluations = [row for row in rows if row.get("val_loss") is not None]
    if len(evaluations) < 2:
        return
    families = families_of(evaluations[-1], "referential")
    figure = Figure(figsize=(10 if families else 5.5, 3.6), dpi=120, layout="constrained")
    axes = figure.subplots(1, 2 if families else 1, squeeze=False)[0]
    for key, label in (("train_loss", "training, one batch"), ("val_loss", "validation, all of it")):
        points = [(row["tokens"], row[key]) for row in rows if row.get(key) is not None]
        axes[0].plot(
            *zip(*points, strict=True), color=COLOURS[key], label=label, marker="." if key == "val_loss" else ""
        )
    axes[0].set(xlabel="tokens", ylabel="loss, nats per token", ylim=loss_limits(rows))
    axes[0].legend(frameon=False)
    for i, family in enumerate(families):
        key = f"referential/{family}/accuracy"
        points = [(row["tokens"], row[key]) for row in evaluations if key in row]
        style = "-" if i < N_COLOURS else "--"
        axes[1].plot(*zip(*points, strict=True), style, color=f"C{i % N_COLOURS}", label=family)
    if families:
        axes[1].set(xlabel="tokens", ylabel="right answers", ylim=(-0.02, 1.02))
        axes[1].legend(frameon=False, fontsize=7, ncols=2, loc="lower right")
    for axis in axes:
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    replace_durably(place, picture.getvalue())
