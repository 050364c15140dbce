"""Every mixture of one to three letters of attention trains, resumes, samples, is probed and filmed."""

import signal
from itertools import product
from pathlib import Path

import pytest
import torch
import toys
from networks import loud_model

from data import Dataset, TokenizerConfig, prepare
from data.stories import Stories
from model import GPT, GPTConfig, Sampling, generate
from probing import encode_families, glance, probe, record_film
from probing.dynamics import metrics
from storage import run
from training import OptimizerConfig, TrainConfig, Trainer

LETTERS = "FWSLR"
MIXTURES = ["".join(letters) for n in (1, 2, 3) for letters in product(LETTERS, repeat=n)]
WITH_HEADS = [letters for letters in MIXTURES if set(letters) != {"R"}]
PAIRS = [letters for letters in WITH_HEADS if len(letters) == 2]
SHAPE = {"block_size": 32, "n_head": 2, "n_embd": 16, "window": 4, "stride": 3}
TOLD = tuple(toys.toy_cases(split, 20) for split in ("select", "report"))


def config_of(letters: str) -> GPTConfig:
    return GPTConfig(toys.TOKENIZER.vocab_size, n_layer=len(letters), attention=letters, **SHAPE)


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Dataset:
    corpus = Stories(n_train=20, n_val=2, families=("cue",))
    return prepare(corpus, TokenizerConfig("bytes"), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def families():
    return encode_families(toys.TOKENIZER, *TOLD, SHAPE["block_size"], seed=0)[0]


def trainer_of(letters: str, text: Dataset, folder: Path) -> Trainer:
    if not folder.exists():
        with run.begin(folder, False, "", text.tokenizer):
            pass
    settings = TrainConfig(max_steps=2, tokens_per_step=64, eval_every=2, optimizer=OptimizerConfig("adamw"))
    return Trainer(settings, GPT(config_of(letters)), text, folder)


def stop_after_a_step(trainer: Trainer) -> Trainer:
    train_step = trainer.train_step

    def step() -> dict:
        trainer.request_stop(signal.SIGTERM, None)
        return train_step()

    trainer.train_step = step
    return trainer


@pytest.mark.parametrize("letters", MIXTURES)
def test_a_mixture_trains_and_goes_on_where_it_stopped(tmp_path, text, letters):
    stop_after_a_step(trainer_of(letters, text, tmp_path / "stopped")).train()
    resumed = trainer_of(letters, text, tmp_path / "stopped")
    resumed.restore()
    assert resumed.step == 1
    resumed.train()
    assert resumed.step == 2
    weights = resumed.model.state_dict()
    assert all(weight.isfinite().all() for weight in weights.values())
    if len(letters) < 3:  # three letters take no other way
        straight = trainer_of(letters, text, tmp_path / "straight")
        straight.train()
        assert all(torch.equal(weight, weights[name]) for name, weight in straight.model.state_dict().items())


@pytest.mark.parametrize("letters", MIXTURES)
def test_a_mixture_writes_with_a_cache_what_it_writes_without(letters):
    prompt = torch.arange(SHAPE["block_size"] - 2)
    with_cache, without = (
        list(generate(loud_model(config_of(letters)), prompt, 2, 4, Sampling(), seed=0, use_cache=use_cache))
        for use_cache in (True, False)
    )
    assert torch.equal(torch.stack(with_cache), torch.stack(without))


@pytest.mark.parametrize("letters", WITH_HEADS)
def test_a_mixture_with_heads_is_looked_at_while_it_trains(families, letters):
    look = metrics(glance(loud_model(config_of(letters)), families))
    assert {key.split("/")[1] for key in look} == set(families)
    assert letters[int(look["probe/agreement/head"].split(".")[0])] != "R"


@pytest.mark.parametrize("letters", PAIRS)
def test_a_mixture_with_heads_is_probed_and_filmed(families, letters):
    model = loud_model(config_of(letters))
    found = probe(model, toys.TOKENIZER, *TOLD)
    places = {result.name: (result.best, result.quotes[result.best].site) for result in found.families}
    (frame,) = record_film([({"step": 0}, model)], families, places)
    for result in found.families:
        look, quoted = frame["families"][result.name], result.quotes[result.best]
        assert (look["head"], look["choice_accuracy"]) == (result.best, quoted.accuracy)
