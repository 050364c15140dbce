"""nanoGPT's own configurations against ours on tiny Shakespeare, in turns on the same cores.

    python -m benchmarks.race --nanogpt CLONE                               sooner at the same loss?
    python -m benchmarks.race --nanogpt CLONE --minutes 5 15 45 [--keep F]  a lower loss after the same minutes?

All train on the same first nine tenths of the characters and are judged by the loss over all of the last tenth, in
windows of their own block. The text is ASCII, so that a byte is a character and losses compare.

The first race is nanoGPT's README run on a CPU against ``experiment=race_cpu``. Seconds of training leave out imports,
preparing the data, evaluation and checkpoints on both sides; nanoGPT's steps in which it evaluates or compiles count as
its median step. Our seed is another in each repeat.

In the second race each side has so many minutes, its evaluations included and imports left out, and the best of its
checkpoints counts. nanoGPT has no budget in minutes: some trial iterations right before each run say how many fit, and
``max_iters``, ``lr_decay_iters`` and ``warmup_iters`` follow in the proportions of its file. Its CPU configuration is
evaluated ten times by 20 batches, its GPU one, whose batches take seconds here, once, at the end. Its seed is a
number in its train.py, which is replaced, in a copy. --ours: our settings; --keep: a file of results, which an
interrupted race goes on from. Results of another clone or of other settings are not taken from it.
"""

import argparse
import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

import cli
from benchmarks.measuring import ROOT, log, median_and_range, print_table
from cli.schema import TrainCommand
from common.errors import InputError
from common.one_line import run
from common.options import require_at_least
from data import Named, TokenizerConfig, prepare
from data.text.shards import Tokens
from storage.metrics import read_rows
from storage.run import METRICS
from storage.weights import load_model
from training.evaluation import validation_loss

OURS = ("data=shakespeare", "tokenizer=bytes", "model.block_size=128", "optimizer.average=ema")
TARGET = 1.88  # nats a character: nanoGPT's README has this number
GPU = ["config/train_shakespeare_char.py", "--device=cpu", "--log_interval=1"]
SMALLER = "--eval_iters=20 --block_size=64 --batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --dropout=0.0"
CPU = [*GPU, *SMALLER.split()]
# The README's command, except that the last weights are kept, not those with the lowest sampled loss.
README = [*CPU, "--max_iters=2000", "--lr_decay_iters=2000", "--always_save_checkpoint=True"]
README_EVAL_EVERY = 250
SEED = "torch.manual_seed(1337 + seed_offset)"  # in nanoGPT's train.py
# Runs inside the clone: the loss of its checkpoint over all of val.bin in windows of its block.
NANOGPT_LOSS = """
import numpy, torch, model
saved = torch.load("out-shakespeare-char/ckpt.pt", map_location="cpu", weights_only=False)
network = model.GPT(model.GPTConfig(**saved["model_args"]))
network.load_state_dict({key.removeprefix("_orig_mod."): value for key, value in saved["model"].items()})
network.eval()
ids = torch.from_numpy(numpy.fromfile("data/shakespeare_char/val.bin", dtype=numpy.uint16).astype(numpy.int64))
total, block = 0.0, network.config.block_size
with torch.inference_mode():
    for start in range(0, len(ids) - 1, block):
        x, y = ids[start : start + block][: len(ids) - 1 - start], ids[start + 1 : start + block + 1]
        total += network(x[None], y[None])[1].item() * len(y)
print(total / (len(ids) - 1), network.get_num_params(non_embedding=False))
"""


@dataclass(frozen=True)
class Result:
    """Seconds of ``training`` (evaluations included in the race over minutes) and of the whole process."""

    training: float
    process: float
    loss: float
    parameters: int
    steps: int


@dataclass(frozen=True)
class Configuration:
    """One of nanoGPT's: its arguments, its share of warm-up, how often it is evaluated, and how many iterations are
    timed first.
    """

    arguments: Sequence[str]
    warmup: float
    evaluations: int
    trials: int


NANOGPT = {
    "CPU": Configuration(CPU, 100 / 2000, 10, 100),
    "GPU": Configuration([*GPU, "--eval_iters=1", "--always_save_checkpoint=True"], 100 / 5000, 1, 4),
}


def timed(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """Seconds of a whole process and what it printed."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started, done.stdout


def iterate(clone: Path, arguments: Sequence[str], compiled: bool = False) -> tuple[float, list[float]]:
    """Seconds of nanoGPT's whole process, and of each of its iterations; the last one is in no checkpoint."""
    seconds, out = timed(["train.py", *arguments, f"--compile={compiled}"], clone)
    return seconds, [float(ms) / 1e3 for ms in re.findall(r"^iter \d+: .* time ([\d.]+)ms", out, re.MULTILINE)]


def nanogpt_result(clone: Path, training: float, process: float, steps: int) -> Result:
    loss, parameters = timed(["-c", NANOGPT_LOSS], clone)[1].split()[-2:]
    return Result(training, process, float(loss), int(parameters), steps)


def run_readme(clone: Path, compiled: bool) -> Result:
    process, steps = iterate(clone, README, compiled)
    steps = steps[:-1]
    plain = [step for i, step in enumerate(steps) if i % README_EVAL_EVERY]
    training = sum(plain) + (len(steps) - len(plain)) * median(plain)
    return nanogpt_result(clone, training, process, len(steps))


def run_for_minutes(clone: Path, configuration: Configuration, minutes: float, seed: int) -> Result:
    """As many iterations as fit into these minutes, after some trials of how long one takes here and now."""
    own = (clone / "train.py.own").read_text(encoding="utf-8")
    (clone / "train.py").write_text(own.replace(SEED, SEED.replace("1337", str(1337 + seed))), encoding="utf-8")
    trials = [f"--max_iters={configuration.trials}", f"--eval_interval={configuration.trials}"]
    _, steps = iterate(clone, [*configuration.arguments, *trials])
    step = median(steps[1:-1])
    evaluating = (configuration.evaluations + 1) * max(0.0, steps[0] - step)
    every = max(1, int((60 * minutes - evaluating) / step / configuration.evaluations))
    budget = every * configuration.evaluations
    schedule = {"max_iters": budget, "lr_decay_iters": budget, "warmup_iters": int(budget * configuration.warmup)}
    settings = [f"--{key}={value}" for key, value in (schedule | {"eval_interval": every}).items()]
    process, steps = iterate(clone, [*configuration.arguments, *settings])
    return nanogpt_result(clone, sum(steps) - median(steps), process, budget)


def run_lookback(folder: Path, text: bytes, settings: Sequence[str], seed: int, clock: str, which: str) -> Result:
    """``clock``: the column of seconds that counts; ``which``: the checkpoint that does."""
    process, _ = timed([str(ROOT / "train.py"), *settings, "run=run", "overwrite=true", f"seed={seed}"], folder)
    model, _, _ = load_model(folder / "run", which, torch.device("cpu"))
    last = Tokens([np.frombuffer(text, dtype=np.uint8)[int(len(text) * 0.9) :]])
    row = read_rows(folder / "run" / METRICS)[-1]
    if clock not in row:
        sys.exit("our first evaluation took all of the time; give more minutes, or a smaller model (--ours)")
    return Result(row[clock], process, validation_loss(model, last), model.n_parameters(), row["step"])


def set_up(nanogpt: Path, folder: Path) -> tuple[Path, Path, bytes]:
    """A copy of the clone and a folder for us, both with prepared data, and the text."""
    clone, own = folder / "nanogpt", folder / "lookback"
    shutil.copytree(nanogpt, clone, ignore=shutil.ignore_patterns(".git", "*.bin", "out*"))
    shutil.copy(clone / "train.py", clone / "train.py.own")
    if (clone / "train.py").read_text(encoding="utf-8").count(SEED) != 1:
        sys.exit(f"--nanogpt {nanogpt}: its train.py does not have {SEED} once; give an unchanged clone")
    own.mkdir()
    cache = ROOT / "cache"
    (source,), _ = Named("shakespeare").files(cache)
    shutil.copytree(source.parent, own / "cache" / source.parent.name)
    shutil.copy(source, clone / "data" / "shakespeare_char" / "input.txt")
    timed(["data/shakespeare_char/prepare.py"], clone)
    dataset, text = prepare(Named("shakespeare"), TokenizerConfig("bytes"), own / "cache"), source.read_bytes()
    require_the_same_characters(clone / "data" / "shakespeare_char", text, len(dataset.train))
    return clone, own, text


def require_the_same_characters(folder: Path, text: bytes, ours: int) -> None:
    """Both sides have the same text to train on and to be judged by, and a character is a byte."""
    assert text.isascii()
    characters = np.array(sorted(set(text)), dtype=np.uint8)
    last = np.fromfile(folder / "val.bin", dtype=np.uint16)
    assert characters[last].tobytes() == text[int(len(text) * 0.9) :]
    assert (folder / "train.bin").stat().st_size // 2 == ours - 1, "the same characters, and after ours an end token"


def settled(overrides: Sequence[str]) -> str:
    """What overrides come to, defaults and experiments included."""
    return cli.to_yaml(cli.read("train", TrainCommand, list(overrides)))


def digest(clone: Path) -> str:
    """What a clone is known by: the hash of its code."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(clone.rglob("*.py")))).hexdigest()


@dataclass(frozen=True)
class Side:
    """``run`` takes the repeat; ``what`` is raced: the digest of a clone, or all settings of ours."""

    run: Callable[[int], Result]
    what: str


def take_turns(sides: dict[str, Side], repeats: int, keep: Path | None, **about: float) -> dict:
    """The results of each side, which race in turns; those that the file ``keep`` has already are not run again."""
    lines = keep.read_text(encoding="utf-8").splitlines() if keep and keep.exists() else []
    known = {line.pop("key"): Result(**line) for line in map(json.loads, lines)}
    results = {name: [] for name in sides}
    for repeat in range(repeats):
        for name, side in sides.items():
            key = json.dumps([name, side.what, repeat, about])
            if key not in known:
                known[key] = side.run(repeat)
                if keep:
                    with open(keep, "a", encoding="utf-8") as file:
                        file.write(json.dumps({"key": key} | vars(known[key])) + "\n")
            results[name].append(known[key])
            log(**about, repeat=repeat, side=name, **vars(known[key]))
    return results


def race_to_loss(clone: Path, own: Path, text: bytes, options: argparse.Namespace) -> None:
    ours, theirs = ["experiment=race_cpu"], digest(options.nanogpt)
    sides = {
        "nanoGPT": Side(lambda _: run_readme(clone, False), theirs),
        "nanoGPT, compiled": Side(lambda _: run_readme(clone, True), theirs),
        "Lookback": Side(lambda seed: run_lookback(own, text, ours, seed, "train_seconds", "latest"), settled(ours)),
    }
    results = take_turns(sides, options.repeats, options.keep)
    print()
    digits = {"training": 1, "process": 1, "loss": 4}
    rows = (
        [name, f"{runs[0].parameters:,}"]
        + [median_and_range([getattr(run, key) for run in runs], n) for key, n in digits.items()]
        for name, runs in results.items()
    )
    print_table(("", "parameters", "training, s", "whole process, s", "validation loss"), rows)
    ours, theirs = results.pop("Lookback"), results.values()
    reached = max(run.loss for run in ours)
    print(f"\nLookback's worst loss {reached:.4f}: {'reaches' if reached <= TARGET else 'MISSES'} {TARGET}")
    best = {key: min(median(getattr(run, key) for run in runs) for runs in theirs) for key in ("training", "process")}
    ratio = {key: best[key] / median(getattr(run, key) for run in ours) for key in best}
    print(f"whole process: {ratio['process']:.2f} times sooner; training, nanoGPT's better median over ours:")
    print(f"ratio {ratio['training']:.2f}")
    if reached > TARGET:
        sys.exit(1)


def race_for_minutes(clone: Path, own: Path, text: bytes, options: argparse.Namespace) -> None:
    rows, theirs = [], digest(options.nanogpt)
    for minutes in options.minutes:
        ours = [*options.ours, "max_steps=null", "max_tokens=null", f"max_minutes={minutes}", "wandb.mode=disabled"]
        sides = {
            **{
                f"nanoGPT, {name} configuration": Side(partial(run_for_minutes, clone, NANOGPT[name], minutes), theirs)
                for name in options.configurations
            },
            "Lookback": Side(
                lambda seed, ours=ours: run_lookback(own, text, ours, seed, "seconds", "best"), settled(ours)
            ),
        }
        for name, runs in take_turns(sides, options.repeats, options.keep, minutes=minutes).items():
            steps = median_and_range([run.steps for run in runs], 0)
            spent = median_and_range([run.training / 60 for run in runs], 1)
            losses = median_and_range([run.loss for run in runs], 4)
            rows.append([minutes, name, f"{runs[0].parameters:,}", steps, spent, losses])
    print()
    print_table(("minutes", "", "parameters", "steps", "minutes spent", "validation loss"), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__.splitlines()[0])
    parser.add_argument("--nanogpt", type=Path, required=True, help="a clone of karpathy/nanoGPT")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, nargs="+", help="race for the lower loss after so many minutes")
    parser.add_argument("--configurations", nargs="+", choices=NANOGPT, default=[*NANOGPT], help="which of nanoGPT's")
    parser.add_argument("--ours", nargs="+", default=OURS, help="our settings in that race")
    parser.add_argument("--keep", type=Path, help="a file of results, which an interrupted race goes on from")
    options = parser.parse_args(arguments)
    require_at_least(options, {"repeats": 1})
    for minutes in options.minutes or ():
        if not 0 < minutes < math.inf:
            raise InputError(f"--minutes {minutes:g}: must be above 0 and finite")
    if not (options.nanogpt / "train.py").is_file():
        raise InputError(f"--nanogpt {options.nanogpt}: holds no train.py; give a clone of karpathy/nanoGPT")
    with tempfile.TemporaryDirectory() as folder:
        contest = race_for_minutes if options.minutes else race_to_loss
        contest(*set_up(options.nanogpt.resolve(), Path(folder)), options)


if __name__ == "__main__":
    run(main)
