"""What the heads of several runs on stories do, as one table: ``python -m experiments.heads runs/a runs/b runs/c``.

Reads probe/heads.json of each run. One row a task and run: the head that *select* chose, quoted on *report*.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from common.markdown import Table
from common.one_line import run
from experiments.runs import best_baseline, read_heads

COLUMNS = (
    "task",
    "run",
    "model right",
    "head, site",
    "picks the right one",
    "best baseline",
    "mass, times uniform, times untrained",
    "chosen again",
    "weight swap, nats",
    "flips",
    "edge ablation",
    "pattern patching; activation patching",
    "whole head: mean; resample",
    "verdict",
    "heads that look; that matter",
    "not known without",
)


def share(value: float, ci: Sequence[float]) -> str:
    return f"{value:.1%} ({ci[0]:.1%}-{ci[1]:.1%})"


def row(name: str, run: str, task: dict) -> list[str]:
    best, (baseline, bar) = task["best"], best_baseline(task)
    cells = [
        name,
        run,
        share(task["model_accuracy"], task["model_ci"]),
        f"{best['head']}, {best['site']}",
        share(best["choice_accuracy"], best["ci"]),
        f"{bar:.1%} {baseline}",
        f"{best['mass']:.2f}, {best['lift']:.1f}, {best['lift_untrained']:.1f}",
        f"{task['stability']['same_head']} of {task['stability']['resamples']}",
    ]
    if not task["resolved"]:
        return [*cells, *["-"] * 5, "not interpreted", "-", "-"]
    drops = {kind: f"{effect['drop']:.1f}" for kind, effect in best["effects"].items()}
    swap = "nothing reads it"
    if "weight_swap" in drops:
        low, high = best["weight_swap_ci"]
        others = "none" if best["weight_swap_reference"] is None else f"{best['weight_swap_reference']:.2f}"
        swap = f"{drops['weight_swap']} ({low:.1f}-{high:.1f}; others {others})"
    verdict = [word for word in ("looks", "matters") if best[word]]
    counts = (sum(head[word] for head in task["heads"]) for word in ("looks", "matters"))
    needed = task["necessary_heads"]
    last = needed["steps"][-1]
    return [
        *cells,
        swap,
        f"{best['weight_swap_flip']:.0%}" if "weight_swap" in drops else "-",
        drops.get("edge_ablation", "-"),
        f"{drops.get('pattern_patching', '-')}; {drops.get('activation_patching', '-')}",
        f"{drops['mean_ablation']}; {drops['resample_ablation']}",
        " and ".join(verdict) or "neither",
        "; ".join(map(str, counts)),
        f"{', '.join(needed['heads'])} ({last['preference']:.0%}; {last['drop']:.1f} nats, others "
        f"{last['random_drop']:.1f})",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.heads", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    heads_by_run = {run: read_heads(run) for run in parser.parse_args(arguments).runs}
    names = dict.fromkeys(name for heads in heads_by_run.values() for name in heads["tasks"])
    rows = [
        row(name, Path(run).name, heads["tasks"][name])
        for name in names
        for run, heads in heads_by_run.items()
        if name in heads["tasks"]
    ]
    print(Table(COLUMNS, rows).markdown())


if __name__ == "__main__":
    run(main)
