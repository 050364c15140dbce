"""Does attention pick the sense of a word? Bats that swim and bats that bend, told apart by an earlier sentence."""

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
from probing.families import Quoted
from report.figures import LINE, MARGIN, WIDTH, draw_story, drawing, lay_out, new_figure, save
from training import load_model

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
    told = cases("report", STORIES, seed, (FAMILY,))
    pairs = [told[i : i + 2] for i in range(0, len(told), 2)][:: len(told) // 2 // SHOWN][:SHOWN]
    quoted = Quoted(best["head"], best["site"], best["choice_accuracy"], best["ci"])
    with drawing():
        stories = [[lay_out(model, tokenizer, encode_case(case, tokenizer), quoted) for case in pair] for pair in pairs]
        n_lines = sum(story[-1].line + 1 for pair in stories for story in pair)
        height = MARGIN + 0.55 + LINE * n_lines + 0.12 * len(stories)
        figure = new_figure(WIDTH, height)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        axes.axis("off")
        title = f"Where head {best['head']} looks from the ambiguous word, to predict what happened to it"
        axes.text(MARGIN, 0.22, title, weight="bold")
        legend = "boxed: the word it looks from; underlined: what tells the sense; grey: not read yet"
        axes.text(MARGIN, 0.43, legend, fontsize=8)
        y = 0.55
        for pair in stories:
            for story in pair:
                draw_story(axes, story, y)
                y += LINE * (story[-1].line + 1)
            y += 0.12
        return save(figure, path)


CLAIM = Claim("sense", "Attention picks the sense of an ambiguous word from its context.", 15, run)
