"""Do several heads do different jobs, and are several needed? Four heads beside one head of four times the width."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import mean

from common.markdown import Table
from common.visible import visible_name
from data.stories import TASKS
from experiments.articles.claim import Claim, Result, Verdict, judge, listed, over_seeds
from experiments.articles.heads_json import HeadsJson, default_heads, default_runs, resolved, roles_of
from experiments.articles.role_maps import draw_role_maps
from experiments.runs import Setup, best_loss, probe_all, train_seeds
from probing.attention_patterns import ATTENTION_PATTERNS

ROWS = {
    "tasks resolved": f"tasks resolved, of {len(TASKS)}",
    "right": "right answers, mean over tasks, %",
    "val loss": "validation loss, nats",
    "heads": "heads with a role",
    "roles": "different roles",
    "roles a head": "roles of a head that has any, mean",
    "leaders": "different heads that are best in some task",
    "led": "tasks in which one head is best, at most",
    "sole": "tasks in which a single head matters",
}


def run(setup: Setup) -> Result:
    runs, with_four = default_runs(setup), default_heads(setup)
    ones = train_seeds({"one_head": ["model.n_head=1"]}, setup)["one_head"]
    with_one = probe_all(ones, setup.jobs)
    four, one = (list(map(measure, *both)) for both in ((with_four, runs), (with_one, ones)))
    verdict = judge_heads(four, one)
    rows = [[text, listed_by_seed(four, key), listed_by_seed(one, key)] for key, text in ROWS.items()]
    maps = [
        [(f"{name}, seed {seed}", roles_of(heads)) for seed, heads in zip(setup.seeds, by_seed, strict=True)]
        for name, by_seed in (("four heads", with_four), ("one head", with_one))
    ]
    return Result(
        verdict,
        explain(four, one),
        f"tasks resolved: {over_seeds(column(four, 'tasks resolved'), '{:.1f}'.format)} with four heads, "
        f"{over_seeds(column(one, 'tasks resolved'), '{:.1f}'.format)} with one",
        [Table(("by seed", "four heads of 32", "one head of 128"), rows), jobs_table(with_four, setup.seeds)],
        {"four heads": four, "one head": one},
        draw_role_maps(maps, "What heads do: four a layer, and one of equal width", setup.picture("heads")),
    )


def measure(heads_json: HeadsJson, run: Path) -> dict[str, float]:
    """ROWS of one run."""
    heads = [roles for layer in roles_of(heads_json) for roles in layer]
    tasks = [heads_json["tasks"][name] for name in resolved(heads_json)]
    leaders = [task["best"]["head"] for task in tasks]
    having = [roles for roles in heads if roles]
    return {
        "tasks resolved": len(tasks),
        "right": 100 * mean(heads_json["tasks"][name]["model_accuracy"] for name in TASKS),
        "val loss": best_loss(run),
        "heads": len(having),
        "roles": len({role.role for role in chain(*heads)}),
        "roles a head": mean(map(len, having)) if having else 0.0,
        "leaders": len(set(leaders)),
        "led": max(map(leaders.count, leaders), default=0),
        "sole": sum(sum(head["matters"] for head in task["heads"]) == 1 for task in tasks),
    }


def column(measured: Sequence[Mapping], key: str) -> list[float]:
    return [one[key] for one in measured]


def listed_by_seed(measured: Sequence[Mapping], key: str) -> str:
    values = column(measured, key)
    return listed(values, 0 if all(isinstance(value, int) for value in values) else 3 if "loss" in key else 1)


def judge_heads(four: Sequence[Mapping], one: Sequence[Mapping]) -> Verdict:
    """Both halves of the claim in each seed: several heads lead in some task; a single one resolves fewer."""
    pairs = zip(column(four, "tasks resolved"), column(one, "tasks resolved"), strict=True)
    return judge([*(run["leaders"] > 1 for run in four), *(many > few for many, few in pairs)])


def explain(four: Sequence[Mapping], one: Sequence[Mapping]) -> str:
    leaders, led, sole, many = (mean(column(four, key)) for key in ("leaders", "led", "sole", "tasks resolved"))
    few, roles, right = (mean(column(one, key)) for key in ("tasks resolved", "roles a head", "right"))
    return (
        f"with four heads per layer, on average {leaders:.1f} different heads are the best in some task (one of them "
        f"in {led:.1f} of {many:.1f}) and in {sole:.1f} tasks a single head matters; but with one head per layer, as "
        f"wide as four, the model resolves {few:.1f} tasks and is right in {right:.1f} % instead of "
        f"{mean(column(four, 'right')):.1f} %, with {roles:.1f} roles per head"
    )


def jobs_table(heads_by_seed: Sequence[HeadsJson], seeds: Sequence[int]) -> Table:
    """Which heads matter for which roles, one row a seed: what each head of the model with four does."""
    rows = []
    for seed, heads_json in zip(seeds, heads_by_seed, strict=True):
        jobs = {
            f"{layer}.{head}": [
                visible_name(role.role) for role in roles if role.matters or role.role in ATTENTION_PATTERNS
            ]
            for layer, heads in enumerate(roles_of(heads_json))
            for head, roles in enumerate(heads)
        }
        rows.append([str(seed), "; ".join(f"{head}: {', '.join(roles)}" for head, roles in jobs.items() if roles)])
    return Table(("seed", "heads with a role that matters, and their attention patterns"), rows)


CLAIM = Claim("heads", "Several heads do different jobs, and several are needed.", 30, run)
