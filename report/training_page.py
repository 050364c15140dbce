"""The page of a run, RUN/report.html, and its curves, during training and afterwards."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from common.atomic import json_text, read_json
from common.errors import InputError
from common.folders import CONFIG
from common.output import print_note
from probing.in_text.kinds import KINDS_IN_WORDS
from report import training_summary as summary
from report.pages import Heading, write_page
from storage import checkpoint
from storage.metrics import Row, best_evaluation, evaluations_of, read_rows
from storage.run import LIVE_PAGE, METRICS, PAGE, read_config
from training.config import TrainConfig
from training.evaluation import part_losses, tasks_of
from training.loop import Trainer

REDRAW_SECONDS = 60
TEXT = "text/"  # begins the names of what heads cost in a text: probe/text/HEAD/NAME
SHARE = 0.02  # of the time of a run that writing its page may take

# What a page carries at most, so that it stays small however long the run was.
TRAIN_POINTS, EVALUATIONS, MOST_MOMENTS, SAMPLES, SAMPLE_CHARACTERS = 1_000, 400, 200, 40, 2_000

DAMAGED = (KeyError, TypeError, ValueError)  # what settings that are gone or of another type end in
BUDGET = ("max_steps", "max_tokens", "max_minutes", "patience")


class Curves:
    """A sink of ``storage.metrics``: draws RUN/curves.png at evaluations, once a minute at most, and at the end."""

    def __init__(self, run: Path) -> None:
        self.run, self.drawn = run, time.monotonic()

    def __call__(self, row: Row) -> None:
        if "val_loss" in row and time.monotonic() - self.drawn > REDRAW_SECONDS:
            self.draw()

    def __enter__(self) -> "Curves":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:  # a run that failed, perhaps because the disk is full, reports that instead
            self.draw()

    def draw(self) -> None:
        from report.figures.curves import draw_curves  # slow to import

        draw_curves(read_rows(self.run / METRICS), self.run / "curves.png")
        self.drawn = time.monotonic()


class TrainingPage:
    """A sink of ``storage.metrics``: writes RUN/report.html at evaluations and when training ends.

    Long records take long to read. An evaluation that comes too soon after the page was written is left out, so that
    all the writing takes at most SHARE of the time.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.next = 0.0  # not to be written before
        self.noted = False

    def __call__(self, row: Row) -> None:
        if "val_loss" in row and time.monotonic() >= self.next:
            started = time.monotonic()
            self.write("training")
            now = time.monotonic()
            self.next = now + (now - started) * (1 / SHARE - 1)

    def write(self, state: summary.State) -> None:
        """Writes the page; where config.yaml is gone or damaged, a note says so once, and training goes on."""
        try:
            write_training_page(self.trainer.run, state)
        except (InputError, FileNotFoundError, *DAMAGED) as error:
            if not self.noted:
                plain = isinstance(error, InputError | FileNotFoundError)
                reason = error if plain else f"{CONFIG} is not as it was: {error!r}"
                print_note(f"{PAGE} was not written ({reason})")
            self.noted = True

    def __enter__(self) -> "TrainingPage":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            self.write("stopped" if self.trainer.stops.agreed else "ended")
            return
        with suppress(OSError, InputError, *DAMAGED):  # what ended the run, perhaps a full disk, is reported first
            write_training_page(self.trainer.run, "failed")


def complete(run: Path) -> None:
    """Writes the curves and the page of a run that has ended, where they are older than its last checkpoint: it was
    killed between the two.
    """
    saved = (checkpoint.find(run, "latest") / checkpoint.STATE).stat().st_mtime_ns
    wanted = [run / PAGE]
    if len(evaluations_of(read_rows(run / METRICS))) > 1:  # which curves need
        wanted.append(run / "curves.png")
    if any(not path.exists() or path.stat().st_mtime_ns < saved for path in wanted):
        Curves(run).draw()
        write_training_page(run, "ended")


def write_training_page(run: Path, state: summary.State | None = None) -> list[Path]:
    """Writes RUN/report.html out of what the folder holds; nothing where nothing was evaluated yet.

    ``state``: what the caller knows beyond the record; None: nothing.
    """
    rows = read_rows(run / METRICS)
    if not evaluations_of(rows):
        return []
    settings = read_config(run)
    budget: dict[str, Any] = {name: settings.get(name) for name in BUDGET}
    config = TrainConfig(**budget)
    heading = Heading(
        summary.about(run, settings, datetime.now()),
        summary.title(config, rows),
        summary.sentences(config, rows, run, state),
    )
    data = {
        **page_json(rows),
        "live": LIVE_PAGE if live_page_is_current(run) else None,
        "dynamics": dynamics_json(rows, run / "probe" / "heads.json"),
        "config": (run / CONFIG).read_text(encoding="utf-8"),
    }
    return write_page(run / PAGE, "training", heading, {"page.json": json_text(data).encode()})


def live_page_is_current(run: Path) -> bool:
    """Whether RUN/live.html is there and has the best weights so far: those of a run that goes on may be newer."""
    page = run / LIVE_PAGE
    try:
        if not (checkpoint.saved_steps(run) and checkpoint.has_best(run)):
            return page.exists()
        return page.stat().st_mtime_ns >= (checkpoint.find(run, "best") / checkpoint.STATE).stat().st_mtime_ns
    except (InputError, OSError):  # there is no page, or what it is of is damaged or just being replaced
        return False


def page_json(rows: Sequence[Row]) -> dict:
    """The record as columns, thinned; losses in nats per token, tasks and the parts of a mixture by name. None: not
    finite, or not measured.
    """
    every = evaluations_of(rows)
    best = best_evaluation(rows)
    evaluations = evenly_spaced(every, EVALUATIONS, keep=best)
    losses = [(row["step"], row["train_loss"]) for row in rows if row.get("train_loss") is not None]
    columns = ["step", "tokens", "seconds", "train_loss", "val_loss", "tokens_per_second"]
    if any("val_bpb" in row for row in every):  # tokens without text have no bytes
        columns.insert(5, "val_bpb")
    return {
        "train": thin([(step, rounded(loss)) for step, loss in losses], TRAIN_POINTS),
        "evaluations": {key: [rounded(row.get(key)) for row in evaluations] for key in columns},
        "parts": {
            name: {key: [rounded(row.get(f"{key}/{name}")) for row in evaluations] for key in ("val_loss", "val_bpb")}
            for name in part_losses(every[-1])
        },
        "best": best["step"] if best else None,
        "tasks": {
            task: {
                "chance_loss": every[-1].get(f"referential/{task}/chance_loss"),
                "since": summary.below_chance_since(every, task),
                **{
                    name: [rounded(row.get(f"referential/{task}/{name}")) for row in evaluations]
                    for name in ("loss", "accuracy")
                },
            }
            for task in tasks_of(every[-1], "referential")
        },
        "generalisation": generalisation_json(every[-1]),
        "samples": [
            {"step": row["step"], "text": row["sample"][:SAMPLE_CHARACTERS], "length": len(row["sample"])}
            for row in evenly_spaced([row for row in rows if "sample" in row], SAMPLES)
        ],
    }


def generalisation_json(row: Row) -> dict:
    """What the evaluation at the end of the budget says of held-out stories and of each generalisation split."""
    return {
        "columns": list(summary.STORY_COLUMNS),
        "tasks": {
            task: [rounded(row.get(key.format(task))) for key in summary.STORY_COLUMNS.values()]
            for task in tasks_of(row, "report")
        },
    }


def dynamics_json(rows: Sequence[Row], heads: Path) -> dict:
    """Training dynamics of tasks, and of heads in a text: the quick probes made while training, or else what
    ``probe.py dynamics=true`` saw and wrote to ``heads``.
    """
    seen = [row for row in rows if "probe_seconds" in row]
    tasks = [moment for row in seen if (moment := moment_of(row, "tasks"))["tasks"]]
    costs = [moment for row in seen if (moment := moment_of(row, "heads"))["heads"]]
    recorded = {} if tasks and costs else read_json(heads)
    text = recorded.get("text") or {"source": {"text_file": None}}
    moments = [without_unknown(moment) for moment in tasks or recorded.get("dynamics", [])]
    return {
        "live": bool(tasks),
        "moments": evenly_spaced(moments, MOST_MOMENTS),
        "text": {
            "live": bool(costs),
            "file": None if costs else text["source"]["text_file"],
            "kinds": KINDS_IN_WORDS,
            "moments": evenly_spaced(costs or text.get("dynamics", []), MOST_MOMENTS),
        },
    }


def moment_of(row: Row, of: Literal["tasks", "heads"]) -> dict:
    """A row as one moment of training dynamics: probe/TASK/NAME by task, or probe/text/HEAD/NAME by head."""
    by_name: dict[str, dict] = {}
    for key, value in row.items():
        group, _, rest = key.partition("/")
        name, _, measure = rest.rpartition("/")
        if group == "probe" and name.startswith(TEXT) == (of == "heads"):
            by_name.setdefault(name.removeprefix(TEXT), {})[measure] = rounded(value)
    return {"step": row["step"], "tokens": row["tokens"], of: by_name}


def without_unknown(moment: dict) -> dict:
    """A moment without the tasks of which something was not finite, as in a model that has diverged. A weight swap may
    be missing by itself: of a head from whose site no path leads to the answer.
    """
    known = {
        task: look
        for task, look in moment["tasks"].items()
        if all(value is not None for name, value in look.items() if name != "weight_swap_drop")
    }
    return {**moment, "tasks": known}


def rounded(value: Any) -> Any:
    """A number to the six digits that a page has use for; text and None as they are."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def evenly_spaced(rows: Sequence[Mapping], n: int, keep: Mapping | None = None) -> list[Mapping]:
    """At most ``n`` rows, evenly spread, with the first, the last, and beyond that number the one to ``keep``."""
    if len(rows) <= n:
        return list(rows)
    chosen = {round(i * (len(rows) - 1) / (n - 1)) for i in range(n)}
    return [row for i, row in enumerate(rows) if i in chosen or row is keep]


def thin(points: Sequence[tuple[int, float]], n: int) -> list[tuple[int, float]]:
    """At most ``n`` points that draw the same line: of each stretch its lowest and its highest, and both ends."""
    if len(points) <= n:
        return list(points)
    stretches = (n - 2) // 2
    kept = {0, len(points) - 1}
    for i in range(stretches):
        stretch = range(i * len(points) // stretches, (i + 1) * len(points) // stretches)
        kept |= {extreme(stretch, key=lambda k: points[k][1]) for extreme in (min, max)}
    return [points[k] for k in sorted(kept)]
