"""What Hydra makes of the settings of a command line, KEY=VALUE each, and what is wrong with them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cli.paths import as_typed
from common.errors import InputError
from storage.renamed import SETTINGS

FOLDER = Path(__file__).resolve().parents[1] / "configs"
GROUPS = sorted(path.name for path in FOLDER.iterdir() if any(path.glob("*.yaml")))

MISSING = "???"  # what Hydra has where a value must be given
NEAR = 0.7  # how much of a key has to be as it was written
ELSEWHERE = {  # what nanoGPT and others call it, and what it is here
    **dict.fromkeys(("learning_rate", "lr"), "optimizer.matrix_lr"),
    **dict.fromkeys(("batch_size", "gradient_accumulation_steps"), "tokens_per_step, in tokens"),
    **dict.fromkeys(("max_iters", "n_iters", "steps"), "max_steps"),
    **dict.fromkeys(("out_dir", "output_dir"), "run"),
    "eval_interval": "eval_every",
    "warmup_iters": "optimizer.warmup_fraction, a share of the run",
    "lr_decay_iters": "optimizer.decay_fraction, the last share of the run",
    "grad_clip": "optimizer.clip",
    "dtype": "precision",
    "start": "prompt",
    "num_samples": "n",
}


def composed(name: str, settings: list[str]) -> DictConfig:
    """What Hydra makes of these settings; raises InputError for one that names no key, no group's member, or that Hydra
    cannot read.
    """
    members = chosen_members(settings)
    try:
        config = compose(name, settings)
    except InputError:
        check_keys(settings, compose(name, members))  # names what was meant, if a key is what is wrong
        raise
    adds = any(setting.startswith(("+", "~")) for setting in settings)  # then it has whatever keys were given
    check_keys(settings, compose(name, members) if adds else config)
    return config


def check_sweep(name: str, settings: list[str]) -> None:
    """Raises InputError as ``composed`` does; of values that are several, only members of groups are looked at."""
    together = [[member] for member in chosen_members(settings, sweep=True)] or [[]]
    check_keys(settings, *(compose(name, members) for members in together))


def chosen_members(arguments: list[str], sweep: bool = False) -> list[str]:
    """Which members of which groups are chosen, each GROUP=MEMBER; raises InputError where one cannot be."""
    check_syntax(arguments, sweep)
    chosen = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        if members := members_of(key):
            for choice in value.split(",") if sweep else [value]:
                if choice not in members:
                    of_file = f", and a text of yours is data=files data.path={choice}" if key == "data" else ""
                    raise InputError(f"{argument}: there is no such {key}; known are {', '.join(members)}{of_file}")
                chosen.append(f"{key}={choice}")
    for experiment in (choice for choice in chosen if choice.startswith("experiment=")):
        sets = keys_of_experiment(experiment)
        for choice in chosen:
            group = choice.partition("=")[0]
            if any(key.startswith(f"{group}.") for key in sets):
                raise InputError(f"{choice}: {experiment} sets {group} itself; leave one out, or give single keys")
    return chosen


def members_of(key: str) -> list[str]:
    """The members of a group; none where ``key`` is no group."""
    group = key.lstrip("+~")
    return sorted(path.stem for path in (FOLDER / group).glob("*.yaml")) if group in GROUPS else []


def check_syntax(arguments: list[str], sweep: bool) -> None:
    """Raises InputError for what Hydra cannot read, and for several values where there is no ``sweep``."""
    parser = OverridesParser.create()
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign:
            raise InputError(f"{argument!r}: settings are written KEY=VALUE")
        typed = as_typed(argument)
        typed_key = typed.partition("=")[0]
        try:
            several = parser.parse_override(argument).is_sweep_override()
        except HydraException:
            brackets = "[" in value or "]" in value
            remedy = f"a list is written {typed_key}=[A,B]" if brackets else f"quote it: {typed_key}=\\'...\\'"
            raise InputError(f"{typed}: the value cannot be read; {remedy}") from None
        if several and not sweep:
            if members := members_of(key):
                raise InputError(f"{typed}: takes one of {', '.join(members)}; a sweep over several begins with -m")
            raise InputError(f"{typed}: a list is written {typed_key}=[{value}], and a sweep begins with -m")


def contents(config: DictConfig | ListConfig, resolve: bool = False) -> dict:
    """A configuration with keys as a dict."""
    return OmegaConf.to_container(config, resolve=resolve)  # pyrefly: ignore [bad-return] whatever it is made of


def check_keys(arguments: list[str], *configs: DictConfig) -> None:
    """Raises InputError for a key that none of these configurations has."""
    known = {*GROUPS, *(key for config in configs for key in nested_keys(contents(config)))}
    for argument in arguments:
        key = argument.partition("=")[0].lstrip("+~")
        # Parts of a mixture are checked with their values.
        if key not in known and not key.startswith(("hydra", "mix.")):
            raise InputError(f"{key}: there is no such key; {hint(key, known)}")


def keys_of_experiment(override: str) -> list[str]:
    """What the file of an ``experiment=NAME`` sets: the groups that it chooses, and single keys after them."""
    name = override.partition("=")[2]
    content = contents(OmegaConf.load(FOLDER / "experiment" / f"{name}.yaml"))
    groups = [group.removeprefix("override /") for chosen in content.pop("defaults", []) for group in chosen]
    return [*groups, *(key for key, _ in leaves(content))]


def hint(key: str, known: set[str]) -> str:
    """What somebody who wrote ``key`` may have meant."""
    if SETTINGS.get(key) in known:
        return f"it is called {SETTINGS[key]} now"
    group, _, rest = key.partition(".")
    members = [
        path.stem for path in sorted((FOLDER / group).glob("*.yaml")) if rest and rest in list(OmegaConf.load(path))
    ]
    if members:
        return f"it belongs to {' or '.join(f'{group}={member}' for member in members)}: add that"
    here = ELSEWHERE.get(key.removeprefix("optimizer."), "")
    if here.partition(",")[0] in known:
        return f"here it is {here}"
    near = sorted(name for name in known if name.endswith(f".{key}")) or get_close_matches(key, known, n=1, cutoff=NEAR)
    return f"did you mean {near[0]}?" if near else "--help shows the keys there are"


def compose(name: str, overrides: list[str], with_hydra: bool = False) -> DictConfig:
    """What Hydra composes, with its own node ``hydra`` if wanted; raises InputError where it cannot."""
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(FOLDER), version_base="1.3"):
            return hydra.compose(name, overrides, return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        reason = re.sub(r"\s+", " ", str(error).strip()).split(" See https")[0]
        raise InputError(reason) from None


def nested_keys(config: Mapping, prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from nested_keys(value, f"{prefix}{key}.")


def leaves(config: Mapping, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every single key, such as ``model.n_layer``, and its value."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def written(value: Any) -> str:
    """A value as it is written on a command line."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(written, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


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
