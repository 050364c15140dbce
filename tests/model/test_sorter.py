"""A public trained network computes here what another implementation computed, and sorts.

It is minGPT's demonstration: it reads six letters out of three, and writes them in order (github.com/bbycroft/llm-viz).
"""

from itertools import product

import pytest
import torch
from sorter import FOLDER, LENGTH, N_LETTERS, load_sorter, tensors_of
from tolerance import additions, assert_near, largest
from torch import Tensor
from torch.nn import functional as F

from model import GPT, Hooks, Sampling, generate

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the public sorter is not there")


@pytest.fixture(scope="module")
def model() -> GPT:
    return load_sorter()


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
