"""What lowers the loss on little text: each change of a recipe against the recipe, over seeds, at equal steps.

    python -m experiments.recipes FOLDER [KEY=VALUE ...] [--variants ema_0.1 clip_1 ...] [--seeds 0 1 2] [--jobs 1]

FOLDER gets a run for each variant and seed, with one thread; runs that are done are not trained again, and those that
were interrupted go on. KEY=VALUE are settings of train.py for all runs, in place of SETTINGS: a text, a model, a budget
in steps. The table has the lowest validation loss of each run, in nats a token: the mean over seeds (lowest-highest),
and the difference to ``base``, seed by seed. A variant helps where all differences are negative and larger than
those that another seed makes. The means of weights (ema, last) leave the training as it is, so that their differences
are of the means alone.

For novels: ``python -m experiments.recipes runs/recipes data=files data.path=NOVELS tokenizer.vocab_size=4096 ...``
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from common.markdown import Table
from common.one_line import run
from experiments.runs import SEEDS, Setup, best_row, train_seeds

SETTINGS = ("data=shakespeare", "tokenizer=bytes", "max_steps=1000", "eval_every=100", "checkpoint_every=100")
VARIANTS = {
    "base": [],
    **{f"ema_{f}": ["optimizer.average=ema", f"optimizer.average_fraction={f}"] for f in (0.05, 0.1, 0.3)},
    **{f"last_{f}": ["optimizer.average=last", f"optimizer.average_fraction={f}"] for f in (0.1, 0.3)},
    **{f"decay_{w}": [f"optimizer.weight_decay={w}"] for w in (0.1, 0.4, 1.6)},
    **{
        f"decay_{w}_cosine": [f"optimizer.weight_decay={w}", "optimizer.weight_decay_schedule=cosine"]
        for w in (0.1, 0.4, 1.6)
    },
    **{f"clip_{c}": [f"optimizer.clip={c}"] for c in (0.3, 1)},
    **{f"dropout_{p}": [f"model.dropout={p}"] for p in (0.1, 0.2)},
}
for one, other in (("decay_1.6", "ema_0.3"), ("decay_1.6", "last_0.3"), ("dropout_0.1", "ema_0.3")):
    VARIANTS[f"{one}_{other}"] = [*VARIANTS[one], *VARIANTS[other]]
DOCUMENTS = {"mask": ["data.document_mask=true"], "shuffle": ["data.shuffle_documents=true"]}  # if there are several


def mean_and_range(numbers: Sequence[float], sign: str = "") -> str:
    return f"{mean(numbers):{sign}.4f} ({min(numbers):{sign}.4f} to {max(numbers):{sign}.4f})"


def rows_of(runs: Mapping[str, Sequence[Path]]) -> list[list[str]]:
    """One row a variant, the best first; ``runs``: of each variant, in the order of the seeds.

    Raises InputError where a run has no finite loss.
    """
    best = {name: [best_row(run) for run in own] for name, own in runs.items()}
    losses = {name: [row["val_loss"] for row in own] for name, own in best.items()}
    return [
        [
            name,
            mean_and_range(losses[name]),
            mean_and_range([one - other for one, other in zip(losses[name], losses["base"], strict=True)], "+"),
            ", ".join(str(row["step"]) for row in best[name]),
        ]
        for name in sorted(losses, key=lambda name: mean(losses[name]))
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.recipes", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=VARIANTS | DOCUMENTS,
        default=list(VARIANTS),
        metavar="NAME",
        help=", ".join(VARIANTS | DOCUMENTS),
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("settings", nargs="*", default=SETTINGS, metavar="KEY=VALUE")
    options = parser.parse_intermixed_args(arguments)
    names = ["base", *(name for name in options.variants if name != "base")]
    variants = {name: [*options.settings, *(VARIANTS | DOCUMENTS)[name]] for name in names}
    rows = rows_of(train_seeds(variants, Setup(options.folder, options.seeds, options.jobs)))
    print(Table(("variant", "validation loss", "difference to base", "best step of each seed"), rows).markdown())


if __name__ == "__main__":
    run(main)
