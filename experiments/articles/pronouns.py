"""Does attention resolve pronouns? Five tasks with pronouns, in which no shortcut finds the antecedent."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from matplotlib.lines import Line2D

from common.markdown import Table
from common.visible import visible_name
from experiments.articles.claim import Claim, Result, judge, listed, share_over_seeds
from experiments.articles.heads_json import (
    PRONOUNS,
    HeadsJson,
    at_site,
    because,
    default_heads,
    lowest_end,
    shown,
    task_numbers,
    task_table,
)
from experiments.runs import Setup, best_baseline
from report.colours import GREY, INK, TINT
from report.figures.canvas import LineStyle, drawing, new_figure, save

HEAD: LineStyle = {"color": TINT, "marker": "o", "markersize": 5, "linewidth": 1.4}
BASELINE: LineStyle = {"color": GREY, "marker": "D", "markersize": 4.5, "linestyle": "none"}
MODEL: LineStyle = {"color": INK, "marker": "|", "markersize": 11, "linestyle": "none"}


def run(setup: Setup) -> Result:
    heads_by_seed = default_heads(setup)
    accuracy = [mean(heads["tasks"][name]["best"]["choice_accuracy"] for name in PRONOUNS) for heads in heads_by_seed]
    at_pronoun = [value for name in PRONOUNS for value in at_site(heads_by_seed, name, "P")]
    by_task = task_numbers(heads_by_seed, PRONOUNS)
    sites = [heads["tasks"][name]["best"]["site"] for heads in heads_by_seed for name in PRONOUNS]
    bar = max(best_baseline(heads["tasks"][name])[1] for heads in heads_by_seed for name in PRONOUNS)
    return Result(
        judge([shown(heads["tasks"][name]) for heads in heads_by_seed for name in PRONOUNS]),
        f"{because(heads_by_seed, PRONOUNS)}; {sites.count('A-1')} of these {len(sites)} heads look from the word "
        f"before the answer, while at the pronoun itself they are right in only {100 * mean(at_pronoun):.1f} %",
        f"heads pick the antecedent: {share_over_seeds(accuracy)}; lowest end of an interval within a seed "
        f"{lowest_end(heads_by_seed, PRONOUNS):.1f} %; best baseline {100 * bar:.1f} %",
        [table(heads_by_seed)],
        {
            name: {"tasks": numbers, "at the pronoun": at_site(heads_by_seed, name, "P")}
            for name, numbers in by_task.items()
        },
        draw(heads_by_seed, PRONOUNS, setup.picture("pronouns")),
    )


def table(heads_by_seed: Sequence[HeadsJson]) -> Table:
    """Beside what the table of any task has: the same heads, looked at from the pronoun."""
    usual = task_table(heads_by_seed, PRONOUNS)
    extra = [listed([100 * value for value in at_site(heads_by_seed, name, "P")]) for name in PRONOUNS]
    rows = [[*row, more] for row, more in zip(usual.rows, extra, strict=True)]
    return Table((*usual.columns, "the same at the pronoun, %"), rows)


def draw(heads_by_seed: Sequence[HeadsJson], names: Sequence[str], path: Path) -> list[Path]:
    """One line a task and seed: the chosen head with its interval, the best baseline, the model's own answers."""
    with drawing():
        figure = new_figure(8.0, 0.5 * len(names) + 1.5, layout="constrained")
        axes = figure.subplots()
        for i, name in enumerate(names):
            for j, heads in enumerate(heads_by_seed):
                task = heads["tasks"][name]
                best, y = task["best"], i + 0.22 * (j - (len(heads_by_seed) - 1) / 2)
                axes.plot([100 * end for end in best["ci"]], [y, y], color=TINT, linewidth=1.4)
                axes.plot(100 * best["choice_accuracy"], y, **HEAD)
                axes.plot(100 * best_baseline(task)[1], y, **BASELINE)
                axes.plot(100 * task["model_accuracy"], y, **MODEL)
        axes.axvline(50, color=INK, linewidth=0.7)
        axes.set_yticks(range(len(names)), map(visible_name, names))
        axes.set_xticks(range(40, 101, 10), [f"{tick} %" for tick in range(40, 101, 10)])
        axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(40, 101.5))
        title = f"Who finds the antecedent? One line for each of {len(heads_by_seed)} seeds"
        axes.set_title(title, loc="left", fontsize=10)
        entries = {
            "chosen head, with its 95 % interval": Line2D([], [], **HEAD),
            "best baseline": Line2D([], [], **BASELINE),
            "the model's answer": Line2D([], [], **MODEL),
            "50 %: a coin": Line2D([], [], color=INK, linewidth=0.7),
        }
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
        return save(figure, path)


CLAIM = Claim(
    "pronouns",
    "Attention resolves pronouns: a head looks back to the word that “it” or “she” stands for.",
    15,
    run,
)
