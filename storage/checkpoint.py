"""Checkpoints that are either whole or not there.

A checkpoint is a folder ``checkpoints/step_000500`` with the model, the optimizer and the rest of a run's state. It
is written under another name, flushed to the disk and renamed, so a crash at any moment leaves the earlier ones as
they were; of a step that is saved again, each file is replaced in one move. Nothing is ever unpickled.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from common.atomic import discard, move, new_folder, write_durably
from common.errors import InputError
from common.folders import CHECKPOINTS

FORMAT = 2
KEEP_LATEST = 2
MOST = KEEP_LATEST + 2  # at the same time: with the best, and the one that is being written
STATE = "state.json"
MODEL = "model.safetensors"
FILES = MODEL, "optimizer.safetensors"


class DamagedError(InputError):
    """A checkpoint that is not what was saved."""


def folder_of(run: Path, step: int) -> Path:
    return run / CHECKPOINTS / f"step_{step:06d}"


def names_in(folder: Path) -> list[str]:
    """The names in ``folder``, none where there is no such folder; raises OSError for one that may not be read, which
    Path.glob takes for an empty one.
    """
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def saved_steps(run: Path) -> list[int]:
    """The steps that have a checkpoint, in order."""
    names = names_in(run / CHECKPOINTS)
    return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"step_(\d+)", name)))


def digest(state: dict) -> str:
    """The sha256 of everything in a state but its own check."""
    content = {key: value for key, value in state.items() if key != "check"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def save(run: Path, model: dict[str, Tensor], optimizer: dict[str, Tensor], state: dict) -> Path:
    """Writes the checkpoint of ``state["step"]`` and forgets those that are neither recent nor the best so far.

    One of this step that is there already has the same tensors, so that it is whole while its files are replaced.
    """
    folder = folder_of(run, state["step"])
    with new_folder(folder, alone=True) as building:
        write_files(building, model, optimizer, state)
        if folder.exists():
            for name in (*FILES, STATE):
                move(building / name, folder / name)
        else:
            move(building, folder)
    for step in saved_steps(run)[:-KEEP_LATEST]:
        if step != state.get("best_step"):
            discard(folder_of(run, step), folder)
    return folder


def write_files(building: Path, model: dict[str, Tensor], optimizer: dict[str, Tensor], state: dict) -> None:
    hashes = {}
    for name, tensors in zip(FILES, (model, optimizer), strict=True):
        data = safetensors.torch.save({key: tensor.contiguous() for key, tensor in tensors.items()})
        hashes[name] = hashlib.sha256(data).hexdigest()
        write_durably(building / name, data)
    state = {"format": FORMAT, **state, "sha256": hashes}
    write_durably(building / STATE, json.dumps({**state, "check": digest(state)}, indent=1).encode())


def read_state(folder: Path) -> dict:
    try:
        state = json.loads((folder / STATE).read_bytes())
        whole = digest(state) == state.pop("check")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{folder} is damaged: {STATE} cannot be read ({error})") from None
    if not whole:
        raise DamagedError(f"{folder} is damaged: {STATE} is not what was saved")
    if state["format"] != FORMAT:
        raise InputError(f"{folder} has format {state['format']}; this version of the project reads {FORMAT}")
    return state


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first of these that holds NaN or infinity, as float32; None where all numbers are finite."""
    return next((name for name, tensor in tensors.items() if not tensor.float().isfinite().all()), None)


def read_tensors(folder: Path, name: str, state: dict) -> dict[str, Tensor]:
    """One file of a checkpoint, after checking its hash, and that weights are finite."""
    path = folder / name
    if not path.is_file():
        raise DamagedError(f"{folder} is damaged: {name} is missing")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != state["sha256"][name]:
        raise DamagedError(f"{folder} is damaged: {name} is not what was saved ({len(data)} bytes, other sha256)")
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise DamagedError(f"{folder} is damaged: {name} cannot be read ({error})") from None
    if name == MODEL and (tensor := not_finite(tensors)):
        raise DamagedError(f"{folder} is damaged: {tensor} is not finite (NaN or infinity)")
    return tensors


def has_best(run: Path) -> bool:
    """Whether the checkpoint with the lowest validation loss is there; raises InputError as ``load`` does."""
    return latest_state(run)["best_step"] in saved_steps(run)


def find(run: Path, which: str) -> Path:
    """The folder of the checkpoint ``which``: "latest", "best" (lowest validation loss) or a step."""
    steps = saved_steps(run)
    if not steps:
        raise InputError(
            f"run={run}: it has no checkpoint yet; the command that began it, with resume=auto and without "
            "overwrite=true, begins again"
        )
    if which == "latest":
        return folder_of(run, steps[-1])
    if which == "best":
        best = latest_state(run)["best_step"]
        if best not in steps:
            raise InputError(f"run={run}: its best checkpoint (step {best}) is gone; give checkpoint=latest")
        return folder_of(run, best)
    if which.isdecimal() and int(which) in steps:
        return folder_of(run, int(which))
    raise InputError(f"checkpoint={which}: {run} has latest, best and the steps {', '.join(map(str, steps))}")


def latest_state(run: Path) -> dict:
    """The state of the latest checkpoint, without its tensors; raises InputError as ``load`` does."""
    return load(run, "latest", names=())[0]


def load(run: Path, which: str, names: tuple[str, ...] = FILES) -> tuple[dict, list[dict[str, Tensor]]]:
    """State and tensors of one checkpoint. A damaged one raises InputError that also names the newest good one."""
    folder = find(run, which)
    try:
        return load_folder(folder, names)
    except DamagedError as error:
        if not folder.exists():  # training goes on, and has discarded it meanwhile
            return load(run, which, names)
        good = newest_good(run, names or FILES)
        remedy = f"the newest good one is {good}: delete the damaged folder to go on from there"
        raise InputError(f"{error}; {remedy if good else 'no other is left'}") from None


def load_folder(folder: Path, names: tuple[str, ...]) -> tuple[dict, list[dict[str, Tensor]]]:
    state = read_state(folder)
    return state, [read_tensors(folder, name, state) for name in names]


def newest_good(run: Path, names: tuple[str, ...]) -> Path | None:
    for step in reversed(saved_steps(run)):
        try:
            load_folder(folder_of(run, step), names)
        except DamagedError:
            continue
        return folder_of(run, step)
    return None
