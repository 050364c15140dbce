"""heads.json of several seeds, as claims ask for it: one table and one record of all tasks, and the weakest numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from common.markdown import Table
from common.visible import visible_name
from data.stories import TASKS
from experiments.articles.claim import listed
from experiments.runs import Setup, best_baseline, probe_all, train_seeds
from probing.findings import Role

HeadsJson = Mapping  # what probe.py writes of one run
PRONOUNS = ("agreement", "verb_bias", "cue", "roles", "chains")
COLUMNS = (
    "task",
    "model right, %",
    "head, site",
    "picks the right one, %",
    "lowest end of an interval, %",
    "best baseline, %",
    "swapping its candidates costs, nats",
    "most in heads that do not look",
    "looks and matters",
)


def default_runs(setup: Setup) -> list[Path]:
    """``python train.py`` of every seed, which many claims share."""
    return train_seeds({"default": []}, setup)["default"]


def default_heads(setup: Setup) -> Sequence[HeadsJson]:
    return probe_all(default_runs(setup), setup.jobs)


def roles_of(heads: HeadsJson) -> list[list[list[Role]]]:
    """Every role by layer and head, as ``Findings.role_map`` had them."""
    return [[[Role(**role) for role in head] for head in layer] for layer in heads["all_roles"]]


def resolved(heads: HeadsJson) -> list[str]:
    """The tasks of stories that the model resolves."""
    return [name for name in TASKS if name in heads["tasks"] and heads["tasks"][name]["resolved"]]


def shown(task: Mapping) -> bool:
    """Whether one task is resolved by the model, and through a head that looks and matters."""
    best = task["best"]
    return bool(task["resolved"] and best["looks"] and best["matters"])


def row(name: str, tasks: Sequence[Mapping]) -> list[str]:
    """One task in the runs of all seeds."""
    bests = [task["best"] for task in tasks]
    swaps = [best["weight_swap_drop"] for best in bests]
    others = [best["weight_swap_reference"] for best in bests]
    n_shown = sum(map(shown, tasks))
    return [
        visible_name(name),
        listed([100 * task["model_accuracy"] for task in tasks]),
        ", ".join(f"{best['head']} {best['site']}" for best in bests),
        listed([100 * best["choice_accuracy"] for best in bests]),
        f"{100 * min(best['ci'][0] for best in bests):.1f}",
        listed([100 * best_baseline(task)[1] for task in tasks]),
        listed(swaps),
        listed(others),
        f"{n_shown} of {len(tasks)} seeds",
    ]


def every_head(heads: HeadsJson, name: str, site: str) -> list[float]:
    by_site = heads["tasks"][name]["by_site"]
    column = by_site["sites"].index(site)
    return [accuracy[column] for accuracy in by_site["choice_accuracy"].values()]


def at_site(heads_by_seed: Sequence[HeadsJson], name: str, site: str) -> list[float]:
    """The choice accuracy of each seed's chosen head of a task, at any of its sites."""
    tasks = [heads["tasks"][name] for heads in heads_by_seed]
    columns = [task["by_site"]["sites"].index(site) for task in tasks]
    return [
        task["by_site"]["choice_accuracy"][task["best"]["head"]][column]
        for task, column in zip(tasks, columns, strict=True)
    ]


def task_table(heads_by_seed: Sequence[HeadsJson], names: Sequence[str]) -> Table:
    return Table(COLUMNS, [row(name, [heads["tasks"][name] for heads in heads_by_seed]) for name in names])


def task_numbers(heads_by_seed: Sequence[HeadsJson], names: Sequence[str]) -> dict:
    """By task, each with one entry a seed."""

    def numbers(task: Mapping) -> dict:
        best, (baseline, bar) = task["best"], best_baseline(task)
        kept = (
            "head",
            "site",
            "choice_accuracy",
            "ci",
            "mass",
            "weight_swap_drop",
            "weight_swap_ci",
            "weight_swap_reference",
        )
        record = {key: task[key] for key in ("model_accuracy", "model_ci", "resolved")}
        record |= {key: best[key] for key in (*kept, "looks", "matters")}
        return record | {"baseline": baseline, "baseline_accuracy": bar}

    return {name: [numbers(heads["tasks"][name]) for heads in heads_by_seed] for name in names}


def because(heads_by_seed: Sequence[HeadsJson], names: Sequence[str]) -> str:
    """How many of these tasks are shown, and the weakest numbers of all of them."""
    tasks = [heads["tasks"][name] for heads in heads_by_seed for name in names]
    swaps = [task["best"]["weight_swap_drop"] for task in tasks if shown(task)]
    right = min(task["model_accuracy"] for task in tasks)
    picked = min(task["best"]["choice_accuracy"] for task in tasks)
    bar = max(best_baseline(task)[1] for task in tasks)
    return (
        f"in {sum(map(shown, tasks))} of {len(tasks)} tasks and seeds the model resolves them through a head "
        f"that looks and matters: the model is right in at least {100 * right:.1f} %, the chosen head picks the right "
        f"candidate in at least {100 * picked:.1f} %, no baseline in more than {100 * bar:.1f} %"
        + (f", and exchanging what the head gives to the two costs at least {min(swaps):.1f} nats" if swaps else "")
    )


def lowest_end(heads_by_seed: Sequence[HeadsJson], names: Sequence[str]) -> float:
    """The lowest end of all intervals within a seed, of the chosen heads' choice accuracies, in %."""
    return 100 * min(heads["tasks"][name]["best"]["ci"][0] for heads in heads_by_seed for name in names)
