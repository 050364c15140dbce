"""Processes that are killed: training at random moments, to be compared with a run left alone; writing at each one."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from storage import checkpoint
from storage.metrics import read_rows

ACCESSES = {"open", "write", "flush", "fsync", "close", "mkdir", "rename", "replace", "unlink", "rmdir", "chmod"}
CLOCK = ("seconds", "train_seconds", "probe_seconds", "tokens_per_second", "mfu")  # differ when a run is repeated
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
    """Trains run=killed to its end through kills at random moments, at most ``longest`` seconds after each start; each
    kill that gained nothing makes that a fifth longer.

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
            if not gained[-1]:
                longest *= 1.2  # the machine may be slower than it was, and no run would end
            continue
        assert process.returncode == 0, f"after {len(gained)} kills: {err[-1000:]}"
        return gained


def kill_at_every_moment(work: Callable[[], object], accesses: Collection[str] = ACCESSES) -> Iterator[int]:
    """Does ``work`` in a process of its own that is killed before its first access to files, then before its second,
    and so on until it ends by itself; yields after each, so that the caller can look and put all back.
    """
    moment, ended = 0, False
    while not ended:
        if (process := os.fork()) == 0:
            try:
                sys.setprofile(partial(count_down, accesses, [moment]))
                work()
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitpid(process, 0)[1]
        ended = status == 0
        assert ended or os.WTERMSIG(status) == signal.SIGKILL, "the work itself failed"
        yield moment
        moment += 1


def count_down(accesses: Collection[str], left: list[int], _: FrameType, event: str, called: object) -> None:
    """A profile function that kills this process before the access to files of which the number is ``left``."""
    if event == "c_call" and called.__name__ in accesses:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
