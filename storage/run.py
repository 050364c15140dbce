"""A run is a folder: configuration, tokenizer, metrics and checkpoints, all that sampling and probing need."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from shlex import quote

import torch
import yaml

from common.atomic import discard, place_beside, replace_durably, write_durably
from common.errors import InputError
from data import Tokenizer
from data.text.finding import RUN
from model import GPT, GPTConfig
from storage import checkpoint
from storage.metrics import read_rows

CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
TOKENIZER = "tokenizer.json"
PAGE = "report.html"
NANOGPT = (".pt", ".pth", ".ckpt")
PICKLED = (*NANOGPT, ".bin")
OWN = {  # what a run may hold
    CONFIG,
    TOKENIZER,
    METRICS,
    "curves.png",
    PAGE,
    "checkpoints",
    "samples",
    "snapshots",
    "probe",
    "wandb",
}


def is_run(folder: Path) -> bool:
    return all((folder / name).exists() for name in RUN)


def check_free(folder: Path, overwrite: bool) -> None:
    """Raises InputError where ``folder`` holds something that a new run would destroy without being told to."""
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InputError(f"run={folder}: holds the folder that this was started in; give a name, as in run=runs/NAME")
    bring_back(folder)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not is_run(folder):
        raise InputError(f"run={folder}: exists and is not a run; give another name")
    foreign = foreign_names(folder)
    if overwrite and foreign:
        raise InputError(f"run={folder}: holds {foreign[0]}, which no run makes; move it away or give another name")
    if not overwrite:
        goes_on = "resume=true continues it" if checkpoint.saved_steps(folder) else "resume=auto begins it again"
        replaces = f"give another name to keep {foreign[0]}" if foreign else "overwrite=true replaces it"
        raise InputError(f"run={folder}: exists; {goes_on}, {replaces}")


def foreign_names(folder: Path) -> list[str]:
    """What no run makes of what is in ``folder``."""
    return sorted(path.name for path in folder.iterdir() if path.name not in OWN and path.name[0] != ".")


def begins_anew(folder: Path) -> bool:
    """Whether ``folder`` is a run that came to no checkpoint, whose little a new start may replace.

    Raises InputError where checkpoints were made, as its record says, and are gone, or config.yaml is damaged.
    """
    if not is_run(folder):
        return False
    rows = read_rows(folder / METRICS)
    every = read_config(folder).get("checkpoint_every", 0)
    if not isinstance(every, int):
        raise InputError(f"{folder / CONFIG} is damaged: checkpoint_every={every}")
    if rows and rows[-1]["step"] > every:
        raise InputError(
            f"run={folder}: its checkpoints are gone, and {METRICS} goes on to step {rows[-1]['step']}; "
            "give another name, or overwrite=true instead of resume=auto to replace it"
        )
    return True


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


def read_config(folder: Path) -> dict:
    """What a run's config.yaml says; raises InputError where it is damaged."""
    path = folder / CONFIG
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        config = "unreadable"
    if config is not None and not isinstance(config, dict):
        raise InputError(f"{path} is damaged: it holds no keys with values; put it right, or give another run")
    return config or {}


def write_config(folder: Path, config: str) -> None:
    """Replaces config.yaml in one step, so that it is whole at any moment."""
    replace_durably(folder / CONFIG, config.encode())


def require_run(folder: Path) -> None:
    if not is_run(folder):
        raise InputError(f"run={folder}: there is no such run{runs_beside(folder)}")


def runs_beside(folder: Path) -> str:
    parent = folder.parent
    others = sorted(path.name for path in parent.iterdir() if is_run(path)) if parent.is_dir() else []
    return f"; {parent} has {', '.join(others[-5:])}" if others else ""


def explain_foreign(path: Path) -> str:
    """``path`` is not a run. Says what it is instead, and what to write to begin with its weights."""
    if not path.exists():
        hub = f"; a model of the Hugging Face Hub is written init_from=hf:{path}" if len(path.parts) <= 2 else ""
        return f"there is no such run{hub}{runs_beside(path)}"
    for folder in (path, *path.parents):
        if is_run(folder):
            return f"is a part of a run; write {quote(f'init_from={folder}')}, which takes its best checkpoint"
    folder = path if path.is_dir() else path.parent
    if path.suffix not in NANOGPT and (folder / "config.json").is_file():
        return f"is a model of transformers; write {quote(f'init_from=hf:{folder}')}"
    if path.suffix in PICKLED or (path.is_dir() and any(file.suffix in PICKLED for file in path.iterdir())):
        return (
            "is a pickled checkpoint, as of nanoGPT, and nothing is unpickled here; write it with save_pretrained of "
            "transformers, and then init_from=hf:FOLDER"
        )
    return f"is no run{runs_beside(path)}"


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


def fit_block(model: GPT, block_size: int) -> GPT:
    """The same network for blocks of another length. Learned positions beyond it are left out, and there are none for
    longer blocks: raises InputError. Rotary ones go on for ever.
    """
    config = model.config
    if block_size == config.block_size:
        return model
    tensors = get_parameters(model)
    if config.position == "learned":
        if block_size > config.block_size:
            raise InputError(
                f"model.block_size={block_size}: init_from brings {config.block_size} learned positions; "
                f"give at most that"
            )
        tensors["position.weight"] = tensors["position.weight"][:block_size]
    fitted = GPT(replace(config, block_size=block_size))
    set_parameters(fitted, tensors)
    return fitted.to(model.embed.weight.device)


def new_run(corpus: str) -> Path:
    """A folder name that no other run has: ``runs/CORPUS-DATE-TIME-`` and four random digits."""
    return Path("runs") / f"{corpus}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
