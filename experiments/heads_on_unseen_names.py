"""What heads do where no name is known: ``python -m experiments.heads_on_unseen_names RUN [RUN ...] [--cases 400]``.

Heads are chosen on *select*, as always, and quoted on the split *unseen_names*. A name there has one to five tokens; a
second table says on which of them the chosen head puts its attention.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from data.stories import TASKS, cases
from experiments.heads import COLUMNS, row
from experiments.tables import Table
from model import GPT
from probing import probe, to_json
from probing.heads import attention_row
from probing.tasks import TaskResult
from storage.weights import load_model

OPEN = tuple(name for name, task in TASKS.items() if any(template.open for template in task.templates))
PIECES = ("first", "in between", "last")


def shares_of_pieces(model: GPT, result: TaskResult) -> Mapping[str, float]:
    """How the best head, at its site, divides what it gives to names of three tokens or more."""
    given = []
    for case in result.cases:
        start, end = case.gold[-1]
        if end - start >= len(PIECES):
            weights = attention_row(model, case.tokens, case.sites[result.quotes[result.best].site], result.best)
            name = np.array(weights[start:end])
            given.append((name[0], name[1:-1].sum(), name[-1]))
    total = np.sum(given, axis=0)
    return dict(zip(PIECES, total / total.sum(), strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.heads_on_unseen_names", description=__doc__.splitlines()[0]
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--cases", type=int, default=400, help="of each task and split")
    options = parser.parse_args(arguments)
    select, report = (cases(split, options.cases, 0, OPEN) for split in ("select", "unseen_names"))
    rows, pieces = [], []
    for run in options.runs:
        model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
        findings = probe(model, tokenizer, select, report)
        tasks = to_json(findings)["tasks"]
        for result in findings.tasks:
            if result.name in OPEN:
                rows.append(row(result.name, run.name, tasks[result.name]))
                shares = shares_of_pieces(model, result)
                pieces.append([result.name, run.name, result.best, *(f"{shares[piece]:.0%}" for piece in PIECES)])
    print(Table(COLUMNS, sorted(rows, key=lambda cells: OPEN.index(cells[0]))).markdown())
    print("\nattention of the chosen head to the tokens of a name of three or more\n")
    print(Table(("task", "run", "head", *PIECES), sorted(pieces, key=lambda cells: OPEN.index(cells[0]))).markdown())


if __name__ == "__main__":
    main()
