"""Training runs that are killed at random moments, to be compared with one that was left alone."""

import random
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from storage import checkpoint
from storage.metrics import CLOCK, read_rows

Start = Callable[..., subprocess.Popen]  # of a folder and the arguments of train.py


def what_a_run_became(run: Path) -> tuple[dict, list]:
    """The state of its last checkpoint, hashes of all tensors included, and all rows; without the clock."""
    state = checkpoint.read_state(checkpoint.folder_of(run, last_step(run)))
    return without_clock(state), [without_clock(row) for row in read_rows(run / "metrics.jsonl")]


def without_clock(record: dict) -> dict:
    return {key: value for key, value in record.items() if key not in CLOCK}


def last_step(run: Path) -> int:
    return max(checkpoint.saved_steps(run), default=0)


def run_in_peace(start: Start, folder: Path, settings: Sequence[str]) -> tuple[float, float]:
    """Trains run=peace; returns the seconds until its first checkpoint after step 0, and until its end."""
    started, first = time.perf_counter(), None
    process = start(folder, "run=peace", *settings)
    while process.poll() is None:
        if first is None and last_step(folder / "peace"):
            first = time.perf_counter() - started
        time.sleep(0.02)
    assert process.returncode == 0, process.communicate()[1]
    whole = time.perf_counter() - started
    return first or whole, whole


def run_through_kills(
    start: Start, folder: Path, settings: Sequence[str], longest: float, rng: random.Random
) -> list[int]:
    """Trains run=killed to its end through kills at random moments, at most ``longest`` seconds after each start.

    Returns for each kill how many steps had been saved since that start.
    """
    gained = []
    while True:
        before = last_step(folder / "killed")
        process = start(folder, "run=killed", *(["resume=true"] if before else [*settings, "overwrite=true"]))
        try:
            _, err = process.communicate(timeout=rng.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            gained.append(last_step(folder / "killed") - before)
            continue
        assert process.returncode == 0, f"after {len(gained)} kills: {err[-1000:]}"
        return gained
