"""Kills a training run again and again, at random moments, and compares what it becomes with a run left in peace.

    python -m benchmarks.kill [--kills 50] [--seed 0]          # some ten minutes

Each time the process gets SIGKILL between its start and its end, wherever it is, and is told to go on. At the end
parameters, optimizer, batch order and metrics rows must be the same bit for bit; time alone may differ.
"""

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from training import checkpoint
from training.metrics import CLOCK, read_rows

ROOT = Path(__file__).resolve().parents[1]
STEPS = 400
SETTINGS = (
    *("data.n_train=2000", "data.n_val=40", "tokens_per_step=512", "tokens_at_once=256", "wandb.mode=disabled"),
    *("model.block_size=64", "model.n_embd=32", "model.n_head=2", "model.dropout=0.1", f"max_steps={STEPS}"),
    *("log_every=1", "eval_every=25", "checkpoint_every=10", "device=cpu"),
)


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def what_a_run_became(run: Path) -> tuple[dict, dict, list]:
    """The hashes of the last checkpoint's tensors, the rest of its state, and all rows; without the clock."""
    state = checkpoint.read_state(checkpoint.folder_of(run, checkpoint.saved_steps(run)[-1]))
    rows = [{key: value for key, value in row.items() if key not in CLOCK} for row in read_rows(run / "metrics.jsonl")]
    return state.pop("sha256"), {key: value for key, value in state.items() if key not in CLOCK}, rows


def last_step(run: Path) -> int:
    return max(checkpoint.saved_steps(run), default=0)


def peaceful_run(folder: Path, settings: Sequence[str]) -> tuple[float, float]:
    """Trains run=peace; returns the seconds to its first checkpoint behind the start, and to its end."""
    started, first = time.perf_counter(), None
    process = start(folder, "run=peace", *settings)
    while process.poll() is None:
        if first is None and last_step(folder / "peace"):
            first = time.perf_counter() - started
        time.sleep(0.02)
    if process.returncode:
        sys.exit(process.communicate()[1])
    whole = time.perf_counter() - started
    return first or whole, whole


def killed_run(folder: Path, run: str, settings: Sequence[str], longest: float, rng: random.Random) -> list[int]:
    """Trains ``run`` to its end through kills at random moments, at most ``longest`` seconds after each start.

    Returns for each kill how many steps had been saved since that start.
    """
    gained = []
    while True:
        before = last_step(folder / run)
        process = start(folder, f"run={run}", *(["resume=true"] if before else [*settings, "overwrite=true"]))
        try:
            _, err = process.communicate(timeout=rng.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            gained.append(last_step(folder / run) - before)
            continue
        if process.returncode:
            sys.exit(f"after {len(gained)} kills: {err[-1000:]}")
        return gained


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="at least")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rng, gained, differences = random.Random(options.seed), [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, whole = peaceful_run(folder, SETTINGS)
        longest = max(whole / 2, 1.5 * first)  # short enough to be killed often, long enough to get on
        peace = what_a_run_became(folder / "peace")
        for i in itertools.count():
            now = killed_run(folder, f"killed{i}", SETTINGS, longest, rng)
            same = what_a_run_became(folder / f"killed{i}") == peace
            gained += now
            differences += not same
            print(f"run {i}: steps gained before each kill {now}; {'the same' if same else 'DIFFERENT'}", flush=True)
            if len(gained) >= options.kills:
                break
    print(f"{len(gained)} kills, {sum(map(bool, gained))} of them after a new checkpoint; {i + 1} runs", end=", ")
    print(f"of which {differences} became something else than the run left in peace")
    sys.exit(1 if differences else None)


if __name__ == "__main__":
    main()
