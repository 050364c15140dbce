"""Does attention connect distant words, where a window or a recurrent state loses them? Names to be recalled.

Two trades and names are told, then nothing that matters, then one of the trades is named, and the model has to say
whose it was. All kinds of attention are trained on the same short stories (configs/experiment/distance.yaml); each
measured story is told with more and more sentences in between, the rest word for word the same.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import torch
from matplotlib.axes import Axes

from benchmarks.articles.claim import Claim, Result, Setup, Table, share_over_seeds
from benchmarks.articles.found import judge
from benchmarks.articles.runs import train_all
from data import InputError, encode_case
from data.cases import answer_columns
from data.stories import cases
from model.score import score_answers
from probing.figures import drawing, new_figure, save
from probing.splits import Split
from training import load_model

LETTERS = {
    "F": "full",
    "W": "window",
    "S": "strided",
    "L": "gated linear",
    "R": "recurrent (GRU)",
}
COLOURS = dict(zip(LETTERS, ("#0072B2", "#D55E00", "#999999", "#009E73", "#CC79A7"), strict=True))
FAMILY = "recall"
GAPS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)  # sentences in between
TRAINED = 2  # the longest gap of training
STORIES = 400  # for each gap
KEPT = 0.9  # a distance is kept while so many stories are right, as a mean over seeds
CHANCE = 0.5


class Curve(NamedTuple):
    """One run: for each of GAPS, tokens from the name to the word that must predict it, and the share of stories in
    which the right one of the two names is likelier, with its 95 % interval over frames; and the model's parameters.
    """

    tokens: list[float]
    right: list[float]
    ci: list[tuple[float, float]]
    parameters: int
    sight: int


def run(setup: Setup) -> Result:
    wanted = {
        f"distance-{letters}-{seed}": ["experiment=distance", f"model.attention={letters}", f"seed={seed}"]
        for seed in setup.seeds
        for letters in LETTERS
    }
    runs = train_all(wanted, setup.folder, setup.jobs)
    curves = {
        letters: [measure(runs[f"distance-{letters}-{seed}"], seed) for seed in setup.seeds] for letters in LETTERS
    }
    kept = {letters: reach(of) for letters, of in curves.items()}
    far = {letters: [curve.right[-1] for curve in of] for letters, of in curves.items()}
    farthest = curves["F"][0].tokens[-1]
    return Result(
        judge([kept["F"] > kept[letters] for letters in ("W", "S", "L", "R")]),
        f"with at least {100 * KEPT:.0f} % right, "
        + ", ".join(f"{letters} {said(kept[letters])}" for letters in LETTERS)
        + f"; at {farthest:.0f} tokens F is right in {share_over_seeds(far['F'])}, a window in "
        f"{share_over_seeds(far['W'])}, a recurrent network in {share_over_seeds(far['R'])}; a coin in 50 %",
        f"right at {farthest:.0f} tokens: " + ", ".join(f"{name} {100 * mean(far[name]):.0f} %" for name in LETTERS),
        [table(curves)],
        {letters: [curve._asdict() for curve in of] for letters, of in curves.items()},
        draw(curves, setup.picture("distance")),
    )


def measure(run: Path, seed: int) -> Curve:
    model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
    tokens, right, intervals = [], [], []
    for gap in GAPS:
        told = [encode_case(case, tokenizer) for case in cases("report", STORIES, seed, (FAMILY,), gap=gap)]
        longest = max(len(case.tokens) for case in told)
        if longest > model.config.block_size:
            raise InputError(f"{run}: stories with a gap of {gap} have {longest} tokens; its block is too small")
        values = (score_answers(model, *answer_columns(told)).log_odds > 0).double().numpy()
        tokens.append(mean(case.sites["A-1"] - case.gold[0][1] + 1 for case in told))
        right.append(float(values.mean()))
        intervals.append(Split(told).interval(values))
    sight = model.config.n_layer * (model.config.window - 1)
    return Curve(tokens, right, intervals, model.n_parameters(), sight)


def reach(curves: Sequence[Curve]) -> float:
    """The tokens of the longest distance up to which the mean over seeds never falls below KEPT; 0: none."""
    far = 0.0
    for tokens, *right in zip(curves[0].tokens, *(curve.right for curve in curves), strict=True):
        if mean(right) < KEPT:
            break
        far = tokens
    return far


def said(tokens: float) -> str:
    return f"reaches {tokens:.0f} tokens" if tokens else "keeps none"


def table(curves: Mapping[str, Sequence[Curve]]) -> Table:
    """One row a kind of attention: means over seeds in per cent, and how far the lowest and the highest seed are."""
    columns = [f"{tokens:.0f}" for tokens in next(iter(curves.values()))[0].tokens]
    rows = []
    for letters, of in curves.items():
        cells = []
        for right in zip(*(curve.right for curve in of), strict=True):
            spread = f" ({100 * min(right):.0f}-{100 * max(right):.0f})" if min(right) < max(right) else ""
            cells.append(f"{100 * mean(right):.0f}{spread}")
        rows.append([f"{letters}: {LETTERS[letters]}", f"{of[0].parameters:,}", *cells])
    return Table(("right, % (lowest-highest seed), by tokens in between", "parameters", *columns), rows)


def draw(curves: Mapping[str, Sequence[Curve]], path: Path) -> list[Path]:
    """Accuracy against distance: a line a kind of attention, its seeds as a band."""
    with drawing():
        figure = new_figure(7.5, 4.0, layout="constrained")
        axes = figure.subplots()
        for letters, of in curves.items():
            draw_line(axes, letters, of)
        first = curves["F"][0]
        axes.axvline(first.sight, color="#555555", linewidth=0.8, linestyle=":")
        axes.annotate("two windows\nsee no further", (first.sight, 0.04), xytext=(4, 0), textcoords="offset points")
        axes.axvspan(first.tokens[0] * 0.9, first.tokens[GAPS.index(TRAINED)], color="#F2F2F2", zorder=0)
        axes.annotate("trained on", (first.tokens[0], 0.04))
        axes.axhline(CHANCE, color="#555555", linewidth=0.8)
        axes.annotate("a coin", (first.tokens[-1], CHANCE), xytext=(0, -11), textcoords="offset points", ha="right")
        axes.set_xscale("log")
        ticks = [5, 10, 20, 50, 100]
        axes.set_xticks(ticks, list(map(str, ticks)))
        axes.minorticks_off()
        axes.set(xlabel="tokens between a name and the question", ylabel="the right name is the likelier one")
        axes.set(ylim=(0, 1.03), xlim=(first.tokens[0] * 0.9, first.tokens[-1] * 1.05))
        axes.set_title("Recall against distance, two layers of each kind of attention, three seeds", loc="left")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        return save(figure, path)


def draw_line(axes: Axes, letters: str, curves: Sequence[Curve]) -> None:
    tokens = curves[0].tokens
    by_gap = [*zip(*(curve.right for curve in curves), strict=True)]
    axes.fill_between(tokens, [*map(min, by_gap)], [*map(max, by_gap)], color=COLOURS[letters], alpha=0.15, linewidth=0)
    line = {"color": COLOURS[letters], "marker": "o", "markersize": 3.5, "linewidth": 1.6}
    axes.plot(tokens, [*map(mean, by_gap)], label=f"{letters}: {LETTERS[letters]}", **line)


CLAIM = Claim(
    "distance",
    "Attention connects distant words, where a window or a recurrent state loses them.",
    35,
    run,
)
