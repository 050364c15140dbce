"""A run's config.yaml, written and read."""

import os
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from cli.composing import leaves, written
from cli.paths import STORED_PATHS, absolute, as_of_data, same_path
from common.errors import InputError
from common.folders import CONFIG
from common.output import print_note
from storage.not_a_run import no_such_run
from storage.run import read_config
from training.world import processes

# What only concerns one start.
NOT_REMEMBERED = ("run", "resume", "overwrite", "found_nothing", "init_changes", "weights_alone")


def stored_config(run: str, needed: Collection[str], key: str = "run") -> dict:
    """What config.yaml of ``run``, the value of ``key``, says; raises InputError where it lacks something of
    ``needed``.
    """
    path = Path(run) / CONFIG
    if not path.is_file():
        raise no_such_run(Path(run), key)
    stored = read_config(Path(run))
    require_keys(stored, needed, path)
    return stored


def require_keys(stored: Mapping, needed: Collection[str], path: Path) -> None:
    """Raises InputError where ``stored``, the content of ``path``, lacks something of ``needed``, or names no cache."""
    if missing := needed - stored.keys():
        raise InputError(f"{path} is damaged: it lacks {', '.join(sorted(missing))}")
    if "cache" in needed and not isinstance(stored["cache"], str):
        raise InputError(f"{path} is damaged: cache={written(stored['cache'])}: must be a folder; put it right")


def to_yaml(command: Any) -> str:
    """A command as the text of a run's ``config.yaml``, without what only concerned one start."""
    values = {key: value for key, value in asdict(command).items() if key not in NOT_REMEMBERED}
    del values["model"]["vocab_size"]
    for key, value in dict(leaves(values)).items():  # resumed from elsewhere
        if as_of_data(key) in STORED_PATHS and value:
            put(values, key, absolute(value))
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=float("inf"))


def put(values: dict, key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for group in groups:
        values = values[group]
    values[last] = value


def usable_cache(stored: str, default: str) -> str:
    """The cache that a run has, even if it was deleted; where the folder around it is gone, too, or nothing can be
    written there, as after a project has moved, ``default``, and a note says so.
    """
    if os.path.isdir(stored) or os.access(os.path.dirname(stored) or ".", os.W_OK) or same_path(stored, default):
        return stored
    if processes()[0] == 0:
        print_note(f"cache={stored} is gone; cache={default} is used instead")
    return absolute(default)
