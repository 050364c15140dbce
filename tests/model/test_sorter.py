"""A public trained network computes here what another implementation computed, and sorts.

It is minGPT's demonstration: it reads six letters out of three, and writes them in order (github.com/bbycroft/llm-viz).
"""

import base64
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import inputs
import pytest
import torch
from conftest import GPT2_SHAPE
from tolerance import additions, assert_near, largest
from torch import Tensor
from torch.nn import functional as F

from huggingface.gpt2 import GPT2
from model import GPT, GPTConfig, Hooks, Sampling, generate
from storage.weights import set_parameters

FOLDER = inputs.REAL / "llm-viz"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the public sorter is not there")
N_LETTERS, LENGTH = 3, 6


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The float32 tensors that a file of llm-viz holds in base64."""
    stored = json.loads(path.read_text())
    return {
        name: torch.frombuffer(bytearray(base64.b64decode(part["data"])), dtype=torch.float32).view(part["shape"])
        for name, part in stored.items()
        if name != "config"
    }


@pytest.fixture(scope="module")
def model() -> GPT:
    """The sorter; its tensors have GPT-2's names, with weights as ``torch.nn.Linear`` has them."""
    tensors = tensors_of(FOLDER / "gpt-nano-sort-model.json")
    shape = GPT2_SHAPE | {"tie_embeddings": False}
    model = GPT(GPTConfig(N_LETTERS, 2 * LENGTH - 1, n_layer=3, n_head=3, n_embd=48, **shape)).eval()
    parts = (replace(row, turned=False).part(tensors[row.theirs]) for row in GPT2.rows(model.config))
    set_parameters(model, dict(pair for part in parts for pair in part))
    return model


@pytest.fixture(scope="module")
def stored() -> dict[str, Tensor]:
    """What was computed elsewhere for three inputs: all of the first layer, and what the others put out."""
    return tensors_of(FOLDER / "gpt-nano-sort-t0-partials.json")


class Recorder(Hooks):
    """What was computed here, under the same names."""

    def __init__(self, model: GPT, tokens: Tensor) -> None:
        super().__init__()
        self.seen: dict[str, Tensor] = {}
        handle = model.norm.register_forward_hook(self.final)
        with torch.no_grad():
            self.seen["lm_head"] = model(tokens, hooks=self)
        handle.remove()
        self.seen["probs"] = self.seen["lm_head"].softmax(-1)

    def final(self, module: torch.nn.Module, x: tuple[Tensor], normed: Tensor) -> None:
        self.seen |= {"block2": x[0], "ln_f": normed}

    def residual(self, layer: int, x: Tensor) -> None:
        self.seen[f"block{layer - 1}" if layer else "x"] = x

    def projected(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> None:
        if layer == 0:
            self.seen |= {"q": q, "k": k, "v": v}

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        self.seen.setdefault("attSm", pattern)
        return pattern

    def z(self, layer: int, z: Tensor) -> Tensor:
        self.seen.setdefault("y", z.transpose(1, 2).flatten(2))
        return z


def test_what_is_computed_on_the_way_is_what_another_implementation_computed(model, stored):
    seen, n_terms = Recorder(model, stored["idx"].long()).seen, additions(model.config, 2 * LENGTH - 1)
    for name, got in seen.items():
        assert_near(got, stored[name], n_terms)


def test_its_gelu_is_the_approximation(stored):
    approximated, exact = (F.gelu(stored["fc"], approximate=form) for form in ("tanh", "none"))
    assert_near(approximated, stored["gelu"], n_terms=4)
    assert largest(exact - stored["gelu"]) > 1e-4, "which tells the two apart"


def test_it_sorts_every_input(model):
    prompts = torch.tensor(list(product(range(N_LETTERS), repeat=LENGTH)))
    written = torch.stack(list(generate(model, list(prompts), 1, LENGTH, Sampling(temperature=0), seed=0)), dim=1)
    assert torch.equal(written, prompts.sort(dim=1).values)
