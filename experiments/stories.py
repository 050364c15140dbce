"""What several runs on stories have learned, as one table: ``python -m experiments.stories runs/a runs/b runs/c``.

Reads the last row of each run's metrics.jsonl. Every cell is the mean over runs with the lowest and the highest.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from common import one_line
from common.errors import InputError
from experiments.tables import Table
from report.training_summary import STORY_COLUMNS
from storage.metrics import read_rows
from storage.run import METRICS
from training.evaluation import tasks_of


def last_row(run: Path) -> dict:
    rows = read_rows(run / METRICS)
    if not rows or not tasks_of(rows[-1], "report"):
        raise InputError(
            f"{run}: its last row has no report on stories; train it on data=stories to the end of its budget"
        )
    return rows[-1]


def cell(name: str, values: Sequence[float]) -> str:
    if name == "chance":
        return f"{mean(values):.2f}"
    if name == "loss":
        return f"{mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"
    return f"{mean(values):.1%} ({min(values):.1%}-{max(values):.1%})"


def main(runs: Sequence[str]) -> None:
    if not runs:
        raise InputError(f"name at least one run: {(__doc__ or '').splitlines()[0]}")
    rows = [last_row(Path(run)) for run in runs]
    minutes = [row["seconds"] / 60 for row in rows]
    tokens = mean(row["tokens"] for row in rows)
    print(f"{len(rows)} runs, {min(minutes):.1f} to {max(minutes):.1f} minutes, {tokens:,.0f} tokens each\n")
    table = []
    for task in tasks_of(rows[0], "report"):
        columns: dict[str, list[Any]] = {
            name: [row.get(key.format(task)) for row in rows] for name, key in STORY_COLUMNS.items()
        }
        table.append([task, *("-" if None in values else cell(name, values) for name, values in columns.items())])
    print(Table(("task", *STORY_COLUMNS), table).markdown())


if __name__ == "__main__":
    one_line.run(lambda: main(sys.argv[1:]))
