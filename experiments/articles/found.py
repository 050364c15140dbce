"""What probe.py found in the runs of several seeds, as claims ask for it; ``Found`` is one heads.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from common.visible import visible_name
from data.stories import TASKS
from experiments.articles.claim import Verdict
from experiments.runs import Setup, best_baseline, probe_all, train_seeds
from experiments.tables import Table
from probing.findings import Role

Found = Mapping
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


def default_found(setup: Setup) -> Sequence[Found]:
    return probe_all(default_runs(setup), setup.jobs)


def roles_of(found: Found) -> list[list[list[Role]]]:
    """Every role by layer and head, as ``Findings.role_map`` had them."""
    return [[[Role(**role) for role in head] for head in layer] for layer in found["all_roles"]]


def resolved(found: Found) -> list[str]:
    """The tasks of stories that the model resolves."""
    return [name for name in TASKS if name in found["tasks"] and found["tasks"][name]["resolved"]]


def shown(task: Mapping) -> bool:
    """Whether one task is resolved by the model, and through a head that looks and matters."""
    best = task["best"]
    return bool(task["resolved"] and best["looks"] and best["matters"])


def judge(outcomes: Sequence[bool]) -> Verdict:
    """All of them: it holds. None: it does not."""
    if all(outcomes):
        return "holds"
    return "holds in part" if any(outcomes) else "does not hold"


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


def listed(values: Sequence[float | None], digits: int = 1) -> str:
    """One number a seed; "none" where there is no such number."""
    return ", ".join("none" if value is None else f"{value:.{digits}f}" for value in values)


def every_head(found: Found, name: str, site: str) -> list[float]:
    by_site = found["tasks"][name]["by_site"]
    column = by_site["sites"].index(site)
    return [accuracy[column] for accuracy in by_site["choice_accuracy"].values()]


def at_site(found: Sequence[Found], name: str, site: str) -> list[float]:
    """The choice accuracy of each seed's chosen head of a task, at any of its sites."""
    tasks = [one["tasks"][name] for one in found]
    columns = [task["by_site"]["sites"].index(site) for task in tasks]
    return [
        task["by_site"]["choice_accuracy"][task["best"]["head"]][column]
        for task, column in zip(tasks, columns, strict=True)
    ]


def task_table(found: Sequence[Found], names: Sequence[str]) -> Table:
    return Table(COLUMNS, [row(name, [one["tasks"][name] for one in found]) for name in names])


def task_numbers(found: Sequence[Found], names: Sequence[str]) -> dict:
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

    return {name: [numbers(one["tasks"][name]) for one in found] for name in names}


def because(found: Sequence[Found], names: Sequence[str]) -> str:
    """How many of these tasks are shown, and the weakest numbers of all of them."""
    tasks = [one["tasks"][name] for one in found for name in names]
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


def lowest_end(found: Sequence[Found], names: Sequence[str]) -> float:
    """The lowest end of all intervals within a seed, of the chosen heads' choice accuracies, in %."""
    return 100 * min(one["tasks"][name]["best"]["ci"][0] for one in found for name in names)
