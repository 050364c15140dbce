"""A run is a folder: configuration, tokenizer, metrics and checkpoints, all that sampling and probing need."""

import itertools
import shutil
from datetime import datetime
from pathlib import Path

import torch

from data import InputError, Tokenizer
from model import GPT, GPTConfig
from training import checkpoint

CONFIG = "config.yaml"


def is_run(folder: Path) -> bool:
    return (folder / CONFIG).is_file()


def check_free(folder: Path, overwrite: bool) -> None:
    """Raises InputError where ``folder`` holds something that a new run would destroy without being told to."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not is_run(folder):
        raise InputError(f"run={folder}: exists and is not a run; give another name")
    if not overwrite:
        raise InputError(f"run={folder}: exists; resume=true continues it, overwrite=true replaces it")


def create(folder: Path, overwrite: bool, config: str, tokenizer: Tokenizer) -> None:
    """Makes a run's folder; with ``overwrite``, in the place of an earlier run."""
    check_free(folder, overwrite)
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_json())
    (folder / CONFIG).write_text(config)


def require_run(folder: Path) -> None:
    if not is_run(folder):
        parent = folder.parent
        others = sorted(path.name for path in parent.iterdir() if is_run(path)) if parent.is_dir() else []
        there = f"; {parent} has {', '.join(others[-5:])}" if others else ""
        raise InputError(f"run={folder}: there is no such run{there}")


def load_model(folder: Path, which: str, device: torch.device) -> tuple[GPT, Tokenizer, dict]:
    """The model of one checkpoint ("latest", "best" or a step), ready to evaluate; its tokenizer; its state."""
    require_run(folder)
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    state, (tensors,) = checkpoint.load(folder, which, names=("model.safetensors",))
    model = GPT(GPTConfig(**state["model"]))
    set_parameters(model, tensors)
    return model.to(device).eval(), tokenizer, state


def get_parameters(model: GPT) -> dict[str, torch.Tensor]:
    """Parameters by name; a tied head is the embedding and appears once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@torch.no_grad()
def set_parameters(model: GPT, tensors: dict[str, torch.Tensor]) -> None:
    own = dict(model.named_parameters())
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise InputError("the checkpoint's weights do not have the shapes that its configuration says")
    for name, parameter in own.items():
        parameter.copy_(tensors[name])


def new_run(corpus: str) -> Path:
    """A folder name that no other process has or will take: ``runs/CORPUS-DATE-TIME``, made empty at once."""
    stem = f"{corpus}-{datetime.now():%Y%m%d-%H%M%S}"
    for name in itertools.chain((stem,), (f"{stem}-{i}" for i in itertools.count(2))):
        try:
            (Path("runs") / name).mkdir(parents=True)
        except FileExistsError:
            continue
        break
    return Path("runs") / name
