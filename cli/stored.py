"""What a command takes from a run that is there: its settings on resuming, model and tokenizer with ``init_from``."""

import copy
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from cli.composing import keys_of_experiment, leaves, written
from cli.paths import SCHEMES, STORED_PATHS, absolute, as_of_data, decode_text, expand_home, same_path
from common.errors import InputError
from common.folders import CONFIG
from data.text.tokenizers import IDS
from storage import checkpoint
from storage.not_a_run import no_such_run
from storage.run import begins_anew, bring_back_if_idle, is_back_within, read_config
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
BROUGHT = ("data.names", "data.vocab_size", "data.end")  # by init_from, as the tokenizer
FITTED = ("model.dropout", "model.block_size")  # of a model that init_from brings
MIX = "mix"  # runs of earlier versions lack it, too
NOT_REMEMBERED = ("run", "resume", "overwrite", "found_nothing", "init_changes", "weights_alone")
MISSING = "???"


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


def single_keys(overrides: Sequence[str], values: Mapping) -> dict[str, str]:
    """The single keys that the overrides set, also through a group or an experiment, each with its override."""
    by_key = {}
    for override in overrides:
        name = override.partition("=")[0].lstrip("+~")
        names = keys_of_experiment(override) if name == "experiment" else [name]
        for key, _ in leaves(values):
            if any(key == name or key.startswith(f"{name}.") for name in names):
                by_key[key] = override
    return by_key


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
    values = values | {MIX: without_new_parts(values[MIX], stored[MIX])}
    setters = single_keys(overrides, values)
    changed = changed_by(setters, values, stored)
    now = {key: values[key] for key in NOT_REMEMBERED if key in values}
    before, after = (dict(leaves(asdict(validated(settings | now)))) for settings in (stored, changed))
    for key, value in after.items():
        if value != before.get(key) and not {as_of_data(key), key.partition(".")[0]} & {*CHANGEABLE}:
            raise refusal(key, value, before.get(key), setters.get(key, key))
    return changed | now


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


def usable_cache(stored: str, default: str) -> str:
    """The cache that a run has, even if it was deleted; where the folder around it is gone, too, or nothing can be
    written there, as after a project has moved, ``default``, and a note says so.
    """
    if os.path.isdir(stored) or os.access(os.path.dirname(stored) or ".", os.W_OK) or same_path(stored, default):
        return stored
    if processes()[0] == 0:
        print(f"note   cache={stored} is gone; cache={default} is used instead", file=sys.stderr)
    return absolute(default)


def refusal(key: str, given: Any, stored: Any, override: str) -> InputError:
    through = "" if override.lstrip("+~").startswith(f"{key}=") else f"{override}: "
    return InputError(
        f"{through}{key}={written(given)}: the run has {written(stored)}, which cannot change when it is resumed; "
        "leave it out, or begin another run"
    )


def initialized(values: dict, overrides: Sequence[str]) -> dict:
    """``values`` with the model and the tokenizer of the run that ``init_from`` names; only FITTED may be others.

    What ``hf:`` and ``nanogpt:`` name is not read here, because it may have to be downloaded: ``init_changes`` says
    which of FITTED are others, and train.py reads the rest.
    """
    name = values["init_from"]
    setters, set_to = single_keys(overrides, values), dict(leaves(values))
    if not name.startswith(SCHEMES) and not (Path(name) / CONFIG).is_file():
        raise no_such_run(Path(name), "init_from")
    if values["max_steps"] == 0 and not any(key.partition(".")[0] in ("data", MIX) for key in setters):
        values = values | {"weights_alone": True}
    for key, override in setters.items():
        of_ids = key in BROUGHT and set_to[key] is not None
        if (key.partition(".")[0] in ("model", "tokenizer") and key not in FITTED) or of_ids:
            shown = f"{key}={written(set_to[key])}" if override.lstrip("+~").startswith(f"{key}=") else override
            raise InputError(f"{shown}: init_from={name} brings its model and tokenizer along; leave this out")
    given = {key.partition(".")[2]: value for key, value in set_to.items() if key in FITTED and key in setters}
    if name.startswith(SCHEMES):
        return values | {"init_changes": given}
    stored = stored_config(name, {"model", "tokenizer"}, "init_from")
    if not all(isinstance(stored[part], dict) for part in ("model", "tokenizer")):
        raise InputError(f"init_from={name}: its config.yaml is damaged")
    return values | {"model": stored["model"] | given, "tokenizer": stored["tokenizer"]}


def with_ids(values: dict, overrides: Sequence[str]) -> dict:
    """``values`` with the tokenizer of data=tokens: none but ids; raises InputError where one was asked for."""
    for key, override in single_keys(overrides, values).items():
        if key.startswith("tokenizer."):
            raise InputError(f"{override}: data=tokens has ids already; leave it out")
    return values | {"tokenizer": {"kind": IDS}}
