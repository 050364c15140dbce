"""The record of a run: metrics.jsonl is the truth, everything else is made from it."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from common.atomic import flush, json_text, replace_durably
from common.errors import InputError
from storage.renamed import renamed_column

Row = dict[str, Any]  # numbers, and some text
Sink = Callable[[Row], None]


class Metrics:
    """Appends rows to ``metrics.jsonl``, one JSON object a line, and hands each to the sinks (progress bar, wandb)."""

    def __init__(self, path: Path, sinks: Sequence[Sink] = ()) -> None:
        self.path, self.sinks = path, sinks
        self.file = open(path, "a", encoding="utf-8")

    def log(self, row: Row) -> None:
        self.file.write(json_text(row) + "\n")
        self.file.flush()  # sinks may read it
        for sink in self.sinks:
            sink(row)

    def flush(self) -> None:
        """Puts all rows on the disk; called before each checkpoint, so that no row before one is ever lost."""
        flush(self.file)

    def close(self) -> None:
        """Closes the file; what could not be written has been reported by ``flush``."""
        with suppress(OSError):
            self.file.close()


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics file; a last line that a crash cut off is left out. What was not finite is None. Columns
    of an earlier version have the names of today.
    """
    if not path.exists():
        return []
    rows = []
    text = path.read_text(encoding="utf-8", errors="backslashreplace")  # whose escapes are no JSON
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            rows.append({renamed_column(name): value for name, value in json.loads(line).items()})
        except (ValueError, AttributeError):  # no JSON, or no object
            raise InputError(f"{path}, line {number}: damaged; remove that line to go on") from None
    return rows


def evaluations_of(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if "val_loss" in row]


def best_evaluation(rows: Sequence[Row]) -> Row | None:
    """The one with the lowest validation loss after step 0, whose weights sample.py and probe.py take."""
    trained = [row for row in evaluations_of(rows) if row["step"] and row["val_loss"] is not None]
    return min(trained, key=lambda row: row["val_loss"], default=None)


def forget_after(path: Path, step: int) -> None:
    """Drops the rows after ``step``: a run that goes on from a checkpoint writes them again."""
    kept = [row for row in read_rows(path) if row["step"] <= step]
    replace_durably(path, "".join(json_text(row) + "\n" for row in kept).encode())
