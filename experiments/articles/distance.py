"""Does attention connect distant words, where a window or a recurrent state loses them? Names to be recalled.

A story gives two trades and names, then nothing that matters, then one of the trades, and the model has to predict
whose it was. All kinds of attention are trained on the same short stories (configs/experiment/distance.yaml); each
measured story is written with more and more sentences in between, the rest word for word the same.

Two things are asked. Whether the right name is likelier than the other one in the story, which needs to know which
trade it came with; and whether it is likelier than a name of another story, which needs only to remember it.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import mean
from typing import NamedTuple

import torch
from matplotlib.axes import Axes

from common.errors import InputError
from common.markdown import Table
from data import Case, encode_case
from data.stories import cases
from experiments.articles.claim import Claim, Result, judge, share_over_seeds
from experiments.runs import Setup, train_seeds
from probing.scoring import score_answers
from probing.splits import Split
from report.figures.canvas import drawing, new_figure, save
from storage.weights import load_model

TYPES = {
    "F": "full",
    "W": "window",
    "S": "strided",
    "L": "gated linear",
    "R": "recurrent (GRU)",
}
COLOURS = dict(zip(TYPES, ("#0072B2", "#D55E00", "#999999", "#009E73", "#CC79A7"), strict=True))
TASK = "recall"
GAPS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 20)  # sentences in between: after more, a story of long names outgrows the block
TRAINED = 2  # the longest gap of training
STORIES = 400  # for each gap
KEPT = 0.9  # a distance is kept while so many stories are right, as a mean over seeds
CHANCE = 0.5
ASKED = {
    "connected": "the name that came with this trade is likelier than the other name in the story",
    "remembered": "the name in the story is likelier than a name of another one",
}


class Curve(NamedTuple):
    """One run: for each of GAPS, tokens from the name to the word that must predict it, and the shares of stories in
    which what ASKED says is so, with the 95 % intervals over templates; and the model's parameters.
    """

    tokens: list[float]
    connected: list[float]
    connected_ci: list[tuple[float, float]]
    remembered: list[float]
    remembered_ci: list[tuple[float, float]]
    parameters: int
    sight: int


Curves = Mapping[str, Sequence[Curve]]  # by attention type, one a seed


def run(setup: Setup) -> Result:
    runs = train_seeds(
        {f"distance-{types}": ["experiment=distance", f"model.attention={types}"] for types in TYPES}, setup
    )
    curves = {types: list(map(measure, runs[f"distance-{types}"], setup.seeds)) for types in TYPES}
    others = [types for types in TYPES if types != "F"]
    kept = {asked: {types: reach(of, asked) for types, of in curves.items()} for asked in ASKED}
    far = {types: [curve.connected[-1] for curve in of] for types, of in curves.items()}
    farthest = curves["F"][0].tokens[-1]
    return Result(
        judge([kept[asked]["F"] > kept[asked][types] for asked in ASKED for types in others]),
        f"names and trades stay connected (at least {100 * KEPT:.0f} % right) over {span(kept['connected'])} and names "
        f"are remembered over {span(kept['remembered'])}; at {farthest:.0f} tokens F is right in "
        f"{share_over_seeds(far['F'])}, a window in {share_over_seeds(far['W'])}; guessing would be right in 50 %",
        f"tokens over which a name and its trade stay connected: {span(kept['connected'])}",
        [table(curves, asked) for asked in ASKED],
        {types: [curve._asdict() for curve in of] for types, of in curves.items()},
        draw(curves, setup.picture("distance")),
    )


def measure(run: Path, seed: int) -> Curve:
    model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
    tokens, shares, intervals = [], {asked: [] for asked in ASKED}, {asked: [] for asked in ASKED}
    for gap in GAPS:
        plain = cases("report", STORIES, seed, (TASK,), gap=gap)
        for asked, stories in (("connected", plain), ("remembered", with_names_of_others(plain, seed))):
            encoded = [encode_case(case, tokenizer) for case in stories]
            longest = max(len(case.tokens) for case in encoded)
            if longest > model.config.block_size:
                raise InputError(f"{run}: stories with a gap of {gap} have {longest} tokens; its block is too small")
            right = (score_answers(model, encoded).log_odds > 0).double().numpy()
            shares[asked].append(float(right.mean()))
            intervals[asked].append(Split(encoded).interval(right))
        tokens.append(mean(case.sites["A-1"] - case.gold[0][1] + 1 for case in encoded))
    sight = model.config.n_layer * (model.config.window - 1)
    return Curve(
        tokens=tokens,
        connected=shares["connected"],
        connected_ci=intervals["connected"],
        remembered=shares["remembered"],
        remembered_ci=intervals["remembered"],
        parameters=model.n_parameters(),
        sight=sight,
    )


def with_names_of_others(stories: Sequence[Case], seed: int) -> list[Case]:
    """The same stories; the foil is a name that only other stories have."""
    names, rng = sorted({str(case.foil) for case in stories}), Random(seed)
    others = ([name for name in names if name.lower() not in case.candidates.split(" | ")] for case in stories)
    return [replace(case, foil=rng.choice(names)) for case, names in zip(stories, others, strict=True)]


def reach(curves: Sequence[Curve], asked: str) -> float:
    """The tokens of the longest distance up to which the mean over seeds never falls below KEPT; 0: none."""
    far = 0.0
    for tokens, *right in zip(curves[0].tokens, *(getattr(curve, asked) for curve in curves), strict=True):
        if mean(right) < KEPT:
            break
        far = tokens
    return far


def span(kept: Mapping[str, float]) -> str:
    return ", ".join(f"{types} {tokens:.0f}" for types, tokens in kept.items()) + " tokens"


def table(curves: Curves, asked: str) -> Table:
    """One row a kind of attention: means over seeds in per cent, and how far the lowest and the highest seed are."""
    columns = [f"{tokens:.0f}" for tokens in next(iter(curves.values()))[0].tokens]
    rows = []
    for types, of in curves.items():
        cells = []
        for right in zip(*(getattr(curve, asked) for curve in of), strict=True):
            low, middle, high = (f"{100 * share:.0f}" for share in (min(right), mean(right), max(right)))
            cells.append(middle if low == high else f"{middle} ({low}-{high})")
        rows.append([f"{types}: {TYPES[types]}", f"{of[0].parameters:,}", *cells])
    what = f"{asked}: {ASKED[asked]}, % (lowest-highest seed), by tokens in between"
    return Table((what, "parameters", *columns), rows)


def draw(curves: Curves, path: Path) -> list[Path]:
    """Accuracy against distance, a panel for each question: a line a kind of attention, its seeds as a band."""
    with drawing():
        figure = new_figure(9.0, 4.2, layout="constrained")
        panels = figure.subplots(1, len(ASKED), sharey=True)
        for axes, asked in zip(panels, ASKED, strict=True):
            draw_panel(axes, curves, asked)
        panels[0].set_ylabel("share of stories")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=len(TYPES))
        figure.suptitle("Names over a distance: two layers of each kind of attention", x=0.01, ha="left", weight="bold")
        return save(figure, path)


def draw_panel(axes: Axes, curves: Curves, asked: str) -> None:
    for types, of in curves.items():
        draw_line(axes, types, of[0].tokens, [getattr(curve, asked) for curve in of])
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
    axes.set(xlabel="tokens between the name and the question")
    axes.set(ylim=(0, 1.03), xlim=(first.tokens[0] * 0.9, first.tokens[-1] * 1.05))
    axes.set_title(textwrap.fill(ASKED[asked], 48), loc="left", fontsize=10)


def draw_line(axes: Axes, types: str, tokens: Sequence[float], seeds: Sequence[Sequence[float]]) -> None:
    by_gap = [*zip(*seeds, strict=True)]
    axes.fill_between(tokens, [*map(min, by_gap)], [*map(max, by_gap)], color=COLOURS[types], alpha=0.15, linewidth=0)
    line = {"color": COLOURS[types], "marker": "o", "markersize": 3.5, "linewidth": 1.6}
    axes.plot(tokens, [*map(mean, by_gap)], label=f"{types}: {TYPES[types]}", **line)


CLAIM = Claim(
    "distance",
    "Attention connects distant words, where a window or a recurrent state loses them.",
    35,
    run,
)
