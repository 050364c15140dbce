"""What the heads of several runs on stories do, as one table: ``python -m experiments.heads runs/a runs/b runs/c``.

Reads probe/heads.json of each run. One row a task and run: the head that *select* chose, quoted on *report*.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.tables import Table

COLUMNS = (
    "family",
    "run",
    "model right",
    "head, site",
    "picks the right one",
    "best baseline",
    "mass, times uniform",
    "swap, nats",
    "flips",
    "cut",
    "pattern patching; activation patching",
    "whole head: mean; resample",
    "verdict",
    "heads that look; that matter",
    "not known without",
)


def read(run: str) -> dict:
    path = Path(run) / "probe" / "heads.json"
    if not path.exists():
        sys.exit(f"{path} is missing: python probe.py run={run}")
    return json.loads(path.read_bytes())


def share(value: float, ci: Sequence[float]) -> str:
    return f"{value:.1%} ({ci[0]:.1%}-{ci[1]:.1%})"


def row(name: str, run: str, family: dict) -> list[str]:
    best, baseline = family["best"], max(family["baselines"].items(), key=lambda item: item[1])
    cells = [
        name,
        run,
        share(family["model_accuracy"], family["model_ci"]),
        f"{best['head']}, {best['site']}",
        share(best["choice_accuracy"], best["ci"]),
        f"{baseline[1]:.1%} {baseline[0]}",
        f"{best['mass']:.2f}, {best['engagement']:.1f}",
    ]
    if not family["resolved"]:
        return [*cells, *["-"] * 5, "not interpreted", "-", "-"]
    drops = {kind: f"{effect['drop']:.1f}" for kind, effect in best["effects"].items()}
    swap = "nothing reads it"
    if "swap" in drops:
        low, high = best["swap_ci"]
        others = "none" if best["swap_reference"] is None else f"{best['swap_reference']:.2f}"
        swap = f"{drops['swap']} ({low:.1f}-{high:.1f}; others {others})"
    verdict = [word for word in ("looks", "matters") if best[word]]
    counts = (sum(head[word] for head in family["heads"]) for word in ("looks", "matters"))
    needed = family["needed"]
    last = needed["steps"][-1]
    return [
        *cells,
        swap,
        f"{best['swap_flip']:.0%}" if "swap" in drops else "-",
        drops.get("cut", "-"),
        f"{drops.get('pattern', '-')}; {drops.get('output', '-')}",
        f"{drops['mean']}; {drops['resample']}",
        " and ".join(verdict) or "neither",
        "; ".join(map(str, counts)),
        f"{', '.join(needed['heads'])} ({last['preference']:.0%}; {last['drop']:.1f} nats, others "
        f"{last['random_drop']:.1f})",
    ]


def main(runs: Sequence[str]) -> None:
    if not runs:
        sys.exit(f"name at least one run: {__doc__.splitlines()[0]}")
    found = {Path(run).name: read(run) for run in runs}
    names = dict.fromkeys(name for heads in found.values() for name in heads["families"])
    rows = [
        row(name, run, heads["families"][name])
        for name in names
        for run, heads in found.items()
        if name in heads["families"]
    ]
    print(Table(COLUMNS, rows).markdown())


if __name__ == "__main__":
    main(sys.argv[1:])
