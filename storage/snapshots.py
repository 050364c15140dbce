"""Weights at log-spaced steps, kept so that one can see later when each head began to do what it does.

A snapshot is one file, ``snapshots/step_000512.safetensors``, for looking only: a run goes on from its checkpoints.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from common.atomic import replace_durably
from common.errors import InputError
from model import GPT, GPTConfig
from storage.checkpoint import names_in, not_finite
from storage.weights import network_of

FOLDER = "snapshots"


def is_due(step: int, per_doubling: int) -> bool:
    """Whether ``step`` is one of 0, 1, and then ``per_doubling`` steps up to each power of two, rounded; 0: none is."""
    if not per_doubling:
        return False
    if step < 2:
        return True
    nearest = round(math.log2(step) * per_doubling)
    return any(round(2 ** (i / per_doubling)) == step for i in (nearest - 1, nearest, nearest + 1))


def save(run: Path, config: GPTConfig, parameters: dict[str, torch.Tensor], step: int, tokens: int) -> None:
    """Writes a snapshot: whole, or not at all."""
    path = run / FOLDER / f"step_{step:06d}.safetensors"
    path.parent.mkdir(exist_ok=True)
    described = json.dumps({"step": step, "tokens": tokens, "model": asdict(config)}, sort_keys=True)
    tensors = {name: tensor.contiguous() for name, tensor in parameters.items()}
    replace_durably(path, safetensors.torch.save(tensors, metadata={"snapshot": described}))


def saved(run: Path) -> list[Path]:
    """The snapshots of a run, the earliest first."""
    names = names_in(run / FOLDER)
    steps = {name: int(match[1]) for name in names if (match := re.fullmatch(r"step_(\d+)\.safetensors", name))}
    return [run / FOLDER / name for name in sorted(steps, key=steps.__getitem__)]


def forget_after(run: Path, step: int) -> None:
    """Deletes the snapshots after ``step``: a run that goes on from a checkpoint makes them again."""
    for path in saved(run):
        if int(path.stem.removeprefix("step_")) > step:
            path.unlink()


def load_all(run: Path, device: torch.device) -> Iterator[tuple[dict, GPT]]:
    """Each snapshot as ({"step", "tokens"}, model ready to evaluate); raises InputError for one that is damaged."""
    for path in saved(run):
        try:
            with safe_open(path, framework="pt") as file:
                described = json.loads(file.metadata()["snapshot"])
            config = GPTConfig(**described.pop("model"))
            tensors = safetensors.torch.load(path.read_bytes())
            if name := not_finite(tensors):
                raise ValueError(f"{name} is not finite")
            model = network_of(config, tensors, device)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); delete it to leave it out") from None
        yield described, model.eval()
