"""Trains and probes the runs that experiments rest on: only what is missing, two at a time, each with one thread.

Two small runs of one thread each end sooner than one after the other with two threads each; and as the number of
threads is always the same, so are the numbers. Experiments that need the same run share it by giving it the same name.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import yaml

import cli
from cli.resuming import CHANGEABLE
from cli.schema import ProbeCommand, TrainCommand
from common.errors import InputError
from experiments.measurable import shape_of
from storage import checkpoint
from storage.metrics import Row, best_evaluation, read_rows
from storage.not_a_run import no_such_run
from storage.run import METRICS, is_run, read_config
from training.loop import is_finished

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
QUIET = ("wandb.mode=disabled", "snapshots=0")
HEADS = Path("probe") / "heads.json"
TAIL = 300  # characters of what a failed command printed
SEEDS = (0, 1, 2)
# Of the settings that may change when a run is resumed, those that change its numbers, or which evaluation is best.
DECIDING = ("max_steps", "max_tokens", "max_minutes", "patience", "eval_every", "device", "precision")


@dataclass(frozen=True)
class Setup:
    """The folder of the runs, their seeds, how many are trained at the same time, and the folder of pictures.

    Raises InputError for a seed that is given twice, and for less than one run at a time.
    """

    folder: Path
    seeds: Sequence[int] = SEEDS
    jobs: int = 2
    pictures: Path = Path("docs/articles")

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"--seeds {' '.join(map(str, self.seeds))}: each once")
        if self.jobs < 1:
            raise InputError(f"--jobs {self.jobs}: must be at least 1")

    def picture(self, name: str) -> Path:
        return self.pictures / f"{name}.png"


def train_seeds(variants: Mapping[str, Sequence[str]], setup: Setup) -> dict[str, list[Path]]:
    """Trains each variant (name -> overrides of train.py) with every seed; its runs are called NAME-SEED."""
    names = {name: [f"{name}-{seed}" for seed in setup.seeds] for name in variants}
    wanted = {
        run: [*variants[name], f"seed={seed}"]
        for name, runs in names.items()
        for run, seed in zip(runs, setup.seeds, strict=True)
    }
    trained = train_all(wanted, setup.folder, setup.jobs)
    return {name: [trained[run] for run in runs] for name, runs in names.items()}


def probe_seeds(
    variants: Mapping[str, Sequence[Path]], setup: Setup, tasks: Sequence[str] | None = None
) -> dict[str, list[dict]]:
    """heads.json of every run of each variant, as ``probe_all`` writes it."""
    probed = iter(probe_all([run for runs in variants.values() for run in runs], setup.jobs, tasks))
    return {name: [next(probed) for _ in runs] for name, runs in variants.items()}


def train_all(wanted_runs: Mapping[str, Sequence[str]], folder: Path, jobs: int = 2) -> dict[str, Path]:
    """Trains, in ``folder``/NAME, each run that has not reached its end; returns the folders of all by name.

    ``wanted_runs``: NAME -> overrides of train.py. A run that was interrupted goes on. Raises InputError for
    overrides that train.py would not take, and for a folder that holds a run of other overrides, before
    anything is trained; and if a run fails, with the end of its output.
    """
    folder = folder.resolve()
    runs = {name: folder / name for name in wanted_runs}
    wanted = {name: command_of([*overrides, *QUIET]) for name, overrides in wanted_runs.items()}
    for name, command in wanted.items():
        require_same(runs[name], command)
    missing = [
        name for name, run in runs.items() if not (checkpoint.saved_steps(run) and is_finished(run, wanted[name]))
    ]

    def train(name: str) -> None:
        how = [f"run={runs[name]}", "resume=auto", *QUIET, *wanted_runs[name]]
        execute(f"training {name}", ["train.py", *how])

    in_parallel(train, missing, jobs)
    return runs


def probe_all(runs: Sequence[Path], jobs: int = 2, tasks: Sequence[str] | None = None) -> list[dict]:
    """heads.json of each run; probe.py writes it first where it is missing, older than the checkpoint, or of another
    seed, checkpoint or choice of ``tasks`` of stories (None: those that probe.py chooses).

    Each run is probed on stories drawn with its own seed.
    """
    asked = [] if tasks is None else [f"tasks=[{','.join(tasks)}]"]

    def probe(run: Path) -> None:
        execute(f"probing {run.name}", ["probe.py", f"run={run}", f"seed={seed_of(run)}", *asked])

    in_parallel(probe, [run for run in runs if not is_probed(run, tasks)], jobs)
    return [json.loads((run / HEADS).read_bytes()) for run in runs]


def command_of(overrides: Sequence[str]) -> TrainCommand:
    """What train.py makes of these overrides; raises InputError as it would."""
    return cli.read("train", TrainCommand, list(overrides))


def remembered(command: TrainCommand) -> dict:
    """The settings that make a run, and its numbers, what they are."""
    left_out = set(CHANGEABLE) - set(DECIDING)
    return {key: value for key, value in yaml.safe_load(cli.to_yaml(command)).items() if key not in left_out}


def differences(there: Mapping, wanted: Mapping, prefix: str = "") -> Iterator[str]:
    """ "max_steps=100 instead of 200" for each setting that differs."""
    for key in sorted(there.keys() | wanted.keys()):
        one, other = there.get(key), wanted.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from differences(one, other, f"{prefix}{key}.")
        elif one != other:
            yield f"{prefix}{key}={one} instead of {other}"


def require_same(run: Path, command: TrainCommand) -> None:
    """Raises InputError where ``run`` was trained with other settings than ``command``."""
    if not is_run(run):
        return
    config = read_config(run)
    if config.get("data") is None:
        raise InputError(f"{run} has no corpus and was not trained; delete it, or give another folder")
    stored = cli.typed(TrainCommand, config)
    if differing := list(differences(remembered(stored), remembered(command))):
        raise InputError(f"{run} was trained with {', '.join(differing)}; delete it, or give another folder")


def seed_of(run: Path) -> int:
    return read_config(run).get("seed", 0)  # of weights alone there is none


def is_probed(run: Path, tasks: Sequence[str] | None) -> bool:
    """Whether heads.json is there, no older than the checkpoint that it is about, and of what is asked for."""
    heads = run / HEADS
    if not heads.exists() or heads.stat().st_mtime < (checkpoint.find(run, "best") / "state.json").stat().st_mtime:
        return False
    there = json.loads(heads.read_bytes())["model"]
    asked = {"cases": None, "tasks": None if tasks is None else list(tasks), "n_cases": ProbeCommand.n_cases}
    return [there.get(key) for key in ("seed", "checkpoint", "asked")] == [seed_of(run), "best", asked]


def read_heads(run: str) -> dict:
    """heads.json of a run; raises InputError where it has no heads, and where the file is missing, damaged or too old
    to have stability.
    """
    if not Path(run).is_dir():
        raise no_such_run(Path(run))
    path = Path(run) / HEADS
    if not path.exists():
        if is_run(Path(run)):
            shape_of(Path(run))  # probe.py, too, refuses one without heads
        raise InputError(f"{path} is missing: python probe.py run={run}")
    try:
        heads = json.loads(path.read_bytes())
        tasks = heads["tasks"]
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(f"{path} is damaged: python probe.py run={run} overwrites it") from None
    if not tasks:
        raise InputError(f"{path} has no task: python probe.py run={run}, with cases of its text")
    if any("stability" not in task for task in tasks.values()):
        raise InputError(f"{path} is of an earlier version, without stability: python probe.py run={run}")
    return heads


def best_baseline(task: Mapping) -> tuple[str, float]:
    """The name and the choice accuracy of a task's best baseline, in heads.json."""
    return max(task["baselines"].items(), key=lambda item: item[1])


def best_row(run: Path) -> Row:
    """The evaluation of a run with the lowest validation loss; raises InputError where none has a finite one."""
    best = best_evaluation(read_rows(run / METRICS))
    if best is None:
        raise InputError(f"{run}: was not evaluated while it was trained, or its loss was never finite")
    return best


def best_loss(run: Path) -> float:
    """The lowest validation loss of a run, in nats; raises InputError where it has none."""
    return best_row(run)["val_loss"]


def execute(what: str, command: Sequence[str]) -> None:
    """Runs one of the scripts with one thread; raises InputError with the end of its output where it fails."""
    print(f"{what} ...", file=sys.stderr, flush=True)
    started = time.perf_counter()
    script, *arguments = command
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        env=os.environ | ONE_THREAD,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        reason = " ".join(done.stdout[-TAIL:].split()) or f"status {done.returncode}"
        raise InputError(f"{what} failed (python {shlex.join(command)}): {reason}")
    print(f"{what}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def in_parallel(work: Callable, items: Sequence, jobs: int) -> None:
    """``work`` on every item, ``jobs`` at the same time; after an error or Ctrl-C those that wait are not begun."""
    ended = Event()

    def unless_ended(item: object) -> None:
        try:
            if not ended.is_set():
                work(item)
        except BaseException:
            ended.set()
            raise

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for task in [pool.submit(unless_ended, item) for item in items]:
                task.result()
        finally:
            ended.set()
