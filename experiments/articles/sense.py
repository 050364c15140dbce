"""Does attention pick the sense of a word? Bats that swim and bats that bend: an earlier sentence decides."""

from pathlib import Path
from statistics import mean

import torch

from data import encode_case
from data.stories import cases
from experiments.articles.claim import Claim, Result, share_over_seeds
from experiments.articles.found import (
    because,
    best_baseline,
    default_found,
    default_runs,
    family_numbers,
    family_table,
    judge,
    lowest_end,
    shown,
)
from experiments.runs import Setup
from probing.tasks import Quoted
from report.figures import draw_parts, drawing, lay_out
from storage.weights import load_model

FAMILY = "sense"
STORIES = 400  # as many as probe.py quotes
SHOWN = 3  # pairs


def run(setup: Setup) -> Result:
    found = default_found(setup)
    families = [one["families"][FAMILY] for one in found]
    accuracy = [family["best"]["choice_accuracy"] for family in families]
    bar = mean(best_baseline(family)[1] for family in families)
    return Result(
        judge([shown(family) for family in families]),
        because(found, (FAMILY,)),
        f"the head picks the sense: {share_over_seeds(accuracy)}; lowest end of an interval within a seed "
        f"{lowest_end(found, (FAMILY,)):.1f} %; best baseline {100 * bar:.1f} %",
        [family_table(found, (FAMILY,))],
        family_numbers(found, (FAMILY,)),
        draw(default_runs(setup)[0], families[0]["best"], setup.seeds[0], setup.picture("sense")),
    )


def draw(run: Path, best: dict, seed: int, path: Path) -> list[Path]:
    """Pairs of stories that differ in the ambiguous word asked for, evenly spaced over those that numbers are of."""
    model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
    pairs = list(zip(*[iter(cases("report", STORIES, seed, (FAMILY,)))] * 2, strict=True))
    pairs = pairs[:: len(pairs) // SHOWN][:SHOWN]
    quoted = Quoted(best["head"], best["site"], best["choice_accuracy"], best["ci"])
    with drawing():
        stories = [[lay_out(model, tokenizer, encode_case(case, tokenizer), quoted) for case in pair] for pair in pairs]
        title = f"Where head {best['head']} looks from the ambiguous word, to predict what happened to it"
        legend = "boxed: the word it looks from; underlined: what decides the sense; grey: not read yet"
        return draw_parts([(title, []), *zip((legend, *[""] * (SHOWN - 1)), stories, strict=True)], path)


CLAIM = Claim("sense", "Attention picks the sense of an ambiguous word from its context.", 15, run)
