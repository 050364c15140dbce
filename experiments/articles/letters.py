"""What do heads do when the attention changes? Four layers of full, windowed, strided and linear attention, one budget.

configs/experiment/letters.yaml has a window that most stories outgrow, so that layers pass on what lies further back.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from common.visible import visible_name
from experiments.articles.claim import Claim, Result, share_over_seeds
from experiments.articles.found import Found, judge, listed, resolved, roles_of
from experiments.articles.role_maps import draw_role_maps
from experiments.runs import Setup, best_loss, probe_seeds, train_seeds
from experiments.tables import Table
from report.colours import ROLE_COLOURS
from storage.run import read_config

LETTERS = {
    "F": "full",
    "WWWF": "three windows, then full",
    "WS": "window and strided in turn",
    "L": "gated linear",
}
FULL = "F"  # which all others are compared with
NEARLY = 1.0  # of a hundred answers


def run(setup: Setup) -> Result:
    runs = train_seeds(
        {f"letters-{letters}": ["experiment=letters", f"model.attention={letters}"] for letters in LETTERS}, setup
    )
    found = {name.removeprefix("letters-"): of for name, of in probe_seeds(runs, setup).items()}
    measured = {letters: list(map(measure, of, runs[f"letters-{letters}"])) for letters, of in found.items()}
    maps = [(f"{letters}: {meaning}", roles_of(found[letters][0])) for letters, meaning in LETTERS.items()]
    return Result(
        judge(keep_up({letters: mean(one["right"] for one in of) for letters, of in measured.items()})),
        explain(measured),
        "right answers: " + "; ".join(f"{letters} {right_of(of)}" for letters, of in measured.items()),
        [summary_table(measured), roles_table(measured)],
        measured,
        draw_role_maps(
            [maps[:2], maps[2:]],
            f"What heads do, by attention; seed {setup.seeds[0]}",
            setup.picture("letters"),
        ),
    )


def keep_up(right: Mapping[str, float]) -> list[bool]:
    """Whether each kind of attention but the full one gives as many right answers, in %, or nearly so."""
    return [share > right[FULL] - NEARLY for letters, share in right.items() if letters != FULL]


def right_of(measured: Sequence[Mapping]) -> str:
    return share_over_seeds([one["right"] / 100 for one in measured])


def measure(found: Found, run: Path) -> dict:
    """``unseen``: tasks that the model resolves though no head looks at what is meant."""
    trained = families_of(run)
    families = {name: found["families"][name] for name in resolved(found) if name in trained}
    heads = [roles for layer in roles_of(found) for roles in layer]
    return {
        "trained": len(trained),
        "resolved": len(families),
        "names": list(families),
        "right": 100 * mean(found["families"][name]["model_accuracy"] for name in trained),
        "val_loss": best_loss(run),
        "heads": sum(bool(roles) for roles in heads),
        "unseen": sum(not any(head["looks"] for head in family["heads"]) for family in families.values()),
        "roles": {name: sum(name in [role.role for role in roles] for roles in heads) for name in ROLE_COLOURS},
    }


def families_of(run: Path) -> list[str]:
    """The tasks that a run was trained on."""
    return read_config(run)["data"]["families"]


def summary_table(measured: Mapping[str, Sequence[Mapping]]) -> Table:
    columns = (
        "attention",
        "right answers",
        f"families resolved, of {measured[FULL][0]['trained']}",
        "validation loss, nats",
        "heads with a role, of 16",
        "families resolved though no head looks",
    )
    rows = [
        [
            f"{letters}: {LETTERS[letters]}",
            right_of(of),
            listed([one["resolved"] for one in of], 0),
            listed([one["val_loss"] for one in of], 3),
            listed([one["heads"] for one in of], 0),
            listed([one["unseen"] for one in of], 0),
        ]
        for letters, of in measured.items()
    ]
    return Table(columns, rows)


def roles_table(measured: Mapping[str, Sequence[Mapping]]) -> Table:
    """Heads with each role, means over seeds; roles that no head has are left out."""
    names = [name for name in ROLE_COLOURS if any(one["roles"][name] for of in measured.values() for one in of)]
    rows = [
        [letters, *(f"{mean(one['roles'][name] for one in of):.1f}" for name in names)]
        for letters, of in measured.items()
    ]
    return Table(("heads with a role, mean over seeds", *map(visible_name, names)), rows)


def explain(measured: Mapping[str, Sequence[Mapping]]) -> str:
    parts = [
        f"{letters} is right in {mean(one['right'] for one in of):.1f} % and resolves "
        f"{mean(one['resolved'] for one in of):.1f} families, {mean(one['unseen'] for one in of):.1f} of them though "
        f"no head looks, with {mean(one['roles']['pronoun'] for one in of):.1f} pronoun heads"
        for letters, of in measured.items()
    ]
    return "after the same steps " + "; ".join(parts)


CLAIM = Claim(
    "letters",
    "Sparse and linear attention can take the place of full attention.",
    60,
    run,
)
