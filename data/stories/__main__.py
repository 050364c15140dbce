"""Stories to read, or as JSON lines: ``python -m data.stories --show cue --n 3``, ``--cases 100 --split report``.

Stories come with their counterfactuals, which differ in the word that points to the antecedent, or in what
--counterfactual says.
"""

import argparse
import json
import sys

from common.one_line import run
from data.cases.case import Case
from data.stories import COUNTERFACTUAL_KINDS, SPLITS, TASKS, cases

MARKS = {
    "gold": "\033[1;32m",
    "distractors": "\033[33m",
    "pronoun": "\033[1;36m",
    "chain": "\033[36m",
    "cue": "\033[35m",
    "answer": "\033[1;4m",
}
RESET = "\033[0m"


def marked(case: Case, colour: bool) -> str:
    """The text with every span named in brackets, in colour where the terminal has it."""
    spans = case.spans
    marks = [("gold", span) for span in spans.gold] + [("distractors", span) for span in spans.distractors]
    marks += [("chain", span) for span in spans.chain]
    marks += [(name, span) for name, span in (("pronoun", spans.pronoun), ("cue", spans.cue)) if span]
    raw, out, at = case.text.encode(), "", 0
    for name, (start, end) in sorted([*marks, ("answer", spans.answer)], key=lambda mark: mark[1]):
        word = f"{raw[start:end].decode()}[{name.removesuffix('s')}]"
        out += raw[at:start].decode() + (MARKS[name] + word + RESET if colour else word)
        at = end
    return out + raw[at:].decode()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.stories", description=__doc__)
    parser.add_argument("--show", metavar="TASK", choices=TASKS, help="print stories with their spans marked")
    parser.add_argument("--n", type=int, default=4, help="how many stories to show")
    parser.add_argument("--cases", type=int, metavar="N", help="write N cases of each task as JSON lines")
    parser.add_argument("--task", choices=TASKS, help="only this task")
    parser.add_argument(
        "--counterfactual",
        metavar="KIND",
        choices=COUNTERFACTUAL_KINDS,
        help=f"one of {', '.join(COUNTERFACTUAL_KINDS)}",
    )
    parser.add_argument("--split", choices=SPLITS, default="report")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if (arguments.show is None) == (arguments.cases is None):
        parser.error("give either --show TASK or --cases N")
    if arguments.n < 1 or (arguments.cases is not None and arguments.cases < 1):
        parser.error("--n and --cases must be at least 1")
    if arguments.show and arguments.task:
        parser.error("--show TASK says the task; leave --task out")
    task = arguments.show or arguments.task
    n = arguments.n + arguments.n % 2 if arguments.show else arguments.cases
    names = (task,) if task else tuple(TASKS)
    try:
        drawn = cases(arguments.split, n, arguments.seed, names, arguments.counterfactual)
    except ValueError as error:
        parser.error(str(error))
    if not drawn:
        none, remedy = f"{task} has no" if task else "no task has", "another split or task"
        if arguments.counterfactual:
            parser.error(
                f"{none} stories with --counterfactual {arguments.counterfactual} in --split {arguments.split}; leave "
                f"--counterfactual out, or give {remedy}"
            )
        parser.error(f"{none} stories in --split {arguments.split}; give {remedy}")
    for case in drawn[: arguments.n] if arguments.show else drawn:
        print(marked(case, sys.stdout.isatty()) if arguments.show else json.dumps(case.to_json()))


if __name__ == "__main__":
    run(main)
