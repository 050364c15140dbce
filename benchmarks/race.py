"""nanoGPT's README run on a CPU against ``experiment=race_cpu``: who is sooner at the same loss on tiny Shakespeare?

    python -m benchmarks.race --nanogpt PATH_TO_A_CLONE [--repeats 3]

Both train on the same first nine tenths of the characters, alternating on the same machine, and both are judged by the
loss over all of the last tenth in windows of 64. Seconds of training leave out imports, preparing the data, evaluation
and checkpoints on both sides; nanoGPT's steps in which it evaluates or compiles count as its median step. Our seed
is another in each repeat.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.measuring import ROOT, cell, log, print_table, require_at_least
from data import Named, TokenizerConfig, prepare
from data.text.shards import Tokens
from storage.metrics import read_rows
from storage.weights import load_model
from training.evaluation import validation_loss

TARGET = 1.88  # nats a character: nanoGPT's README has this number
# The README's command, except that the last weights are kept, not those with the lowest sampled loss.
NANOGPT = """config/train_shakespeare_char.py --device=cpu --eval_iters=20 --log_interval=1 --block_size=64
    --batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0
    --always_save_checkpoint=True""".split()
NANOGPT_EVAL_EVERY = 250
# Runs inside the clone: the loss of its checkpoint over all of val.bin in windows of 64.
NANOGPT_LOSS = """
import numpy, torch, model
saved = torch.load("out-shakespeare-char/ckpt.pt", map_location="cpu", weights_only=False)
network = model.GPT(model.GPTConfig(**saved["model_args"]))
network.load_state_dict({key.removeprefix("_orig_mod."): value for key, value in saved["model"].items()})
network.eval()
ids = torch.from_numpy(numpy.fromfile("data/shakespeare_char/val.bin", dtype=numpy.uint16).astype(numpy.int64))
total = 0.0
with torch.inference_mode():
    for start in range(0, len(ids) - 1, 64):
        x, y = ids[start : start + 64][: len(ids) - 1 - start], ids[start + 1 : start + 65]
        total += network(x[None], y[None])[1].item() * len(y)
print(total / (len(ids) - 1), network.get_num_params(non_embedding=False))
"""


@dataclass(frozen=True)
class Result:
    training: float
    process: float
    loss: float
    parameters: int


def timed(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """Seconds of a whole process and what it printed."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started, done.stdout


def run_nanogpt(clone: Path, compiled: bool) -> Result:
    seconds, out = timed(["train.py", *NANOGPT, f"--compile={compiled}"], clone)
    steps = [float(ms) / 1e3 for ms in re.findall(r"^iter \d+: .* time ([\d.]+)ms", out, re.MULTILINE)]
    steps = steps[:-1]  # the last one comes after the last checkpoint
    plain = [step for i, step in enumerate(steps) if i % NANOGPT_EVAL_EVERY]
    training = sum(plain) + (len(steps) - len(plain)) * median(plain)
    loss, parameters = timed(["-c", NANOGPT_LOSS], clone)[1].split()[-2:]
    return Result(training, seconds, float(loss), int(parameters))


def run_lookback(folder: Path, text: bytes, seed: int) -> Result:
    command = [str(ROOT / "train.py"), "experiment=race_cpu", "run=run", "overwrite=true", f"seed={seed}"]
    seconds, _ = timed(command, folder)
    model, _, _ = load_model(folder / "run", "latest", torch.device("cpu"))
    last = Tokens([np.frombuffer(text, dtype=np.uint8)[int(len(text) * 0.9) :]])
    training = read_rows(folder / "run" / "metrics.jsonl")[-1]["train_seconds"]
    return Result(training, seconds, validation_loss(model, last), model.n_parameters())


def set_up(nanogpt: Path, folder: Path) -> tuple[Path, Path, bytes]:
    """A copy of the clone and a folder for us, both with prepared data, and the text."""
    clone, own = folder / "nanogpt", folder / "lookback"
    shutil.copytree(nanogpt, clone, ignore=shutil.ignore_patterns(".git", "*.bin", "out*"))
    own.mkdir()
    cache = ROOT / "cache"
    (source,), _ = Named("shakespeare").files(cache)
    shutil.copytree(source.parent, own / "cache" / source.parent.name)
    shutil.copy(source, clone / "data" / "shakespeare_char" / "input.txt")
    timed(["data/shakespeare_char/prepare.py"], clone)
    dataset = prepare(Named("shakespeare"), TokenizerConfig("bytes"), own / "cache")
    theirs = (clone / "data" / "shakespeare_char" / "train.bin").stat().st_size // 2
    assert theirs == len(dataset.train) - 1, "the same characters, and after ours an end token"
    return clone, own, source.read_bytes()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__.splitlines()[0])
    parser.add_argument("--nanogpt", type=Path, required=True, help="a clone of karpathy/nanoGPT")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    require_at_least(options, {"repeats": 1})
    if not (options.nanogpt / "train.py").is_file():
        sys.exit(f"--nanogpt {options.nanogpt}: holds no train.py; give the path of a clone of karpathy/nanoGPT")
    results = {"nanoGPT": [], "nanoGPT, compiled": [], "Lookback": []}
    with tempfile.TemporaryDirectory() as folder:
        clone, own, text = set_up(options.nanogpt.resolve(), Path(folder))
        for repeat in range(options.repeats):
            for name, run in (
                ("nanoGPT", lambda: run_nanogpt(clone, False)),
                ("nanoGPT, compiled", lambda: run_nanogpt(clone, True)),
                ("Lookback", lambda seed=repeat: run_lookback(own, text, seed)),
            ):
                results[name].append(run())
                log(repeat=repeat, side=name, **vars(results[name][-1]))
    print()
    digits = {"training": 1, "process": 1, "loss": 4}
    rows = (
        [name, f"{runs[0].parameters:,}", *(cell([getattr(run, key) for run in runs], n) for key, n in digits.items())]
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


if __name__ == "__main__":
    main()
