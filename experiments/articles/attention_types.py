"""What do heads do when the attention changes? Four layers of full, windowed, strided and linear attention, one budget.

configs/experiment/attention_types.yaml has a window that most stories outgrow, so that layers pass on what lies further
back.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from common.markdown import Table
from common.visible import visible_name
from experiments.articles.claim import Claim, Result, judge, listed, share_over_seeds
from experiments.articles.heads_json import HeadsJson, resolved, roles_of
from experiments.articles.role_maps import draw_role_maps
from experiments.runs import Setup, best_loss, probe_seeds, train_seeds
from report.colours import ROLE_COLOURS
from storage.run import read_config

TYPES = {
    "F": "full",
    "WWWF": "three windows, then full",
    "WS": "window and strided in turn",
    "L": "gated linear",
}
FULL = "F"  # which all others are compared with
NEARLY = 1.0  # of a hundred answers


def run(setup: Setup) -> Result:
    runs = train_seeds(
        {f"attention_types-{types}": ["experiment=attention_types", f"model.attention={types}"] for types in TYPES},
        setup,
    )
    probed = {name.removeprefix("attention_types-"): of for name, of in probe_seeds(runs, setup).items()}
    measured = {types: list(map(measure, of, runs[f"attention_types-{types}"])) for types, of in probed.items()}
    maps = [(f"{types}: {meaning}", roles_of(probed[types][0])) for types, meaning in TYPES.items()]
    return Result(
        judge(keep_up({types: mean(one["right"] for one in of) for types, of in measured.items()})),
        explain(measured),
        "right answers: " + "; ".join(f"{types} {right_of(of)}" for types, of in measured.items()),
        [summary_table(measured), roles_table(measured)],
        measured,
        draw_role_maps(
            [maps[:2], maps[2:]],
            f"What heads do, by attention; seed {setup.seeds[0]}",
            setup.picture("attention_types"),
        ),
    )


def keep_up(right: Mapping[str, float]) -> list[bool]:
    """Whether each kind of attention but the full one gives as many right answers, in %, or nearly so."""
    return [share > right[FULL] - NEARLY for types, share in right.items() if types != FULL]


def right_of(measured: Sequence[Mapping]) -> str:
    return share_over_seeds([one["right"] / 100 for one in measured])


def measure(heads_json: HeadsJson, run: Path) -> dict:
    """``unseen``: tasks that the model resolves though no head looks at what is meant."""
    trained = tasks_of(run)
    tasks = {name: heads_json["tasks"][name] for name in resolved(heads_json) if name in trained}
    heads = [roles for layer in roles_of(heads_json) for roles in layer]
    return {
        "trained": len(trained),
        "resolved": len(tasks),
        "names": list(tasks),
        "right": 100 * mean(heads_json["tasks"][name]["model_accuracy"] for name in trained),
        "val_loss": best_loss(run),
        "heads": sum(bool(roles) for roles in heads),
        "unseen": sum(not any(head["looks"] for head in task["heads"]) for task in tasks.values()),
        "roles": {name: sum(name in [role.role for role in roles] for roles in heads) for name in ROLE_COLOURS},
    }


def tasks_of(run: Path) -> list[str]:
    """The tasks that a run was trained on."""
    return read_config(run)["data"]["tasks"]


def summary_table(measured: Mapping[str, Sequence[Mapping]]) -> Table:
    columns = (
        "attention",
        "right answers",
        f"tasks resolved, of {measured[FULL][0]['trained']}",
        "validation loss, nats",
        "heads with a role, of 16",
        "tasks resolved though no head looks",
    )
    rows = [
        [
            f"{types}: {TYPES[types]}",
            right_of(of),
            listed([one["resolved"] for one in of], 0),
            listed([one["val_loss"] for one in of], 3),
            listed([one["heads"] for one in of], 0),
            listed([one["unseen"] for one in of], 0),
        ]
        for types, of in measured.items()
    ]
    return Table(columns, rows)


def roles_table(measured: Mapping[str, Sequence[Mapping]]) -> Table:
    """Heads with each role, means over seeds; roles that no head has are left out."""
    names = [name for name in ROLE_COLOURS if any(one["roles"][name] for of in measured.values() for one in of)]
    rows = [
        [types, *(f"{mean(one['roles'][name] for one in of):.1f}" for name in names)] for types, of in measured.items()
    ]
    return Table(("heads with a role, mean over seeds", *map(visible_name, names)), rows)


def explain(measured: Mapping[str, Sequence[Mapping]]) -> str:
    parts = [
        f"{types} is right in {mean(one['right'] for one in of):.1f} %, resolves "
        f"{mean(one['resolved'] for one in of):.1f} tasks ({mean(one['unseen'] for one in of):.1f} of them though "
        f"no head looks) and has {mean(one['roles']['pronoun'] for one in of):.1f} pronoun heads"
        for types, of in measured.items()
    ]
    return "after the same steps " + "; ".join(parts)


CLAIM = Claim(
    "attention_types",
    "Sparse and linear attention can take the place of full attention.",
    60,
    run,
)
