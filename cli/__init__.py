"""The one way from a command line to a typed, frozen configuration.

Hydra composes YAML groups and overrides; this package checks the overrides, so that a slip gets one clear line, and
turns the result into a dataclass of ``cli.schema``. After that there are only plain values. Sweeps, options such as
``--cfg`` and ``hydra.*`` go through ``hydra.main``; any other command line is composed here, once.
"""

import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cli import sweeps
from cli.checked import typed
from cli.composing import FOLDER, composed, contents
from cli.help import HELP, help_text
from cli.paths import decode_text, encode_text
from cli.resuming import corpus_of_run
from cli.stored import to_yaml
from common.errors import InputError, first_line
from common.memory import keep_freed_memory
from common.one_line import one_line_errors, open_streams
from common.signals import exit_on
from training.world import hold_back_errors, processes

__all__ = ["launch", "read", "to_yaml", "typed"]

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
    """``launch``, with errors raised: prints help, starts a sweep, or runs one command, by Hydra where it has to be."""
    arguments = sys.argv[1:]
    if any(argument in HELP for argument in arguments):
        print(help_text(name, [argument for argument in arguments if not argument.startswith("-")]))
        return
    settings = [argument for argument in arguments if argument not in sweeps.FLAGS]
    refuse_dashes(settings)
    if len(settings) < len(arguments):
        start_sweep(main, name, schema, settings)
        return
    # Hydra reads them from there; so does wandb, which takes no path that is no UTF-8.
    settings = sys.argv[1:] = [*map(encode_text, settings)]
    if has_options(settings) or names_hydra(settings):
        run_by_hydra(main, name, schema, settings)
    else:
        main(read(name, schema, settings))


def refuse_dashes(settings: Sequence[str]) -> None:
    """Raises InputError for an option that Hydra does not have: a key written with dashes."""
    for setting in settings:
        if setting.startswith("--") and setting not in HYDRA_FLAGS and not setting.startswith(HYDRA_OPTIONS):
            value = "" if "=" in setting else "=VALUE"
            raise InputError(f"{setting}: keys have no dashes; write {setting.lstrip('-')}{value}")


def has_options(settings: Sequence[str]) -> bool:
    return any(setting.startswith("-") for setting in settings)


def names_hydra(settings: Sequence[str]) -> bool:
    """Whether a setting is one of Hydra's own, or takes its value from one."""
    return any(map(NEEDS_HYDRA.search, settings))


def start_sweep(main: Callable[[Any], None], name: str, schema: type, settings: list[str]) -> None:
    if processes()[1] > 1:
        raise InputError("-m and torchrun do not go together; start torchrun once for each run")
    sweeps.run_sweep(name, settings, main, partial(command_of, schema))


def run_by_hydra(main: Callable[[Any], None], name: str, schema: type, settings: list[str]) -> None:
    """Runs ``main`` with what Hydra makes of ``settings``, which are in ``sys.argv``, or does what its options say."""
    if any(map(SHOWS.fullmatch, settings)):
        if not names_hydra(settings):  # else Hydra reports what is wrong in its own way
            plain(composed(name, [setting for setting in settings if re.match("[^-].*=", setting)]))
        sys.argv.append("--resolve")  # text would be shown encoded
    if not has_options(settings):
        composed(name, settings)

    def job(config: DictConfig) -> None:
        with one_line_errors():  # before Hydra prints a traceback
            main(command_of(schema, config))

    hydra.main(version_base="1.3", config_path=str(FOLDER), config_name=name)(job)()


def command_of(schema: type, config: DictConfig) -> Any:
    """The command of a job that Hydra runs."""
    return typed(schema, plain(config), HydraConfig.get().overrides.task)


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
        raise InputError(f"{error.full_key}: {first_line(error)}") from None
