"""What a training step costs and where it goes, for any configuration and device, on random tokens.

    python -m benchmarks.step model=small tokenizer=gpt2 tokens_per_step=16384 [any other key of train.py]

With data.document_mask=true, what the mask costs; documents are as long, on average, as the vocabulary is large.

Tokens a second are of steps as they are; the shares are of a second round, which waits for the device after each part.
Logging is the record in metrics.jsonl; the screen and wandb are not in it.
"""

import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import cli
from benchmarks.measuring import print_table, synchronized
from cli.schema import TrainCommand
from common.one_line import run
from data import Dataset
from data.text.pieces import Counts
from data.text.shards import Tokens
from data.text.tokenizers import IdTokenizer
from model import GPT
from storage.metrics import Metrics
from storage.run import METRICS
from training import Trainer, muon, pick_device
from training.world import ALONE, World

WARM_UP, SECONDS, LEAST_STEPS = 3, 10.0, 5
UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of the most memory that a process had, in a MiB
HELP = {"-h", "--help"}
VOCABULARY = {"bytes": 257, "gpt2": 50_257}


def random_dataset(vocab_size: int, block_size: int, sequences: int) -> Dataset:
    n = max(1_000_000, 4 * block_size * sequences)
    ids = np.random.default_rng(0).integers(vocab_size, size=n, dtype=np.uint32)
    tokenizer = IdTokenizer(vocab_size, end=str(vocab_size - 1))
    return Dataset("random", Path(), tokenizer, Tokens([ids]), Tokens([ids[:1_000]]), 1_000, Counts())


class Parts:
    """Seconds spent in wrapped functions, each without the wrapped ones inside it."""

    def __init__(self, device: torch.device) -> None:
        self.now, self.on = partial(synchronized, device), False
        self.seconds, self.inner = defaultdict(float), [0.0]

    def wrap(self, owner: object, name: str, part: str) -> None:
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            if not self.on:
                return function(*args, **kwargs)
            started = self.now()
            self.inner.append(0.0)
            result = function(*args, **kwargs)
            took = self.now() - started
            self.seconds[part] += took - self.inner.pop()
            self.inner[-1] += took
            return result

        setattr(owner, name, timed)


def make_trainer(command: TrainCommand, run: Path, world: World = ALONE) -> Trainer:
    vocab_size = VOCABULARY.get(command.tokenizer.kind, command.tokenizer.vocab_size)
    model = GPT(replace(command.model, vocab_size=vocab_size), seed=0).to(pick_device(command.device))
    dataset = random_dataset(vocab_size, model.config.block_size, command.tokens_per_step // model.config.block_size)
    (run / "checkpoints").mkdir()
    return Trainer(command, model, dataset, run, world=world, reading=command.data)


def steps_of(trainer: Trainer, log: Callable[[dict], None], now: Callable[[], float]) -> tuple[float, int]:
    """Seconds for some steps, about SECONDS, logging included, and how many; waits for the device at the end only."""
    started, steps = now(), 0
    while time.perf_counter() < started + SECONDS or steps < LEAST_STEPS:
        row = trainer.train_step()
        if trainer.step % trainer.config.log_every == 0:
            log(row)
        steps += 1
    return now() - started, steps


def main(arguments: Sequence[str]) -> None:
    if HELP & {*arguments}:
        print(__doc__)
        return
    command = cli.read("train", TrainCommand, list(arguments))
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(command, Path(folder))
        parts = Parts(trainer.device)
        metrics = Metrics(Path(folder) / METRICS)

        def log(row: dict) -> None:
            metrics.log({key: value.item() if torch.is_tensor(value) else value for key, value in row.items()})

        for owner, name, part in (
            (trainer.loader, "next", "data"),
            (trainer.loader, "fetch", "data"),
            (trainer, "loss", "forward and loss"),
            (torch.Tensor, "backward", "backward"),
            (muon, "orthogonalize", "Newton-Schulz"),
            (trainer.optimizers, "step", "rest of the optimizers"),
        ):
            parts.wrap(owner, name, part)
        logger = SimpleNamespace(log=log)
        parts.wrap(logger, "log", "logging")
        for _ in range(WARM_UP):
            trainer.train_step()
        plain = steps_of(trainer, logger.log, parts.now)
        parts.on = True
        watched = steps_of(trainer, logger.log, parts.now)
        metrics.close()
    report(trainer, plain, watched, parts)


def report(trainer: Trainer, plain: tuple[float, int], watched: tuple[float, int], parts: Parts) -> None:
    seconds, steps = plain
    rate = trainer.sequences * trainer.model.config.block_size * steps / seconds
    print(f"{trainer.model.n_parameters():,} parameters on {trainer.device}; {trainer.describe()}")
    print(f"step {seconds / steps * 1e3:.1f} ms (mean of {steps}); {rate:,.0f} tokens/s", end="; ")
    flops = rate * trainer.model.flops_per_token()
    print(f"{flops / 1e12:.2f} TFLOP/s", end="; ")
    print(f"MFU {flops / trainer.peak_flops:.1%}" if trainer.peak_flops else "MFU unknown: no peak for this device")
    if trainer.device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated(trainer.device) / 2**20:,.0f} MiB of the device")
    else:
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT:,.0f} MiB, all of the process")
    total, steps = watched
    shares = dict(parts.seconds) | {"rest: norm, checks, Python": total - sum(parts.seconds.values())}
    rows = ([part, f"{seconds / steps * 1e3:.2f}", f"{seconds / total:.1%}"] for part, seconds in shares.items())
    print()
    print_table(("part", "ms a step", "share"), rows)


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
