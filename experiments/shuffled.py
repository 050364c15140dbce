"""Do heads look back where that does not pay? ``python -m experiments.shuffled FOLDER [--seeds 3 --steps 1500]``.

Trains on stories of the pronoun tasks as they are, and on the same stories with an antecedent drawn anew, so that no
pronoun decides its answer; then probes both kinds of run on the same held-out stories. Runs and texts stay
in FOLDER; what is there already is not trained again.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from common.markdown import Table
from common.one_line import run
from common.options import require_at_least
from data import Case
from data.stories import cases
from experiments.articles.heads_json import PRONOUNS as TASKS
from experiments.runs import Setup, probe_seeds, train_seeds

N_STORIES = 12_000  # of each task
KINDS = ("as_they_are", "shuffled")


def with_any_antecedent(case: Case, rng: Random) -> str:
    """The story with either candidate's word as its answer, whichever is meant."""
    start, end = case.spans.answer
    raw = case.text.encode()
    assert isinstance(case.foil, str)  # a story is text, not ids
    answer = rng.choice((raw[start:end], case.foil.encode()))
    return (raw[:start] + answer + raw[end:]).decode()


def write_texts(folder: Path) -> dict[str, Path]:
    """A file of stories of each kind, the same ones in the same order."""
    stories = cases("train", N_STORIES, 0, TASKS)
    rng = Random(0)
    rng.shuffle(stories)
    texts = {KINDS[0]: [case.text for case in stories], KINDS[1]: [with_any_antecedent(case, rng) for case in stories]}
    paths = {kind: folder / f"{kind}.jsonl" for kind in KINDS}
    for kind, path in paths.items():
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[kind]), encoding="utf-8")
    return paths


def rows_of(kind: str, seed: int, heads: dict) -> Iterator[list[object]]:
    """A row for each task, and one for the role."""
    for name in TASKS:
        task = heads["tasks"][name]
        best, bar = task["best"], max(task["baselines"].values())
        looking = sum(head["looks"] for head in task["heads"])
        shares = (f"{share:.1%}" for share in (best["choice_accuracy"], bar))
        yield [kind, seed, name, f"{task['model_accuracy']:.1%}", best["head"], *shares, f"{looking} heads"]
    pronoun = sum(role["role"] == "pronoun" for layer in heads["all_roles"] for head in layer for role in head)
    yield [kind, seed, "*the role pronoun*", *[""] * 4, f"{pronoun} heads"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.shuffled", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--jobs", type=int, default=2, help="how many run at the same time, of one thread each")
    options = parser.parse_args(arguments)
    require_at_least(options, {"seeds": 1, "steps": 1})
    setup = Setup(options.folder.resolve(), range(options.seeds), options.jobs)
    setup.folder.mkdir(parents=True, exist_ok=True)
    settings = ["data=files", f"max_steps={options.steps}", f"eval_every={options.steps}"]
    settings.append(f"cache={setup.folder / 'cache'}")
    variants = {kind: [*settings, f"data.path={path}"] for kind, path in write_texts(setup.folder).items()}
    heads_by_kind = probe_seeds(train_seeds(variants, setup), setup, TASKS)
    rows = []
    for i, seed in enumerate(setup.seeds):
        for kind in KINDS:
            rows += rows_of(kind, seed, heads_by_kind[kind][i])
    columns = ("antecedents", "seed", "task", "model right", "best head", "picks the right one", "best baseline")
    print(Table((*columns, "looks"), rows).markdown())


if __name__ == "__main__":
    run(main)
