"""A run is a folder: configuration, tokenizer, metrics and checkpoints, all that sampling and probing need."""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import yaml

from common import atomic
from common.atomic import (
    Held,
    is_free,
    lock_of,
    locked,
    new_folder,
    parents_made,
    replace_durably,
    replace_folder,
    replacing,
    require_outside,
    waiting_path,
    write_durably,
)
from common.errors import InputError
from common.folders import CHECKPOINTS, CONFIG, RUN, TOKENIZER
from data import Tokenizer
from storage import checkpoint
from storage.metrics import evaluations_of, read_rows
from storage.renamed import as_of_today

METRICS = "metrics.jsonl"
PAGE, LIVE_PAGE = "report.html", "live.html"
KIND = "run"
FILLED = CHECKPOINTS, "samples", "snapshots"  # folders that training fills
OWN = {*RUN, METRICS, "curves.png", PAGE, LIVE_PAGE, *FILLED, "probe", "wandb"}  # what a run may hold


def is_run(folder: Path) -> bool:
    return all((folder / name).exists() for name in RUN)


def is_left_over(folder: Path) -> bool:
    """Whether only what wandb's service has written stands there: it may do so after the start of a run was interrupted
    and the run deleted.
    """
    return folder.is_dir() and [path.name for path in folder.iterdir()] == ["wandb"]


def check_free(folder: Path, overwrite: bool, found_nothing: bool = False) -> None:
    """Raises InputError where ``folder`` holds something that a new run must not replace, or not without ``overwrite``;
    ``found_nothing``: resume=auto saw no checkpoint, so that a run which has one now is not replaced either.
    """
    require_outside(folder, "run", "run=runs/NAME")
    bring_back(folder)
    if folder.resolve().is_mount() and (overwrite or not is_run(folder)):  # nothing can be moved to its path
        raise InputError(f"run={folder}: is a mounted folder; give run={folder / 'NAME'}")
    if is_free(folder) or is_left_over(folder):
        return
    if not is_run(folder):
        raise InputError(f"run={folder}: exists and is not a run; give another name")
    if found_nothing and checkpoint.saved_steps(folder):
        raise InputError(f"run={folder}: has a checkpoint now, of another process; give the same command again")
    foreign = foreign_names(folder)
    if overwrite and foreign:
        raise InputError(f"run={folder}: holds {foreign[0]}, which no run makes; move it away or give another name")
    if not overwrite:
        goes_on = "resume=true continues it" if checkpoint.saved_steps(folder) else "resume=auto begins it again"
        replaces = f"give another name to keep {foreign[0]}" if foreign else "overwrite=true replaces it"
        raise InputError(f"run={folder}: exists; {goes_on}, {replaces}")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps other processes from training in ``folder`` meanwhile; raises InputError where one does.

    Makes the folders above it, which are gone again if the work inside fails.
    """
    whole = folder.resolve()
    with parents_made(folder), ExitStack() as until_the_end:
        whole.parent.mkdir(parents=True, exist_ok=True)
        # Above a folder that is mounted into a container, nothing can be written, or it is the container's own.
        beside = os.access(whole.parent, os.W_OK) and not whole.is_mount()
        lock = lock_of(whole) if beside else whole / ".lock"
        try:
            until_the_end.enter_context(locked(lock, None))
        except Held as error:
            remedies = "".join(f"; {remedy}" for remedy in getattr(error, "__notes__", ()))
            raise InputError(
                f"run={folder}: is being trained by another process, which holds {lock}; wait until it has ended, or "
                f"give another name{remedies}"
            ) from None
        yield


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
    evaluated = [row["step"] for row in evaluations_of(rows) if row["step"] and row["val_loss"] is not None]
    if rows and rows[-1]["step"] > min([every, *evaluated[:1]]):  # the first evaluation is the best so far, and saved
        raise InputError(
            f"run={folder}: its checkpoints are gone, and {METRICS} goes on to step {rows[-1]['step']}; "
            "give another name, or overwrite=true instead of resume=auto to replace it"
        )
    return True


def bring_back(folder: Path) -> None:
    """Undoes a start that was killed: an earlier run that still waits is at ``folder`` again."""
    atomic.bring_back(folder, KIND, lambda run: bool(checkpoint.saved_steps(run)))


def bring_back_if_idle(folder: Path) -> None:
    """``bring_back``, unless another process trains in ``folder``."""
    if waiting_path(folder, KIND).exists():
        with suppress(InputError), held(folder):
            bring_back(folder)


def is_back_within(folder: Path, seconds: float) -> bool:
    """Waits until another process has brought back what ``bring_back`` would; False where it takes longer."""
    earlier, deadline = waiting_path(folder, KIND), time.monotonic() + seconds
    while earlier.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def begin(folder: Path, overwrite: bool, config: str, tokenizer: Tokenizer) -> Iterator[None]:
    """Makes a run's folder, then lets the caller start the run; should that fail, everything is as it was before.

    With ``overwrite`` an earlier run waits beside it and is deleted only once the new one has started. If this process
    is killed meanwhile, the next start brings the earlier run back.
    """
    with (
        built(folder, overwrite, config, tokenizer) as building,
        replacing(folder, building, KIND, overwrite or is_left_over(folder)),
    ):
        yield


def make(folder: Path, overwrite: bool, config: str, tokenizer: Tokenizer, fill: Callable[[Path], object]) -> None:
    """Makes a run's folder with what ``fill`` puts into it, whole or not at all; there is nothing to start."""
    with built(folder, overwrite, config, tokenizer) as building:
        fill(building)
        replace_folder(folder, building, KIND, overwrite or is_left_over(folder))


@contextmanager
def built(folder: Path, overwrite: bool, config: str, tokenizer: Tokenizer) -> Iterator[Path]:
    """What a run begins with, in a folder beside ``folder`` that is to be moved there: so ``folder`` is a whole run,
    whenever the process is killed. Raises InputError as ``check_free`` does.
    """
    check_free(folder, overwrite)
    with new_folder(folder) as building:
        (building / CHECKPOINTS).mkdir()
        write_durably(building / TOKENIZER, tokenizer.to_json().encode())
        write_durably(building / CONFIG, config.encode())
        if is_left_over(folder):
            shutil.copytree(folder / "wandb", building / "wandb")
        yield building


def read_config(folder: Path) -> dict:
    """What a run's config.yaml says, that of an earlier version by the names of today; raises InputError where it is
    damaged.
    """
    path = folder / CONFIG
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        config = "unreadable"
    if config is not None and not isinstance(config, dict):
        raise InputError(f"{path} is damaged: it holds no keys with values; put it right, or give another run")
    return as_of_today(config or {})


def renew(folder: Path, config: str, tokenizer: Tokenizer) -> None:
    """Replaces config.yaml of a run that goes on, in one step, and writes its tokenizer.json if that is gone."""
    if not (folder / TOKENIZER).exists():
        write_durably(folder / TOKENIZER, tokenizer.to_json().encode())
    replace_durably(folder / CONFIG, config.encode())


def new_run(corpus: str) -> Path:
    """A folder name that no other run has: ``runs/CORPUS-DATE-TIME-`` and four random digits."""
    return Path("runs") / f"{corpus}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
