"""Every number that the four commands take, with every odd value: it is refused in one line, or it works."""

import math
import signal
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import torch
from conftest import SCRIPTS
from hydra.core.override_parser.overrides_parser import OverridesParser

import cli
import probe
import sample
import train
from cli.composing import composed
from common.errors import InputError
from data import Files, Named
from report.training_console import Console
from storage import run
from training.world import ALONE

NUMBERS = (
    *("0", "-1", "1", "2", "0.5", "1e-300", "1e-30", "0.9999999999999999", "1e18", "1e300", str(10**30)),
    *(str(2**63 - 1), str(2**63), "nan", "inf", "-inf", "text", "true", "null", "[1]", "[]"),
)
LISTS = (
    *("[0,0]", "[1e-300,1e-300]", "[0.9,0.9999999999999999]", "[0.9]", "[0.9,0.9,0.9]", "[]", "0.9", "null", "text"),
    *("[nan,0.9]", "[0.9,inf]", "[-1,0.9]", "[1,0.9]", "[1e18,0.9]", f"[{10**30},0.9]", "[a,b]", "[true,false]"),
)
TINY = {
    "n_train": 60,
    "n_val": 10,
    "tasks": ["agreement", "cue"],
    "block_size": 64,
    "n_layer": 2,
    "attention": "WS",
    "n_head": 2,
    "n_embd": 16,
    "tokens_per_step": 64,
    "max_steps": 2,
    "snapshots": 0,
    "mode": "disabled",
}
OF_A_RUN = {"sample": {"n": 2, "max_new_tokens": 20}, "probe": {"tasks": ["agreement"], "n_cases": 20}, "export": {}}


def numeric_keys(schema: type, prefix: str = "") -> Iterator[tuple[str, type, bool]]:
    """(KEY, the dataclass it is of, whether it is a list) for every number in a dataclass and in those inside it."""
    for name, hint in get_type_hints(schema).items():
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if {int, float} & set(parts):
            yield prefix + name, schema, False
        elif any(get_origin(part) is tuple and set(get_args(part)) <= {int, float} for part in parts):
            yield prefix + name, schema, True
        for part in filter(is_dataclass, parts):
            yield from numeric_keys(part, f"{prefix}{name}.")


KEYS = [
    pytest.param(command, *key, id=f"{command} {key[1].__name__} {key[0]}")
    for command, (_, schema) in SCRIPTS.items()
    for key in numeric_keys(schema)
    if key[0] != "model.vocab_size"  # the tokenizer's
]


@cache
def defaults(command: str, corpus: str) -> dict:
    settings = [f"data={corpus}"] if command == "train" else ["run=x", *["to=x"] * (command == "export")]
    config = composed(command, [*settings, *["data.path=x"] * (corpus == "files")])
    return cli.plain(config)


def tiny(command: str, owner: type, run: Path) -> dict:
    """A small command as Hydra composes it, before it is typed."""
    corpus = {Files: "files", Named: "fineweb_edu"}.get(owner, "stories")
    values = deepcopy(defaults(command, corpus))
    if command != "train":
        return values | OF_A_RUN[command] | {"run": str(run)}
    for group in (values, values["data"], values["model"], values["wandb"]):
        group |= {key: value for key, value in TINY.items() if key in group}
    values["tokenizer"]["vocab_size"] = 300
    if corpus == "files":
        values["data"]["path"] = str(run.parent / "text.txt")
    return values | {"cache": str(run.parent / "cache"), "run": "run"}


def with_value(values: dict, key: str, text: str) -> dict:
    """``values`` with KEY=text, as Hydra reads it."""
    *groups, last = key.split(".")
    place = values
    for group in groups:
        place = place[group]
    place[last] = OverridesParser.create().parse_override(f"{key}={text}").value()
    return values


def do(name: str, command: Any, folder: Path) -> None:
    """The command for real: two steps without their evaluations, some samples, one probe."""
    if name != "train":
        {"sample": sample.main, "probe": probe.main}[name](command)
    elif not isinstance(command.data, Named):  # those would be downloaded
        do_train(command, folder)


def do_train(command: Any, folder: Path) -> None:
    trainer = train.Start(command, folder, Console(quiet=True), torch.device("cpu"), ALONE).make_trainer()
    trainer.evaluations = trainer.last_evaluations = trainer.sinks = ()
    step = trainer.train_step

    def two_steps() -> dict:
        if trainer.step:
            trainer.stops.request(signal.SIGTERM)
        return step()

    trainer.train_step = two_steps
    with run.begin(folder, False, cli.to_yaml(command), trainer.dataset.tokenizer):
        trainer.train()
    assert all(parameter.isfinite().all() for parameter in trainer.model.parameters())


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text("The cat sat on the mat because it was soft. " * 200)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        do_train(cli.typed(SCRIPTS["train"][1], tiny("train", object, folder / "run")), folder / "run")
    return folder / "run"


@pytest.mark.parametrize(("command", "key", "owner", "is_list"), KEYS)
def test_a_number_is_refused_in_one_line_or_works(command, key, owner, is_list, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cli.evaluations.PROBE_CASES", 20)
    accepted = {}
    for text in LISTS if is_list else NUMBERS:
        try:
            made = cli.typed(SCRIPTS[command][1], with_value(tiny(command, owner, trained), key, text))
        except InputError as error:
            assert_one_line(str(error), key)
        else:
            *groups, last = key.split(".")
            value = vars(getattr(made, groups[0]) if groups else made)[last]
            assert text not in ("nan", "inf", "-inf", "text", "true", "[1]", "[]"), made
            accepted[-math.inf if value is None else value] = made
    smallest = [value for value in sorted(accepted) if value > ((0.0, 0.0) if is_list else 0)][:1]
    for value in {*smallest, min(accepted), max(accepted)} if accepted else ():
        try:
            do(command, accepted[value], tmp_path / str(value))
        except InputError as error:
            assert_one_line(str(error), key)
            assert not Path(str(value)).exists(), "nothing is left of what could not begin"


def assert_one_line(message: str, key: str) -> None:
    assert "\n" not in message
    assert key.split(".")[-1] in message or "tokens, too few" in message or "give more text" in message, message


def test_all_numbers_of_the_dataclasses_are_tried():
    assert len(KEYS) == len(set(KEYS)) > 40
    assert sum(len(LISTS if is_list else NUMBERS) for _, _, _, is_list in (key.values for key in KEYS)) > 900
