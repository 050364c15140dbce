"""Each intervention on a public trained network, on cases of token ids, is what a hook in a whole forward pass does."""

import pytest
import torch
from networks import Heads
from sorter import FOLDER, N_LETTERS, cases_of_sorting, load_sorter
from tolerance import additions, tolerance
from torch import Tensor

from data import EncodedCase
from data.cases.fit import encode_cases
from data.text.tokenizers import IdTokenizer
from model import GPT, Hooks
from probing.effects import Effect, measure_effects
from probing.heads import head_names, parse_head
from probing.interventions import mean_outputs
from probing.interventions.whole_heads import donors
from probing.splits import Split

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the public sorter is not there")
N_CASES, SEED, LAST = 40, 3, 8  # LAST: the row that the answer is read at
KINDS = ("weight_swap", "edge_ablation", "pattern_patching", "activation_patching")
KINDS += ("zero_ablation", "mean_ablation", "mean_ablation_per_position", "resample_ablation")


@pytest.fixture(scope="module")
def model() -> GPT:
    return load_sorter()


@pytest.fixture(scope="module")
def cases() -> list[EncodedCase]:
    """All equally long, so that positions counted from the end are those counted from the beginning."""
    encoded = encode_cases(cases_of_sorting(), IdTokenizer(N_LETTERS))
    return [case for case in encoded if case.sites["A-1"] == LAST][:N_CASES]


@pytest.fixture(scope="module")
def effects(model, cases) -> dict[str, dict[str, Effect]]:
    means = mean_outputs(model, cases)
    return measure_effects(model, Split(cases), dict.fromkeys(head_names(model), "A-1"), [], means, seed=SEED)


@torch.no_grad()
def answers(model: GPT, cases: list[EncodedCase], hooks: Hooks) -> Tensor:
    """Log-odds of the answer and log P of it: [B, 2]."""
    tokens = torch.tensor([case.tokens[:-1] for case in cases])
    log_probs = model(tokens, hooks=hooks)[:, LAST].log_softmax(-1)
    ids = torch.tensor([[case.answer, case.foil] for case in cases])
    answer, foil = log_probs.gather(1, ids).split(1, dim=1)
    return torch.cat((answer - foil, answer), 1)


def mark(cases: list[EncodedCase], name: str) -> Tensor:
    """1 where a case has its gold, or its distractors: [B, T]."""
    marks = torch.zeros(len(cases), LAST + 1)
    for row, case in zip(marks, cases, strict=True):
        row[[start for start, _ in getattr(case, name)]] = 1
    return marks


def by_hand(kind: str, layer: int, head: int, clean: Heads, cases: list[EncodedCase]) -> Heads:
    """The change of one head; ``clean``: what was recorded without it."""
    gold, rival = mark(cases, "gold"), mark(cases, "distractors")
    other = torch.arange(len(cases)) ^ 1
    row, output = clean.patterns[layer][:, head, LAST], clean.outputs[layer][:, head]
    rest = row * (1 - gold)
    to_gold, to_rival = ((row * marks).sum(1, keepdim=True) for marks in (rival, gold))
    swapped = rest * (1 - rival) + row * gold * to_gold / to_rival + row * rival * to_rival / to_gold
    rows = {"weight_swap": swapped, "edge_ablation": rest / rest.sum(1, keepdim=True), "pattern_patching": row[other]}
    outputs = {
        "zero_ablation": torch.zeros_like(output),
        "mean_ablation": output.mean((0, 1)),
        "mean_ablation_per_position": output.mean(0),
        "resample_ablation": output[donors(cases, torch.Generator().manual_seed(SEED))],
    }

    def pattern(new: Tensor) -> Tensor:
        new[:, head, LAST] = rows[kind]
        return new

    def z(new: Tensor) -> Tensor:
        if kind == "activation_patching":
            new[:, head, LAST] = output[other, LAST]
        else:
            new[:, head] = outputs[kind]
        return new

    return Heads(layer, pattern=pattern) if kind in rows else Heads(layer, z=z)


@pytest.mark.parametrize("kind", KINDS)
def test_an_intervention_is_what_a_hook_does(model, cases, effects, kind):
    assert len(cases) == N_CASES
    watch = Heads()
    clean = answers(model, cases, watch)
    near = tolerance(n_terms=additions(model.config, LAST + 1), scale=30)
    for name in head_names(model):
        after = answers(model, cases, by_hand(kind, *parse_head(name), watch, cases))
        expected = pytest.approx(tuple((clean - after).mean(0).tolist()), abs=near)
        assert (effects[kind][name].drop, effects[kind][name].log_prob_drop) == expected, name


def test_it_knows_every_answer_and_needs_its_first_layer(effects, model, cases):
    assert float(answers(model, cases, Heads())[:, 1].exp().min()) > 0.9
    assert max(effects["mean_ablation"][f"0.{head}"].drop for head in range(3)) > 1
