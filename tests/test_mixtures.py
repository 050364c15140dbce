"""Every attention type, every pair, and all together: trains, resumes, samples and is probed, with its dynamics."""

import signal
from itertools import product
from pathlib import Path

import pytest
import torch
import toys
from networks import loud_model

from data import Dataset, TokenizerConfig, prepare
from data.stories import Stories
from model import GPT, GPTConfig
from probing import dynamics_at, encode_tasks, probe, quick_probe
from probing.dynamics import quick_probe_metrics
from storage import run
from training import OptimizerConfig, TrainConfig, Trainer

TYPES = "FWSLR"
MIXTURES = ["".join(types) for n in (1, 2) for types in product(TYPES, repeat=n)] + [TYPES]
WITH_HEADS = [types for types in MIXTURES if set(types) != {"R"}]
PAIRS = [types for types in WITH_HEADS if len(types) == 2]
SHAPE = {"block_size": 32, "n_head": 2, "n_embd": 16, "window": 4, "stride": 3}
TOLD = tuple(toys.toy_cases(split, 20) for split in ("select", "report"))


def config_of(types: str) -> GPTConfig:
    return GPTConfig(toys.TOKENIZER.vocab_size, n_layer=len(types), attention=types, **SHAPE)


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Dataset:
    corpus = Stories(n_train=20, n_val=2, tasks=("cue",))
    return prepare(corpus, TokenizerConfig("bytes"), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def tasks():
    return encode_tasks(toys.TOKENIZER, *TOLD, SHAPE["block_size"], seed=0)[0]


def trainer_of(types: str, text: Dataset, folder: Path) -> Trainer:
    if not folder.exists():
        with run.begin(folder, False, "", text.tokenizer):
            pass
    settings = TrainConfig(max_steps=2, tokens_per_step=64, eval_every=2, optimizer=OptimizerConfig("adamw"))
    return Trainer(settings, GPT(config_of(types)), text, folder)


def stop_after_a_step(trainer: Trainer) -> Trainer:
    train_step = trainer.train_step

    def step() -> dict:
        trainer.stops.request(signal.SIGTERM)
        return train_step()

    trainer.train_step = step
    return trainer


@pytest.mark.parametrize("types", MIXTURES)
def test_a_mixture_trains_and_goes_on_where_it_stopped(tmp_path, text, types):
    stop_after_a_step(trainer_of(types, text, tmp_path / "stopped")).train()
    resumed = trainer_of(types, text, tmp_path / "stopped")
    resumed.restore()
    assert resumed.step == 1
    resumed.train()
    assert resumed.step == 2
    weights = resumed.model.state_dict()
    assert all(weight.isfinite().all() for weight in weights.values())
    straight = trainer_of(types, text, tmp_path / "straight")
    straight.train()
    assert all(torch.equal(weight, weights[name]) for name, weight in straight.model.state_dict().items())


@pytest.mark.parametrize("types", WITH_HEADS)
def test_a_mixture_with_heads_is_looked_at_while_it_trains(tasks, types):
    look = quick_probe_metrics(quick_probe(loud_model(config_of(types)), tasks))
    assert {key.split("/")[1] for key in look} == set(tasks)
    assert types[int(look["probe/agreement/head"].split(".")[0])] != "R"


@pytest.mark.parametrize("types", PAIRS)
def test_a_mixture_with_heads_is_probed_with_its_dynamics(tasks, types):
    model = loud_model(config_of(types))
    found = probe(model, toys.TOKENIZER, *TOLD)
    places = {result.name: (result.best, result.quotes[result.best].site) for result in found.tasks}
    moment = dynamics_at({"step": 0}, model, tasks, places)
    for result in found.tasks:
        look, quoted = moment["tasks"][result.name], result.quotes[result.best]
        assert (look["head"], look["choice_accuracy"]) == (result.best, quoted.accuracy)
