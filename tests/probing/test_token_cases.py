"""What is measured on cases of token ids is what is measured on the text that has these ids."""

from dataclasses import asdict

import pytest
from inputs_of_ids import cases_of_letters, in_ids
from networks import loud_model

from data import Case, split_cases
from data.cases.fit import encode_cases
from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig
from probing import probe, to_json
from probing.effects import measure_effects
from probing.heads import head_names
from probing.interventions import mean_outputs
from probing.splits import Split

BYTES = byte_tokenizer()
KINDS = {"of text": cases_of_letters(72), "of ids": [*map(in_ids, cases_of_letters(72))]}


@pytest.fixture(scope="module")
def model() -> GPT:
    return loud_model(GPTConfig(BYTES.vocab_size, block_size=16, n_layer=2, n_head=2, n_embd=16))


def test_all_findings_are_the_same(model):
    found = [to_json(probe(model, BYTES, *split_cases(cases))) for cases in KINDS.values()]
    assert found[0]["tasks"]["letters"]["cases"] >= 36
    assert found[0] == found[1]


def test_every_intervention_runs_on_them_and_does_the_same(model):
    def effects(cases: list[Case]) -> dict:
        split, sites = Split(encode_cases(cases[:24], BYTES)), dict.fromkeys(head_names(model), "A-1")
        means = mean_outputs(model, split.cases)
        found = measure_effects(model, split, sites, ["1.0"], means, seed=0)
        return {kind: {head: asdict(effect) for head, effect in by_head.items()} for kind, by_head in found.items()}

    of_text, of_ids = map(effects, KINDS.values())
    assert len(of_ids) == 8
    assert of_text == of_ids
