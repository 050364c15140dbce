"""Does attention pick the sense of a word? Bats that swim and bats that bend: an earlier sentence decides."""

from pathlib import Path

import torch

from data import encode_case
from data.stories import cases
from experiments.articles.claim import Claim, Result, judge, share_over_seeds
from experiments.articles.heads_json import (
    because,
    default_heads,
    default_runs,
    lowest_end,
    shown,
    task_numbers,
    task_table,
)
from experiments.runs import Setup, best_baseline
from probing.quotes import Quoted
from report.figures.canvas import drawing
from report.figures.stories import draw_parts, lay_out
from storage.weights import load_model

TASK = "sense"
STORIES = 400  # as many as probe.py quotes
SHOWN = 3  # pairs


def run(setup: Setup) -> Result:
    heads_by_seed = default_heads(setup)
    tasks = [heads["tasks"][TASK] for heads in heads_by_seed]
    accuracy = [task["best"]["choice_accuracy"] for task in tasks]
    bar = max(best_baseline(task)[1] for task in tasks)
    return Result(
        judge([shown(task) for task in tasks]),
        because(heads_by_seed, (TASK,)),
        f"the head picks the sense: {share_over_seeds(accuracy)}; lowest end of an interval within a seed "
        f"{lowest_end(heads_by_seed, (TASK,)):.1f} %; best baseline {100 * bar:.1f} %",
        [task_table(heads_by_seed, (TASK,))],
        task_numbers(heads_by_seed, (TASK,)),
        draw(default_runs(setup)[0], tasks[0]["best"], setup.seeds[0], setup.picture("sense")),
    )


def draw(run: Path, best: dict, seed: int, path: Path) -> list[Path]:
    """Pairs of stories that differ in the ambiguous word asked for, evenly spaced over those that numbers are of."""
    model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
    pairs = list(zip(*[iter(cases("report", STORIES, seed, (TASK,)))] * 2, strict=True))
    pairs = pairs[:: len(pairs) // SHOWN][:SHOWN]
    quoted = Quoted(best["head"], best["site"], best["choice_accuracy"], best["ci"])
    with drawing():
        stories = [[lay_out(model, tokenizer, encode_case(case, tokenizer), quoted) for case in pair] for pair in pairs]
        title = f"Where head {best['head']} looks from the ambiguous word, to predict what happened to it"
        legend = "boxed: the word it looks from; underlined: what decides the sense; grey: not read yet"
        return draw_parts([(title, []), *zip((legend, *[""] * (SHOWN - 1)), stories, strict=True)], path)


CLAIM = Claim("sense", "Attention picks the sense of an ambiguous word from its context.", 15, run)
