"""What several runs on stories have learned, as one table: ``python -m experiments.stories runs/a runs/b runs/c``.

Reads the last row of each run's metrics.jsonl. Every cell is the mean over runs with the lowest and the highest.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from common import one_line
from common.errors import InputError
from common.markdown import Table
from report.training_summary import STORY_COLUMNS
from storage.metrics import read_rows
from storage.not_a_run import no_such_run
from storage.run import METRICS
from training.evaluation import tasks_of


def last_row(run: Path) -> dict:
    if not run.is_dir():
        raise no_such_run(run)
    rows = read_rows(run / METRICS)
    if not rows or not tasks_of(rows[-1], "report"):
        raise InputError(
            f"{run}: its last row has no report on stories; train it on data=stories to the end of its budget"
        )
    return rows[-1]


def over_runs(name: str, values: Sequence[float]) -> str:
    if name == "chance":
        return f"{mean(values):.2f}"
    if name == "loss":
        return f"{mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"
    low, high = min(values), max(values)
    return f"{low:.1%}" if low == high else f"{mean(values):.1%} ({low:.1%}-{high:.1%})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.stories", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    rows = [last_row(run) for run in parser.parse_args(arguments).runs]
    minutes = [row["seconds"] / 60 for row in rows]
    tokens = [row["tokens"] for row in rows]
    print(f"{len(rows)} runs, {min(minutes):.1f} to {max(minutes):.1f} minutes", end=", ")
    print(f"{min(tokens):,} to {max(tokens):,} tokens\n")
    table = []
    for task in dict.fromkeys(task for row in rows for task in tasks_of(row, "report")):
        columns: dict[str, list[Any]] = {
            name: [row.get(key.format(task)) for row in rows] for name, key in STORY_COLUMNS.items()
        }
        table.append([task, *("-" if None in values else over_runs(name, values) for name, values in columns.items())])
    print(Table(("task", *STORY_COLUMNS), table).markdown())


if __name__ == "__main__":
    one_line.run(main)
