"""A command that resumes a run: the run's own settings, with the changes that leave it what it is."""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cli.composing import MISSING, leaves, single_keys, written
from cli.originals import initialized
from cli.paths import STORED_PATHS, absolute, as_of_data, decode_text, expand_home, same_path
from cli.stored import NOT_REMEMBERED, put, require_keys, stored_config, usable_cache
from common.errors import InputError
from common.folders import CONFIG
from storage import checkpoint
from storage.run import begins_anew, bring_back_if_idle, is_back_within
from training.world import LOST_PROCESS, TIMEOUT, ProcessLostError, processes

BUDGETS = ("max_steps", "max_tokens", "max_minutes")
OBSERVING = ("snapshots", "probe_every")  # leave the run what it is; runs of earlier versions lack them
CHANGEABLE = (
    *BUDGETS,
    "patience",
    "micro_batch",
    "eval_every",
    "checkpoint_every",
    "log_every",
    *OBSERVING,
    "device",
    "precision",
    "compile",
    "wandb",
    "cache",
    "data.path",  # the hash of all tokens proves that it is the same text
    "data.val_path",
)
MIX = "mix"  # runs of earlier versions lack it, too


def corpus_of_run(settings: list[str]) -> list[str]:
    """DATA=NAME of the run that these settings resume, where they leave it to the run: its keys are then known."""
    given = {key.lstrip("+"): value for key, _, value in (setting.partition("=") for setting in settings)}
    encoded = re.fullmatch(r"\$\{text:(p.+)\}", given.get("run", ""))
    resumes = given.get("resume", "").lower() in ("true", "auto")  # Hydra reads True as true, too
    if not resumes or not encoded or {"data", "experiment"} & given.keys():
        return []
    run = Path(expand_home("run", decode_text(encoded[1])))
    if not checkpoint.saved_steps(run):
        return []
    data = stored_config(str(run), {"data"})["data"]
    return [f"data={data['name']}"] if isinstance(data, dict) and "name" in data else []


def resolve_resume(resume: object, run: str | None, overwrite: bool) -> dict:
    """What ``resume`` and ``overwrite`` come to. auto resumes where there is a checkpoint, also that of an earlier run
    which a killed start has moved away. Otherwise it begins, and replaces a run without one.
    """
    if resume != "auto":
        if not isinstance(resume, bool):
            raise InputError(f"resume={resume}: must be true, false or auto")
        return {"resume": resume, "overwrite": overwrite}
    if not run:
        raise InputError("resume=auto: say which run, with run=runs/NAME")
    if overwrite:
        raise InputError("resume=auto and overwrite=true contradict each other; give one of them")
    bring_back_or_wait(Path(run))
    if checkpoint.saved_steps(Path(run)):
        return {"resume": True, "overwrite": False}
    return {"resume": False, "overwrite": begins_anew(Path(run)), "found_nothing": True}


def bring_back_or_wait(run: Path) -> None:
    """An earlier run that was moved away is at ``run`` again: the first process moves it, the others wait until it has;
    raises ProcessLostError where they wait for too long.
    """
    rank, size, _ = processes()
    if rank == 0:
        bring_back_if_idle(run)  # where another process trains, train.py refuses
    elif not is_back_within(run, TIMEOUT.total_seconds()):
        raise ProcessLostError(LOST_PROCESS.format(size))


def resumed(values: dict, overrides: Sequence[str], validated: Callable[[dict], Any]) -> dict:
    """The stored configuration of ``values["run"]``, changed only by overrides that leave the run what it is.

    Those that say what is stored anyway are accepted, so that the command which began a run goes on with it, too.
    """
    run = values["run"]
    stored = stored_config(run, {"data"})
    if stored["data"] is None:
        if values["init_from"] and values["max_steps"] == 0:  # what made it: train.py says that it is there
            return initialized(values, overrides)
        raise InputError(f"run={run}: has no corpus to go on with; init_from={run} begins another run on data=...")
    require_keys(stored, values.keys() - {*NOT_REMEMBERED, *OBSERVING, MIX}, Path(run) / CONFIG)
    stored = {key: values[key] for key in OBSERVING} | {MIX: {}} | stored
    for group in ("model", MIX):
        if not isinstance(stored[group], dict):
            damaged = f"{Path(run) / CONFIG} is damaged"
            raise InputError(f"{damaged}: {group}={written(stored[group])}: must be a group of keys")
    asked = values | {MIX: without_new_parts(values[MIX], stored[MIX])}
    setters = single_keys(overrides, asked)
    changed = changed_by(setters, asked, stored)
    of_this_start = {key: asked[key] for key in NOT_REMEMBERED if key in asked}
    before, after = (dict(leaves(asdict(validated(settings | of_this_start)))) for settings in (stored, changed))
    for key, value in after.items():
        if value != before.get(key) and not may_change(key):
            raise refusal(key, value, before.get(key), setters.get(key, key))
    return changed | of_this_start


def may_change(key: str) -> bool:
    """Whether a run that goes on may have another value here."""
    return as_of_data(key) in CHANGEABLE or key.partition(".")[0] in CHANGEABLE


def without_new_parts(given: Mapping, parts: Mapping) -> dict:
    """The parts of a mixture that are given, without those that the run never had and has no share of now, either;
    raises InputError for any other that it never had.
    """
    shared = {name: part for name, part in given.items() if name in parts or part.get("share") != 0}
    if added := shared.keys() - parts:
        raise InputError(
            f"mix.{min(added)}: the run was begun without this part, which cannot change when it is resumed; leave it "
            "out, or begin another run"
        )
    return shared


def changed_by(setters: Mapping[str, str], values: Mapping, stored: dict) -> dict:
    """``stored`` with those of ``values`` that an override sets, each of which is in ``setters``; a budget replaces all
    budgets. Raises InputError for another corpus, whose keys are others.
    """
    known, given = dict(leaves(stored)), dict(leaves(values))
    if "data.name" in setters and given["data.name"] != known.get("data.name"):
        raise refusal("data.name", given["data.name"], known.get("data.name"), setters["data.name"])
    changed = copy.deepcopy(stored)
    if setters.keys() & {*BUDGETS}:
        changed |= dict.fromkeys(BUDGETS)
    for key, override in setters.items():
        own = key in known or override.lstrip("+").startswith(f"{key}=")  # a group may have keys that it had not then
        if own and key not in NOT_REMEMBERED and given[key] != MISSING:
            put(changed, key, as_stored(key, given[key], known.get(key)))
    if "cache" not in setters:
        changed["cache"] = usable_cache(stored["cache"], values["cache"])
    return changed


def as_stored(key: str, value: Any, before: Any) -> Any:
    """A value as config.yaml has it: a path from the root; ``before``, what it has, where that is the same path."""
    if as_of_data(key) not in STORED_PATHS or not value:
        return value
    return before if before and same_path(value, before) else absolute(value)


def refusal(key: str, given: Any, stored: Any, override: str) -> InputError:
    through = "" if override.lstrip("+~").startswith(f"{key}=") else f"{override}: "
    return InputError(
        f"{through}{key}={written(given)}: the run has {written(stored)}, which cannot change when it is resumed; "
        "leave it out, or begin another run"
    )
