"""Does one sequence attend to another? Sentences of a toy language beside their originals, with every word linked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from common.markdown import Table
from common.visible import visible
from data.stories import cases
from experiments.articles.claim import Claim, Result, Verdict, share_over_seeds
from experiments.articles.heads_json import default_heads, default_runs
from experiments.runs import Setup, best_baseline
from model import GPT
from probing.alignment import SITES, LinkedText, linked_texts
from probing.heads import head_names
from probing.patterns import patterns_of
from report.colours import INK, TINT, blend, rgb
from report.figures.canvas import drawing, new_figure, save
from report.tinted_text import WORTH_SHOWING, decimals
from storage.weights import load_model

TASK = "translation"
STORIES = 400  # as many as probe.py quotes


@dataclass(frozen=True)
class Matrix:
    """Weights [links, source tokens] of one head from each linked word of a translation, in the translation's order."""

    weights: np.ndarray
    gold: Sequence[tuple[int, int]]  # of each row: [start, end) of the columns that are right

    @property
    def error_rate(self) -> float:
        pointed = self.weights.argmax(1)
        return mean(not start <= at < end for at, (start, end) in zip(pointed, self.gold, strict=True))


def run(setup: Setup) -> Result:
    runs, heads_by_seed = default_runs(setup), default_heads(setup)
    aligned = [heads["alignment"] for heads in heads_by_seed]
    errors = [one["errors"][one["best"]] for one in aligned]
    layers = [
        layer_error(run, one["sites"][one["best"]], seed)
        for run, one, seed in zip(runs, aligned, setup.seeds, strict=True)
    ]
    diagonals, answers = [one["diagonal"] for one in aligned], [heads["tasks"][TASK] for heads in heads_by_seed]
    rows = [
        [
            str(seed),
            f"{one['best']} {one['sites'][one['best']]}",
            f"{100 * errors[i]:.1f}",
            f"{100 * layers[i]:.1f}",
            f"{100 * one['diagonal']:.1f}",
            f"{100 * answers[i]['best']['choice_accuracy']:.1f} ({answers[i]['best']['head']})",
            f"{100 * best_baseline(answers[i])[1]:.1f}",
        ]
        for i, (seed, one) in enumerate(zip(setup.seeds, aligned, strict=True))
    ]
    columns = (
        "seed",
        "best head",
        "its alignment error rate, %",
        "all heads of the last layer added up, %",
        "diagonal, %",
        "at the answer a head picks the right word, %",
        "best baseline there, %",
    )
    because = (
        f"the best single head of each seed gets {share_over_seeds(errors)} of all words of a translation wrong, the "
        f"heads of the last layer together {share_over_seeds(layers)}, the diagonal {100 * mean(diagonals):.1f} %"
    )
    first = aligned[0]
    return Result(
        judge_alignment(errors, diagonals),
        because,
        f"alignment error rate {share_over_seeds(errors)}; diagonal {100 * mean(diagonals):.1f} %",
        [Table(columns, rows)],
        {"errors": errors, "last layer": layers, "diagonal": diagonals, "by head": aligned},
        draw(runs[0], first["best"], first["sites"][first["best"]], setup),
    )


def judge_alignment(errors: Sequence[float], diagonals: Sequence[float]) -> Verdict:
    """It holds where a head aligns most words in every seed; in part where it is better than the diagonal alone."""
    if max(errors) < 0.5:
        return "holds"
    return "holds in part" if all(map(float.__lt__, errors, diagonals)) else "does not hold"


def patterns(model: GPT, text: LinkedText, site: str) -> torch.Tensor:
    """Weights [K, links, source tokens] of every head, K layer by layer, from the site of each linked word."""
    ends = [end for (_, end), _ in sorted(text.links)]
    starts = [start for (start, _), _ in sorted(text.links)]
    rows = [start - 1 for start in starts] if site == SITES[0] else [end - 1 for end in ends]
    layers = patterns_of(model, torch.tensor([text.tokens]), torch.tensor([rows]))
    return torch.cat(layers, dim=1)[0, :, :, slice(*text.source)]


def matrix(weights: torch.Tensor, text: LinkedText) -> Matrix:
    start = text.source[0]
    gold = [(source[0] - start, source[1] - start) for _, source in sorted(text.links)]
    return Matrix(weights.double().numpy(), gold)


def layer_error(run: Path, site: str, seed: int) -> float:
    """The alignment error rate of the last layer's heads added up, over all words of all sentences."""
    model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
    texts = linked_texts(cases("report", STORIES, seed, (TASK,)), tokenizer, model.config.block_size)
    n_head = model.config.n_head
    rates = [matrix(patterns(model, text, site)[-n_head:].sum(0), text).error_rate for text in texts]
    return float(np.average(rates, weights=[len(text.links) for text in texts]))


def draw(run: Path, head: str, site: str, setup: Setup) -> list[Path]:
    """The sentence whose error rate is nearest to the mean over all, the longest of such: one head, and one layer."""
    model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
    texts = linked_texts(cases("report", STORIES, setup.seeds[0], (TASK,)), tokenizer, model.config.block_size)
    k, n_head = head_names(model).index(head), model.config.n_head
    matrices = [matrix(patterns(model, text, site)[k], text) for text in texts]
    usual = float(np.mean([one.error_rate for one in matrices]))
    i = min(range(len(texts)), key=lambda i: (abs(matrices[i].error_rate - usual), -len(texts[i].links), i))
    text, all_heads = texts[i], patterns(model, texts[i], site)[-n_head:].mean(0)
    words = [visible(tokenizer.pieces[token]).strip() for token in text.tokens]
    source, target = words[slice(*text.source)], [" ".join(words[s:e]) for (s, e), _ in sorted(text.links)]
    where = "the word before it" if site == SITES[0] else "the word itself"
    with drawing():
        figure = new_figure(1.2 + 1.2 * len(source), 1.5 + 0.42 * len(target), layout="constrained")
        one, every = figure.subplots(1, 2, sharey=True)
        draw_matrix(one, matrices[i], source, target, f"head {head}, looking from {where}")
        draw_matrix(every, matrix(all_heads, text), source, target, "all heads of the last layer, their mean")
        figure.supxlabel("the original (boxed: the right word)", fontsize=10)
        figure.supylabel("the translation", fontsize=10)
        return save(figure, setup.picture("translation"))


def draw_matrix(axes: Axes, shown: Matrix, source: Sequence[str], target: Sequence[str], title: str) -> None:
    axes.imshow(np.array([[blend(TINT, weight) for weight in row] for row in shown.weights]), aspect="auto")
    for row, (start, end) in enumerate(shown.gold):
        corner = {"xy": (start - 0.5, row - 0.5), "width": end - start, "height": 1}
        axes.add_patch(Rectangle(**corner, facecolor="none", edgecolor=rgb(INK), linewidth=1.4, clip_on=False))
        for column, weight in enumerate(shown.weights[row]):
            if weight >= WORTH_SHOWING:
                axes.text(column, row, decimals(weight), ha="center", va="center", fontsize=8)
    axes.set_xticks(range(len(source)), source)
    axes.set_yticks(range(len(target)), target)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, loc="left", fontsize=10)


CLAIM = Claim("translation", "One sequence attends to another: a translation to its original, word by word.", 15, run)
