"""A command that begins with what is there: the model and tokenizer of ``init_from``, or the ids of data=tokens."""

from collections.abc import Sequence
from pathlib import Path

from cli.composing import leaves, single_keys, written
from cli.stored import stored_config
from common.errors import InputError
from common.folders import CONFIG, SCHEMES
from data.text.tokenizers import IDS
from storage.not_a_run import no_such_run

BROUGHT = ("data.names", "data.vocab_size", "data.end")  # by init_from, as the tokenizer
FITTED = ("model.dropout", "model.block_size")  # of a model that init_from brings


def initialized(values: dict, overrides: Sequence[str]) -> dict:
    """``values`` with the model and the tokenizer of the run that ``init_from`` names; only FITTED may be others.

    What ``hf:`` and ``nanogpt:`` name is not read here, because it may have to be downloaded: ``init_changes`` says
    which of FITTED are others, and train.py reads the rest.
    """
    name = values["init_from"]
    setters, set_to = single_keys(overrides, values), dict(leaves(values))
    if not name.startswith(SCHEMES) and not (Path(name) / CONFIG).is_file():
        raise no_such_run(Path(name), "init_from")
    if values["max_steps"] == 0 and not any(key.partition(".")[0] in ("data", "mix") for key in setters):
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
