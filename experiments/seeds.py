"""What recurs over seeds: ``python -m experiments.seeds runs/a runs/b runs/c``, runs of one shape, each probed.

Two tables out of probe/heads.json of each run. By task: the head that *select* chose, in how many resamples it would
have been chosen again, and whether one layer does the task in all runs. By role: in how many runs a head of each layer
has it. Heads of a layer have no order, so that only layers can recur.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from common import one_line
from common.errors import InputError
from common.folders import CONFIG
from common.markdown import Table
from experiments.runs import read_heads
from model import GPTConfig
from storage.run import read_config

SHAPE = [field.name for field in fields(GPTConfig)]


def read_all(runs: Sequence[str]) -> dict[str, dict]:
    """heads.json by run; raises InputError for fewer than two, another shape than the first one's, or a seed twice."""
    if len(set(runs)) < 2:
        raise InputError(f"name at least two runs: {(__doc__ or '').splitlines()[0]}")
    heads_by_run = {run: read_heads(run) for run in runs}
    first, seeds = runs[0], {}
    for run, heads in heads_by_run.items():
        for name in SHAPE:
            own, wanted = heads["model"].get(name), heads_by_run[first]["model"].get(name)
            if own != wanted:
                raise InputError(f"{run} has {name}={own}, {first} {wanted}: give runs of one shape")
        seed = read_config(Path(run)).get("seed") if (Path(run) / CONFIG).exists() else None
        if seed is not None and seed in seeds:
            raise InputError(f"{run} and {seeds[seed]} were both trained with seed={seed}: give runs of other seeds")
        seeds[seed] = run
    return heads_by_run


def layer_of(head: str) -> int:
    return int(head.split(".")[0])


def verdict(task: Mapping) -> str:
    if not task["resolved"]:
        return "not interpreted"
    return ", ".join(word for word in ("looks", "matters") if task["best"][word]) or "not shown to look"


def chosen(task: Mapping | None) -> str:
    """One run's task in words: "2.3 A-1, 196 of 200 (then 2.2), looks, matters"."""
    if task is None:
        return "not measured"
    best, stability = task["best"], task["stability"]
    again = f"{stability['same_head']} of {stability['resamples']}"
    other = f" (then {stability['runner_up']})" if stability["runner_up"] else ""
    return f"{best['head']} {best['site']}, {again}{other}, {verdict(task)}"


def same_layer(tasks: Sequence[Mapping | None]) -> str:
    """The layer that does a task, if the chosen heads look in every run; "-" where one does not."""
    if not all(task and task["best"]["looks"] for task in tasks):
        return "-"
    layers = [layer_of(task["best"]["head"]) for task in tasks if task]
    return f"{layers[0]} in all" if len(set(layers)) == 1 else f"no: {', '.join(map(str, layers))}"


def task_rows(heads_by_run: Mapping[str, Mapping]) -> list[list[str]]:
    names = dict.fromkeys(name for heads in heads_by_run.values() for name in heads["tasks"])
    rows = []
    for name in names:
        tasks = [heads["tasks"].get(name) for heads in heads_by_run.values()]
        rows.append([name, *map(chosen, tasks), same_layer(tasks)])
    return rows


def role_rows(heads_by_run: Mapping[str, Mapping]) -> list[list[str]]:
    """By role and layer: in how many runs some head has it, and in how many of these it matters."""
    maps = [heads["all_roles"] for heads in heads_by_run.values()]
    names = dict.fromkeys(role["role"] for layers in maps for layer in layers for head in layer for role in head)

    def runs_with_role(name: str, layer: int) -> str:
        own = [[role for head in layers[layer] for role in head if role["role"] == name] for layers in maps]
        has, matters = sum(map(bool, own)), sum(any(role["matters"] for role in roles) for roles in own)
        return f"{has} (matters in {matters})" if matters else str(has)

    return [[name, *(runs_with_role(name, layer) for layer in range(len(maps[0])))] for name in names]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.seeds", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    heads_by_run = read_all(parser.parse_args(arguments).runs)
    rows, n_runs = task_rows(heads_by_run), len(heads_by_run)
    n_layer = len(next(iter(heads_by_run.values()))["all_roles"])
    print(Table(("task", *(Path(run).name for run in heads_by_run), "the same layer"), rows).markdown())
    asked = [row[-1] for row in rows if row[-1] != "-"]
    same = sum(layer.endswith("in all") for layer in asked)
    print(f"\nTasks in which the chosen head looks in all {n_runs} runs: {len(asked)}; from the same layer: {same}.\n")
    print(f"In how many of {n_runs} runs some head of a layer has a role:\n")
    columns = ("role", *(f"layer {layer}" for layer in range(n_layer)))
    print(Table(columns, role_rows(heads_by_run)).markdown())


if __name__ == "__main__":
    one_line.run(main)
