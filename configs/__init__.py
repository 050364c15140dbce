"""The small room between a command line and a typed, frozen configuration.

Hydra composes YAML groups and overrides; this room checks the overrides, so that a slip gets one clear line, and turns
the result into a dataclass of ``configs.schema``. After that there are only plain values. Sweeps, options such as
``--cfg`` and ``hydra.*`` go through ``hydra.main``; any other command line is composed here, once.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

import exchange
from configs import sweeps
from configs.composing import FOLDER, composed, hint, keys_of_experiment, nested_keys
from configs.help import HELP, help_text
from configs.one_line import one_line_errors
from data import InputError
from training.world import first_speaks, processes

CORPORA = {path.stem for path in (FOLDER / "data").glob("*.yaml")}
FREE_TEXT = (
    "prompt",
    "text",
    "show",  # 1.10 is a head, not a number
    "cases",
    "pairs",
    "run",
    "init_from",
    "to",
    "checkpoint",
    "cache",
    "data.path",
    "data.field",
    "data.separator",
    "data.val_path",
    "wandb.project",
)
NULL_IS_NONE = ("data.separator", "data.val_path")  # of these
NEEDS_HYDRA = re.compile(r"^[+~]*hydra|\$\{hydra:")
BUDGETS = ("max_steps", "max_tokens", "max_minutes")
LOOKING = ("snapshots", "probe_every")  # leave the run what it is; runs of earlier versions lack them
CHANGEABLE = (
    *BUDGETS,
    "patience",
    "tokens_at_once",
    "eval_every",
    "checkpoint_every",
    "log_every",
    *LOOKING,
    "device",
    "precision",
    "compile",
    "wandb",
    "cache",
)
NOT_REMEMBERED = ("run", "resume", "overwrite")


def launch(main: Callable[[Any], None], name: str, schema: type) -> None:
    """Runs ``main(config)`` for this process's command line; wrong input ends in one line and exit status 1."""
    OmegaConf.register_new_resolver("text", decode_text, replace=True)
    with one_line_errors(), first_speaks():
        start(main, name, schema)


def start(main: Callable[[Any], None], name: str, schema: type) -> None:
    """``launch``, with errors raised: a sweep's jobs by Hydra's launchers, one command here or by ``hydra.main``."""
    arguments = sys.argv[1:]
    if any(argument in HELP for argument in arguments):
        print(help_text(name, [argument for argument in arguments if not argument.startswith("-")]))
        return
    settings = [argument for argument in arguments if argument not in sweeps.FLAGS]

    def command_of(config: DictConfig) -> Any:
        return typed(schema, plain(config), HydraConfig.get().overrides.task)

    if len(settings) < len(arguments):
        if processes()[1] > 1:
            raise InputError("-m and torchrun do not go together; start torchrun once for each run")
        sweeps.run_sweep(name, settings, main, command_of)
        return
    settings = sys.argv[1:] = [encode_text(argument) for argument in arguments]
    options = any(argument.startswith("-") for argument in settings)
    if not options and not any(map(NEEDS_HYDRA.search, settings)):
        main(read(name, schema, settings))
        return

    def job(config: DictConfig) -> None:
        with one_line_errors():  # before Hydra prints a traceback
            main(command_of(config))

    if not options:
        composed(name, settings)
    hydra.main(version_base="1.3", config_path=str(FOLDER), config_name=name)(job)()


def read(name: str, schema: type, settings: list[str]) -> Any:
    """The command that these settings, each KEY=VALUE, make; raises InputError for a slip in them.

    It is what ``hydra.main`` would hand over, composed once and not four times.
    """
    return typed(schema, plain(composed(name, settings)), settings)


def encode_text(argument: str) -> str:
    """Free text would be read by Hydra's grammar (quotes, ``=``, ``1e3``, ``${}``): hand it over as hexadecimal."""
    key, sign, value = argument.partition("=")
    is_text = sign and key in FREE_TEXT and not (value == "null" and key in NULL_IS_NONE)
    return f"{key}=${{text:x{os.fsencode(value).hex()}}}" if is_text else argument


def decode_text(encoded: str) -> str:
    return bytes.fromhex(encoded[1:]).decode(errors="replace")


def plain(config: DictConfig) -> dict:
    """The composed configuration as a dict, all interpolations resolved."""
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise InputError(f"{error.full_key} is missing; give {error.full_key}=...") from None
    except OmegaConfBaseException as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{error.full_key}: {reason}") from None


def typed(schema: type, values: dict, overrides: list[str] = ()) -> Any:
    """Values as a frozen dataclass; where the command resumes a run, that run's own values with the changes allowed."""
    if not isinstance(values.get("resume", False), bool):
        raise InputError(f"resume={values['resume']}: must be true or false")
    if values.get("resume") and values.get("run"):
        values = resumed(values, overrides)
    elif values.get("init_from"):
        values = initialized(values, overrides)
    if "model" in values:
        values = values | {"model": {**values["model"], "vocab_size": 1}}
    try:
        command = TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"] if part not in CORPORA)
        if first["type"] == "value_error":  # the dataclasses' own
            message = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{path}.{message}" if path else message) from None
        raise InputError(mistyped(path, first["type"], first["input"], first["msg"])) from None
    made = asdict(command)
    known = set(nested_keys(made))
    for key in nested_keys(values):
        if key not in known:
            raise InputError(f"{key}: there is no such key; {hint(key, known)}")
    check_truths(values, made)
    return command


def mistyped(key: str, kind: str, given: Any, message: str) -> str:
    """What is wrong with a value of another type than its key's, of pydantic's words ``kind`` and ``message``."""
    *outer, last = key.split(".")
    if isinstance(given, tuple | list) and (kind == "too_long" or last.isdigit()):  # of a list of fixed length
        return f"{'.'.join(outer) if last.isdigit() else key}=[{','.join(map(written, given))}]: must be two numbers"
    if kind == "missing":
        return f"{key} is missing; give {key}=..."
    if kind == "tuple_type":
        example = given if given and isinstance(given, str) else "A,B"
        return f"{key}={written(given)}: must be a list, as in {key}=[{example}]"
    if kind.startswith("int_") or kind == "finite_number":
        message = "must be a whole number" + " below 2**63" * (kind == "int_parsing_size")
    elif kind.startswith("float_"):
        message = "must be a number"
    return f"{key}={written(given)}: {message.replace('Input should be', 'must be')}"


def written(value: Any) -> str:
    """A value as it is written on a command line."""
    return json.dumps(value) if isinstance(value, bool | None) else str(value)


def check_truths(given: Any, made: Any, key: str = "") -> None:
    """Raises InputError where a number was made of true or false."""
    if isinstance(given, Mapping):
        for name, value in given.items():
            check_truths(value, made[name], f"{key}.{name}" if key else name)
    elif isinstance(given, list):
        for value, number in zip(given, made, strict=True):
            check_truths(value, number, key)
    elif isinstance(given, bool) and not isinstance(made, bool):
        raise InputError(f"{key}={written(given)}: must be a number")


def stored_config(run: str, needed: Collection[str], purpose: str) -> dict:
    """What ``run``/config.yaml says; raises InputError where it lacks something of ``needed``."""
    path = Path(run) / "config.yaml"
    if not path.is_file():
        raise InputError(f"{purpose}: there is no such run")
    try:
        stored = OmegaConf.to_container(OmegaConf.load(path))
        missing = needed - stored.keys()
    except (OmegaConfBaseException, yaml.YAMLError, ValueError, AttributeError):
        missing = {"everything"}
    if missing:
        raise InputError(f"{path} is damaged: it lacks {', '.join(sorted(missing))}")
    return stored


def given_keys(overrides: list[str]) -> list[str]:
    return [override.partition("=")[0].lstrip("+") for override in overrides]


def resumed(values: dict, overrides: list[str]) -> dict:
    """The stored configuration of ``values["run"]``, changed only by overrides that leave the run what it is."""
    run = values["run"]
    stored = stored_config(run, values.keys() - {*NOT_REMEMBERED, *LOOKING}, f"run={run}")
    stored = {key: values[key] for key in LOOKING} | stored
    if isinstance(stored["data"], dict) and stored["data"].get("name") == "files":
        stored["data"] = {"separator": None} | stored["data"]  # as earlier versions read the text
    given = given_keys(overrides)
    if any(key in BUDGETS for key in given):
        stored |= dict.fromkeys(BUDGETS)
    for key in given:
        top, _, rest = key.partition(".")
        if top in CHANGEABLE:
            stored[top] = {**stored[top], rest: values[top][rest]} if rest else values[top]
        elif top not in NOT_REMEMBERED:
            raise InputError(f"{key}: cannot change when a run is resumed; {', '.join(CHANGEABLE)} can")
    return stored | {key: values[key] for key in NOT_REMEMBERED}


def initialized(values: dict, overrides: list[str]) -> dict:
    """``values`` with the model and the tokenizer of what ``init_from`` names; dropout alone may be another."""
    run = values["init_from"]
    if run.startswith(exchange.SCHEME):
        stored = exchange.read(run).settings()
    else:
        stored = stored_config(run, {"model", "tokenizer"}, f"init_from={run}")
        if not all(isinstance(stored[part], dict) for part in ("model", "tokenizer")):
            raise InputError(f"init_from={run}: its config.yaml is damaged")
    given = given_keys(overrides)
    for override, key in zip(overrides, given, strict=True):
        sets = keys_of_experiment(override) if key == "experiment" else [key]
        if any(k.partition(".")[0] in ("model", "tokenizer") and k != "model.dropout" for k in sets):
            raise InputError(f"{override}: init_from={run} brings its model and tokenizer along; leave this out")
    dropout = {"dropout": values["model"]["dropout"]} if "model.dropout" in given else {}
    return values | {"model": stored["model"] | dropout, "tokenizer": stored["tokenizer"]}


def absolute(place: str) -> str:
    """A path that means the same from anywhere; a name on the Hub stays what it is."""
    scheme = exchange.SCHEME if place.startswith(exchange.SCHEME) else ""
    path = os.path.abspath(os.path.expanduser(place.removeprefix(scheme)))
    return place if scheme and not os.path.isdir(path) else scheme + path


def to_yaml(command: Any) -> str:
    """A command as the text of a run's ``config.yaml``, without what only concerned one start."""
    values = {key: value for key, value in asdict(command).items() if key not in NOT_REMEMBERED}
    del values["model"]["vocab_size"]
    paths = ((values, "cache"), (values, "init_from"), (values["data"], "path"), (values["data"], "val_path"))
    for place, key in paths:  # resumed from elsewhere
        if place.get(key):
            place[key] = absolute(place[key])
    return OmegaConf.to_yaml(OmegaConf.create(values))
