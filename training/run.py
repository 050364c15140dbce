"""A run is a folder: configuration, tokenizer, metrics and checkpoints, all that sampling and probing need."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import torch

from data import InputError, Tokenizer
from data.disk import discard, place_beside, replace_durably, write_durably
from model import GPT, GPTConfig
from training import checkpoint

CONFIG = "config.yaml"
TOKENIZER = "tokenizer.json"
PAGE = "report.html"
OWN = {  # what a run may hold
    CONFIG,
    TOKENIZER,
    "metrics.jsonl",
    "curves.png",
    PAGE,
    "checkpoints",
    "samples",
    "snapshots",
    "probe",
    "wandb",
}


def is_run(folder: Path) -> bool:
    return all((folder / name).exists() for name in (CONFIG, TOKENIZER, "checkpoints"))


def check_free(folder: Path, overwrite: bool) -> None:
    """Raises InputError where ``folder`` holds something that a new run would destroy without being told to."""
    bring_back(folder)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not is_run(folder):
        raise InputError(f"run={folder}: exists and is not a run; give another name")
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in OWN and path.name[0] != ".")
    if overwrite and foreign:
        raise InputError(f"run={folder}: holds {foreign[0]}, which no run makes; move it away or give another name")
    if not overwrite:
        raise InputError(f"run={folder}: exists; resume=true continues it, overwrite=true replaces it")


def waiting_place(folder: Path) -> Path:
    """Where an earlier run waits until the one that replaces it has started."""
    folder = folder.resolve()
    return folder.with_name(f".{folder.name}.replaced")


def bring_back(folder: Path) -> None:
    """Undoes a start that did not get far: an earlier run that still waits takes its place again."""
    earlier, folder = waiting_place(folder), folder.resolve()
    if not earlier.exists():
        return
    if not checkpoint.saved_steps(folder):
        discard(folder, folder)
        earlier.rename(folder)
    else:
        discard(earlier, folder)


@contextmanager
def begin(folder: Path, overwrite: bool, config: str, tokenizer: Tokenizer) -> Iterator[None]:
    """Makes a run's folder, then lets the caller start the run; should that fail, everything is as it was before.

    With ``overwrite`` an earlier run waits beside it and is deleted only once the new one has started. If this process
    is killed meanwhile, the next start brings the earlier run back.
    """
    check_free(folder, overwrite)
    folder = folder.resolve()
    earlier = waiting_place(folder)
    building = place_beside(folder, "starting")
    try:  # a folder that exists is a whole run, whenever the process is killed
        (building / "checkpoints").mkdir()
        write_durably(building / TOKENIZER, tokenizer.to_json().encode())
        write_config(building, config)
        if folder.exists():
            folder.rename(earlier)
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        if not folder.exists():
            bring_back(folder)
        raise
    try:
        yield
    except BaseException:
        if earlier.exists():
            bring_back(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    discard(earlier, folder)


def write_config(folder: Path, config: str) -> None:
    """Replaces config.yaml in one step, so that it is whole at any moment."""
    replace_durably(folder / CONFIG, config.encode())


def require_run(folder: Path) -> None:
    if not is_run(folder):
        parent = folder.parent
        others = sorted(path.name for path in parent.iterdir() if is_run(path)) if parent.is_dir() else []
        there = f"; {parent} has {', '.join(others[-5:])}" if others else ""
        raise InputError(f"run={folder}: there is no such run{there}")


def load_model(folder: Path, which: str, device: torch.device, **changes: float) -> tuple[GPT, Tokenizer, dict]:
    """The model of one checkpoint ("latest", "best" or a step), ready to evaluate; its tokenizer; its state.

    ``changes``: what its configuration says otherwise, such as ``dropout=0.1``.
    """
    require_run(folder)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    state, (tensors,) = checkpoint.load(folder, which, names=("model.safetensors",))
    model = GPT(GPTConfig(**state["model"] | changes))
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
    """A folder name that no other run has: ``runs/CORPUS-DATE-TIME-`` and four random digits."""
    return Path("runs") / f"{corpus}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
