"""The one way from a command line to a typed, frozen configuration.

Hydra composes YAML groups and overrides; this package checks the overrides, so that a slip gets one clear line, and
turns the result into a dataclass of ``cli.schema``. After that there are only plain values. Sweeps, options such as
``--cfg`` and ``hydra.*`` go through ``hydra.main``; any other command line is composed here, once.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from cli import sweeps
from cli.composing import FOLDER, composed, contents, hint, leaves, nested_keys, written
from cli.help import HELP, help_text
from cli.paths import FREE_TEXT, decode_text, encode_text, expand_paths
from cli.stored import MISSING, corpus_of_run, decide, initialized, resumed, to_yaml, with_ids
from common.errors import InputError
from common.memory import keep_freed_memory
from common.one_line import one_line_errors, open_streams
from common.signals import exit_on
from training.world import hold_back_errors, processes

__all__ = ["launch", "read", "to_yaml", "typed"]

CORPORA = {path.stem for path in (FOLDER / "data").glob("*.yaml")}
UNMIXED = {"tokens", "answers"}  # which are no running text
HYDRA_OPTIONS = ("--cfg", "--config", "--experimental", "--info", "--package")  # that take a value
HYDRA_FLAGS = ("--resolve", "--version", "--hydra-help", "--shell-completion")
SHOWS = re.compile(r"(--cfg|-c)(=.*)?")  # the settings, and nothing is run
NEEDS_HYDRA = re.compile(r"^[+~]*hydra|\$\{hydra:")


def launch(main: Callable[[Any], None], name: str, schema: type) -> None:
    """Runs ``main(config)`` for this process's command line; wrong input ends in one line and exit status 1."""
    OmegaConf.register_new_resolver("text", decode_text, replace=True)
    open_streams()
    keep_freed_memory()
    signals = () if name == "train" else ("SIGTERM", "SIGHUP")  # on which training saves
    with one_line_errors(), hold_back_errors(), exit_on(*signals):
        start(main, name, schema)


def start(main: Callable[[Any], None], name: str, schema: type) -> None:
    """``launch``, with errors raised: a sweep's jobs by Hydra's launchers, one command here or by ``hydra.main``."""
    arguments = sys.argv[1:]
    if any(argument in HELP for argument in arguments):
        print(help_text(name, [argument for argument in arguments if not argument.startswith("-")]))
        return
    settings = [argument for argument in arguments if argument not in sweeps.FLAGS]
    for argument in settings:
        if argument.startswith("--") and argument not in HYDRA_FLAGS and not argument.startswith(HYDRA_OPTIONS):
            value = "" if "=" in argument else "=VALUE"
            raise InputError(f"{argument}: keys have no dashes; write {argument.lstrip('-')}{value}")

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

    if any(map(SHOWS.fullmatch, settings)):
        if not any(map(NEEDS_HYDRA.search, settings)):  # else Hydra reports what is wrong in its own way
            plain(composed(name, [setting for setting in settings if re.match("[^-].*=", setting)]))
        sys.argv.append("--resolve")  # text would be shown encoded

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
    return typed(schema, plain(composed(name, [*corpus_of_run(settings), *settings])), settings)


def plain(config: DictConfig) -> dict:
    """The composed configuration as a dict, all interpolations resolved; what is missing stays MISSING."""
    try:
        return contents(config, resolve=True)
    except OmegaConfBaseException as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{error.full_key}: {reason}") from None


def typed(schema: type, values: dict, overrides: Sequence[str] = ()) -> Any:
    """Values as a frozen dataclass; where the command resumes a run, that run's own values with the changes allowed."""
    if "mix" in values:
        if not isinstance(values["mix"], Mapping):
            raise InputError(f"mix={written(values['mix'])}: parts have shares, as in mix.stories=0.1")
        values = values | {"mix": {name: as_part(name, part) for name, part in values["mix"].items()}}
    values = expand_paths(values)
    if "resume" in values:
        values |= decide(values["resume"], values["run"], values["overwrite"])
    if values.get("resume") and values.get("run"):
        values = resumed(values, overrides, partial(validated, schema))
    elif values.get("init_from"):
        values = initialized(values, overrides)
    elif (values.get("data") or {}).get("name") == "tokens":
        values = with_ids(values, overrides)
    return validated(schema, values)


def as_part(name: str, given: Any) -> dict:
    """A part of a mixture as a configuration has it: its share alone is enough where its name is a corpus's."""
    return {"name": name} | (dict(given) if isinstance(given, Mapping) else {"share": given})


def validated(schema: type, values: dict) -> Any:
    """Values as a frozen dataclass; raises InputError for one that is missing, unknown or none of those allowed."""
    for key, value in leaves(values):
        if value == MISSING and key not in FREE_TEXT:  # where it is a text
            raise InputError(f"{key} is missing; give {key}=...")
    if "model" in values:
        values = values | {"model": {**values["model"], "vocab_size": 1}}
    try:
        command = TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        tag = 2 if first["loc"][:1] == ("mix",) else 1  # where pydantic puts the name of the corpus
        path = ".".join(str(part) for i, part in enumerate(first["loc"]) if i != tag or part not in CORPORA)
        if first["type"] == "union_tag_invalid" and tag == 2:
            known = f"there is no such corpus; known are {', '.join(sorted(CORPORA - UNMIXED))}"
            raise InputError(
                f"{path}={first['ctx']['tag']}: {known}, and {path}.name=... says which this part is"
            ) from None
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
    if kind == "missing" or (kind, given) == ("string_type", None):
        return f"{key} is missing; give {key}=..."
    if kind == "tuple_type":
        example = (given.strip("[] ") if isinstance(given, str) else "") or "A,B"
        return f"{key}={written(given)}: must be a list, as in {key}=[{example}]"
    if kind == "dataclass_type":
        return f"{key}={written(given)}: is a group of keys; give them one by one, as in {key}.KEY=..."
    if kind.startswith("int_") or kind == "finite_number":
        message = "must be a whole number" + " below 2**63" * (kind == "int_parsing_size")
    elif kind.startswith("float_"):
        message = "must be a number"
    return f"{key}={written(given)}: {message.replace('Input should be', 'must be')}"


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
