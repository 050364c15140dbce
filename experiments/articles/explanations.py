"""Do attention weights explain the answer? The mass on what is meant beside what it costs to change the head.

Jain & Wallace 2019, "Attention is not Explanation", and Wiegreffe & Pinter 2019, "Attention is not not Explanation",
asked this of one layer. Here every head of every task has its mass on gold, at its own site, and the drop of log
P(answer) - log P(foil) under four interventions, from what it gives to gold alone to the head as a whole.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.stats import spearmanr

from common.errors import InputError
from common.markdown import Table
from common.visible import visible_name
from experiments.articles.claim import Claim, Result, Verdict
from experiments.articles.heads_json import HeadsJson, default_heads, resolved
from experiments.runs import Setup
from probing.heads import parse_head
from probing.statistics import Clusters
from report.colours import GREY, INK, TINT
from report.figures.canvas import drawing, new_figure, save

EFFECTS = {
    "weight_swap": "weight swap: gold and the distractor exchange their weights",
    "edge_ablation": "edge ablation: gold gets no weight",
    "resample_ablation": "resample ablation: the whole head does what it did elsewhere",
    "mean_ablation": "mean ablation: the whole head does what it does on average",
}
HEADS = {"all heads": None, "last layer": -1, "first layer": 0}
NOTHING, MUCH = 0.5, 2.0  # nats
STRONG = 0.7  # a correlation that weights would need to stand for effects


def run(setup: Setup) -> Result:
    by_seed = zip(setup.seeds, default_heads(setup), strict=True)
    points = [point for seed, heads in by_seed for point in points_of(heads, seed)]
    if not points:
        raise InputError("no run resolves a task, so that no head can be compared; train longer")
    table = {which: {kind: correlate(points, kind, layer) for kind in EFFECTS} for which, layer in HEADS.items()}
    whole = table["all heads"]
    idle, busy = largest_idle(points), busiest_blind(points)
    because = (
        f"the rank correlation between mass and effect is {rho(whole['weight_swap'])} for the weight swap and "
        f"{rho(whole['edge_ablation'])} for edge ablation, but {rho(whole['resample_ablation'])} for resample ablation "
        f"and {rho(whole['mean_ablation'])} for mean ablation: {example(busy)} (b), while {example(idle)} (a)"
    )
    rows = [[which, *(rho(correlations[kind]) for kind in EFFECTS)] for which, correlations in table.items()]
    return Result(
        judge_weights({kind: value[0] for kind, value in whole.items()}),
        because,
        f"Spearman {rho(whole['weight_swap'])} with a weight swap, "
        f"{rho(whole['resample_ablation'])} with resample ablation",
        [Table(("Spearman, within tasks", *map(visible_name, EFFECTS)), rows), by_task(points)],
        {"correlations": table, "points": points, "idle": idle, "blind": busy},
        draw(points, (idle, busy), setup.picture("explanations")),
    )


def points_of(heads_json: HeadsJson, seed: int) -> list[dict]:
    """One for each head of each resolved task. A site from which nothing leads to the answer has an effect of 0."""
    last = max(parse_head(head["head"])[0] for head in next(iter(heads_json["tasks"].values()))["heads"])
    return [
        {"seed": seed, "task": name, "head": head["head"], "site": head["site"], "mass": head["mass"]}
        | {"layer": parse_head(head["head"])[0] - last - 1, "looks": head["looks"]}
        | {kind: head["effects"].get(kind, {"drop": 0.0})["drop"] for kind in EFFECTS}
        for name in resolved(heads_json)
        for head in heads_json["tasks"][name]["heads"]
    ]


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The correlation of ranks, ties sharing theirs; 0 where one of them is all ties."""
    ties = len(set(one)) == 1 or len(set(other)) == 1
    return 0.0 if ties else float(spearmanr(one, other).statistic)


def within_tasks(points: Sequence[Mapping], kind: str) -> dict[tuple[int, str], float]:
    """Spearman between mass and effect over the heads of each (seed, task)."""
    groups: dict[tuple[int, str], list[Mapping]] = {}
    for point in points:
        groups.setdefault((point["seed"], point["task"]), []).append(point)
    return {
        key: spearman([point["mass"] for point in group], [point[kind] for point in group])
        for key, group in groups.items()
    }


def correlate(points: Sequence[Mapping], kind: str, layer: int | None) -> tuple[float, float, float]:
    """The mean over seeds and tasks, with its 95 % interval over tasks and, if there are several, seeds,
    which ends at -1 and at 1.
    """
    n_layer = len({point["layer"] for point in points})
    kept = [point for point in points if layer is None or point["layer"] % n_layer == layer % n_layer]
    values = within_tasks(kept, kind)
    seeds, tasks = zip(*values, strict=True)
    numbers = np.array(list(values.values()))
    ways = [tasks, list(map(str, seeds))] if len(set(seeds)) > 1 else [tasks]
    low, high = Clusters(*ways).interval(numbers)
    return float(numbers.mean()), max(-1.0, low), min(1.0, high)


def judge_weights(correlations: Mapping[str, float]) -> Verdict:
    """The claim: weights are not always explanations. It does not hold where every effect follows the weights."""
    return "does not hold" if min(correlations.values()) >= STRONG else "holds"


def largest_idle(points: Sequence[Mapping]) -> Mapping:
    """The head at A-1 with the largest mass whose every change costs next to nothing."""
    idle = [point for point in points if point["site"] == "A-1" and all(abs(point[kind]) < NOTHING for kind in EFFECTS)]
    return max(idle, key=lambda point: point["mass"])


def busiest_blind(points: Sequence[Mapping]) -> Mapping:
    """Of the heads that do not look, and whose swap costs nothing, the one that costs most when it is resampled."""
    blind = [point for point in points if not point["looks"] and abs(point["weight_swap"]) < NOTHING]
    return max(blind, key=lambda point: point["resample_ablation"])


def example(point: Mapping) -> str:
    where = f"head {point['head']} of seed {point['seed']} in {visible_name(point['task'])}"
    cost = f"costs {point['resample_ablation']:.1f} nats when it is resampled"
    return f"{where} gives gold {point['mass']:.2f} of its attention and {cost}"


def rho(correlation: Sequence[float]) -> str:
    mean, low, high = correlation
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"


def by_task(points: Sequence[Mapping]) -> Table:
    """Means over seeds, a row a task."""
    values = {kind: within_tasks(points, kind) for kind in EFFECTS}
    tasks = list(dict.fromkeys(point["task"] for point in points))
    rows = [
        [
            visible_name(task),
            *(f"{np.mean([value for (_, of), value in values[kind].items() if of == task]):.2f}" for kind in EFFECTS),
        ]
        for task in tasks
    ]
    return Table(("task, mean over seeds", *map(visible_name, EFFECTS)), rows)


def draw(points: Sequence[Mapping], marked: Sequence[Mapping], path: Path) -> list[Path]:
    """Mass against effect, a panel an intervention, a dot a head, task and seed."""
    with drawing():
        figure = new_figure(9.0, 6.0, layout="constrained")
        for axes, (kind, meaning) in zip(figure.subplots(2, 2, sharex=True).flat, EFFECTS.items(), strict=True):
            draw_panel(axes, points, marked, kind)
            axes.set_title(f"{meaning}\nrank correlation {rho(correlate(points, kind, None))}", loc="left", fontsize=9)
        figure.supxlabel("share of attention on what is meant", fontsize=9)
        figure.supylabel("cost to the answer, nats", fontsize=9)
        return save(figure, path)


def draw_panel(axes: Axes, points: Sequence[Mapping], marked: Sequence[Mapping], kind: str) -> None:
    for looks, colour, label in ((False, GREY, "head that does not look"), (True, TINT, "head that looks")):
        kept = [point for point in points if point["looks"] == looks]
        mass, cost = [point["mass"] for point in kept], [point[kind] for point in kept]
        axes.scatter(mass, cost, s=9, color=colour, alpha=0.55, linewidths=0, label=label)
    for letter, point in zip("ab", marked, strict=True):
        axes.annotate(letter, (point["mass"], point[kind]), (5, 5), textcoords="offset points", weight="bold")
        axes.scatter(point["mass"], point[kind], s=34, facecolors="none", edgecolors=INK, linewidths=1)
    axes.axhline(0, color=INK, linewidth=0.6, zorder=0)
    axes.margins(y=0.12)
    if kind == "weight_swap":
        named = Line2D([], [], color=INK, marker="o", markersize=6, markerfacecolor="none", linestyle="none")
        handles, labels = axes.get_legend_handles_labels()
        heads = [*labels, "a, b: the two heads that the verdict names"]
        axes.legend([*handles, named], heads, loc="center left", fontsize=8, frameon=False)


CLAIM = Claim("explanations", "Attention weights are not always explanations.", 15, run)
