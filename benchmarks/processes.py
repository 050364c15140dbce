"""What several processes gain on the cores of one machine, on the CPU and on random tokens.

    python -m benchmarks.processes [--processes 2] [--rounds 5] [--steps 20] [model=small ...]

One process with one thread, one with a thread for each of the processes, and that many processes with one thread each:
the same global batches, in turns, a process of its own for each. Seconds a step are the median of a round's steps, the
first few left out. Without keys of train.py, the shapes in SHAPES.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import torch

import cli
from benchmarks.measuring import ROOT, median_and_range, print_table, ratios
from benchmarks.step import make_trainer
from cli.schema import TrainCommand
from common.one_line import run
from common.options import require_at_least
from training.loop import sequences_per_step
from training.world import join

WARM_UP = 3
SHAPES = (
    ["model=tiny", "tokens_per_step=2048"],
    ["model=small", "tokens_per_step=1024"],
    ["model=small", "tokens_per_step=4096"],
)


def read(settings: Sequence[str]) -> TrainCommand:
    return cli.read("train", TrainCommand, ["tokenizer=bytes", *settings, "device=cpu"])


def work(settings: Sequence[str], steps: int) -> list[float]:
    """Seconds of each step in this process, one of those that the environment names."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    command, taken = read(settings), []
    with tempfile.TemporaryDirectory() as folder, join(torch.device("cpu")) as world:
        trainer = make_trainer(command, Path(folder), world)
        for _ in range(WARM_UP + steps):
            started = time.perf_counter()
            trainer.train_step()
            taken.append(time.perf_counter() - started)
    return taken[WARM_UP:]


def measure(settings: Sequence[str], processes: int, threads: int, steps: int) -> float:
    """Seconds a step of so many processes; exits with the errors of one that failed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "WORLD_SIZE": str(processes)} | meeting
    command = [sys.executable, "-m", "benchmarks.processes", "--work", *settings, "--steps", str(steps)]
    started = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for rank in range(processes)
    ]
    printed = [process.communicate() for process in started]
    for process, (_, errors) in zip(started, printed, strict=True):
        if process.returncode:
            sys.exit(f"{settings} failed:\n{errors[-2000:]}")
    return median(json.loads(printed[0][0].splitlines()[-1]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.processes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="*", help="keys of train.py")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    require_at_least(options, {"processes": 2, "rounds": 1, "steps": 1})
    if options.work:
        print(json.dumps(work(options.settings, options.steps)))
        return
    shapes = [options.settings] if options.settings else SHAPES
    for settings in shapes:
        command = read(settings)  # what is wrong with it is said here, in one line, and not by the processes
        sequences_per_step(command.tokens_per_step, command.model.block_size, options.processes)
    rows = (row for settings in shapes for row in race(settings, options))
    print_table(("step", "", "ms a step", "times as fast as one thread"), rows)


def race(settings: Sequence[str], options: argparse.Namespace) -> Iterator[list[str]]:
    """A row for each side."""
    n = options.processes
    sides = {"1 process, 1 thread": (1, 1), f"1 process, {n} threads": (1, n), f"{n} processes, 1 thread each": (n, 1)}
    taken = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, (processes, threads) in sides.items():
            taken[name].append(measure(settings, processes, threads, options.steps) * 1e3)
    one, *_ = taken.values()
    for name, times in taken.items():
        yield [" ".join(settings), name, median_and_range(times, 1), "" if times is one else ratios(one, times)]


if __name__ == "__main__":
    run(main)
