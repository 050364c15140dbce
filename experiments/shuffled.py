"""Do heads look back where that does not pay? ``python -m experiments.shuffled FOLDER [--seeds 3 --steps 1500]``.

Trains on stories of the pronoun families as they are, and on the same stories with an antecedent drawn anew, so that no
pronoun says anything about its answer; then probes both kinds of run on the same held-out stories. Runs and texts stay
in FOLDER.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from data import Case
from data.stories import cases

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = ("agreement", "verb_bias", "cue", "roles", "chains")
TOLD = 12_000  # of each family
KINDS = ("as they are", "shuffled")


def with_any_antecedent(case: Case, rng: Random) -> str:
    """The story with either candidate's word as its answer, whichever is meant."""
    start, end = case.spans.answer
    raw = case.text.encode()
    answer = rng.choice((raw[start:end], case.foil.encode()))
    return (raw[:start] + answer + raw[end:]).decode()


def write_texts(folder: Path) -> dict[str, Path]:
    told = cases("train", TOLD, 0, FAMILIES)
    rng = Random(0)
    rng.shuffle(told)
    texts = {KINDS[0]: [case.text for case in told], KINDS[1]: [with_any_antecedent(case, rng) for case in told]}
    paths = {}
    for kind, stories in texts.items():
        paths[kind] = folder / f"{kind.replace(' ', '_')}.jsonl"
        paths[kind].write_text("".join(json.dumps({"text": story}) + "\n" for story in stories))
    return paths


def train_and_probe(run: Path, text: Path, seed: int, steps: int) -> dict:
    """heads.json of a new run."""
    settings = ["data=files", f"data.path={text}", f"seed={seed}", f"max_steps={steps}", f"eval_every={steps}"]
    quiet = ["overwrite=true", "wandb.mode=disabled", f"cache={run.parent / 'cache'}"]
    for command in (["train.py", f"run={run}", *settings, *quiet], ["probe.py", f"run={run}", f"seed={seed}"]):
        done = subprocess.run([sys.executable, str(ROOT / command[0]), *command[1:]], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads((run / "probe" / "heads.json").read_text())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.shuffled", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1_500)
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    texts = write_texts(folder)
    print("| antecedents | seed | family | model right | best head | picks the right one | best baseline | looks |")
    print("|---" * 8 + "|")
    for seed in range(options.seeds):
        for kind, text in texts.items():
            found = train_and_probe(folder / f"{text.stem}-{seed}", text, seed, options.steps)
            for name in FAMILIES:
                family = found["families"][name]
                best, bar = family["best"], max(family["baselines"].values())
                looking = sum(head["looks"] for head in family["heads"])
                cells = f"{family['model_accuracy']:.1%} | {best['head']} | {best['choice_accuracy']:.1%} | {bar:.1%}"
                print(f"| {kind} | {seed} | {name} | {cells} | {looking} heads |", flush=True)
            pronoun = sum(role["role"] == "pronoun" for layer in found["all_roles"] for head in layer for role in head)
            print(f"| {kind} | {seed} | *the role pronoun* | | | | | {pronoun} heads |", flush=True)


if __name__ == "__main__":
    main()
