"""What heads do where no name is known: ``python -m experiments.heads_on_unseen_names RUN [RUN ...] [--cases 400]``.

Heads are chosen on *select*, as always, and quoted on the split *unseen_names*. A candidate there has one to five
tokens, and one more in *facts* and *reasons*, where its trade comes first (*baker Priyanka*). A second table shows how
the chosen head divides its attention among the tokens of what is meant.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from common import one_line
from common.markdown import Table
from data.stories import TASKS, cases
from experiments.heads import COLUMNS, row
from experiments.measurable import print_too_few, require_pairs, shape_of
from model import GPT
from probing import encode_tasks, probe, to_json
from probing.heads import attention_row
from probing.tasks import TaskResult
from storage.weights import load_model

OPEN = tuple(name for name, task in TASKS.items() if any(template.open for template in task.templates))
PARTS = ("first", "in between", "last")  # tokens


def shares_of_parts(model: GPT, result: TaskResult) -> Mapping[str, float]:
    """How the best head, at its site, divides what it gives to a candidate of three tokens or more, if it is meant; {}
    if there is no such candidate.
    """
    given = []
    for case in result.cases:
        start, end = case.gold[-1]
        if end - start >= len(PARTS):
            weights = attention_row(model, case.tokens, case.sites[result.quotes[result.best].site], result.best)
            first, *between, last = weights[start:end]
            given.append((first, sum(between), last))
    if not given:
        return {}
    total = np.sum(given, axis=0)
    return dict(zip(PARTS, total / total.sum(), strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.heads_on_unseen_names", description=__doc__.splitlines()[0]
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--cases", type=int, default=400, help="of each task and split")
    options = parser.parse_args(arguments)
    require_pairs(options.cases)
    select, report = (cases(split, options.cases, 0, OPEN) for split in ("select", "unseen_names"))
    for run in options.runs:  # all of them, before the first is measured
        config, tokenizer = shape_of(run)
        print_too_few(run, *encode_tasks(tokenizer, select, report, config.block_size, seed=0))
    rows, divided = [], []
    for run in options.runs:
        model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
        findings = probe(model, tokenizer, select, report)
        tasks = to_json(findings)["tasks"]
        for result in findings.tasks:
            if result.name in OPEN:
                rows.append(row(result.name, run.name, tasks[result.name]))
                shares = shares_of_parts(model, result)
                divided.append(
                    [result.name, run.name, result.best, *(f"{shares[part]:.0%}" if shares else "-" for part in PARTS)]
                )
    by_task = partial(sorted, key=lambda cells: OPEN.index(cells[0]))
    print(Table(COLUMNS, by_task(rows)).markdown())
    print("\nits attention to candidates of three tokens or more; in facts and reasons the first is the trade\n")
    print(Table(("task", "run", "head", *PARTS), by_task(divided)).markdown())


if __name__ == "__main__":
    one_line.run(main)
