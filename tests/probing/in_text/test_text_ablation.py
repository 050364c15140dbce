"""Many variants in one batch are what hooks do one by one; a pass in which nothing is changed is the plain one."""

import numpy as np
import pytest
import torch
from conftest import ATTENTION_ALONE, GPT2_SHAPE
from networks import loud_model
from tolerance import additions, tolerance
from torch import Tensor
from torch.nn import functional as F

from common.progress import silent
from model import GPT, GPTConfig, Hooks
from probing.in_text import ablation
from probing.in_text.ablation import ABLATIONS, PER_POSITION, RESAMPLE, ablate, batches, means_over_windows
from probing.in_text.how_far_back import limited_losses, spans
from probing.in_text.quick import QuickText, quick_costs
from probing.in_text.windows import Windows

LENGTH, N, VOCABULARY = 12, 6, 50
SEED = 1  # which has each batch resampled from another distance
SHAPES = {
    "modern, grouped": {"n_head": 4, "n_kv_head": 2},
    "gpt2": GPT2_SHAPE,
    "attention alone": {**ATTENTION_ALONE, "qk_norm": True},
    "window, strides": {"attention": "WSW", "window": 4, "stride": 3},
    "linear, window, full": {"attention": "LWF", "window": 4},
    "recurrent between": {"attention": "FRF"},
}
CASES = pytest.mark.parametrize("shape", SHAPES)


def model_of(shape: str) -> GPT:
    return loud_model(GPTConfig(VOCABULARY, block_size=16, n_layer=3, n_embd=32, **{"n_head": 4} | SHAPES[shape]))


@pytest.fixture
def windows(monkeypatch) -> Windows:
    """Read in two batches of three."""
    monkeypatch.setattr(ablation, "WINDOWS_PER_BATCH", 3 * 4 * 32 * LENGTH)
    tokens = np.random.default_rng(0).integers(VOCABULARY, size=(N, LENGTH + 1))
    return Windows(tokens, np.arange(N) * LENGTH, np.arange(N))


class Outputs(Hooks):
    """Keeps every layer's heads' outputs, or puts ``new[layer]`` [B, H, T, d] in where ``heads[layer]`` [H] says."""

    def __init__(self, new: dict[int, Tensor] | None = None, heads: dict[int, list[int]] | None = None) -> None:
        super().__init__()
        self.new, self.heads, self.kept = new, heads or {}, {}

    def z(self, layer: int, z: Tensor) -> Tensor:
        self.kept[layer] = z
        z = z.clone()
        for head in self.heads.get(layer, []):
            z[:, head] = self.new[layer][:, head]
        return z


def losses(model: GPT, windows: Windows, hooks: Hooks | None = None) -> Tensor:
    tokens = torch.from_numpy(windows.tokens)
    logits = model(tokens[:, :-1], hooks=hooks)
    return F.cross_entropy(logits.mT, tokens[:, 1:], reduction="none")


def limit(model: GPT, expected: Tensor) -> float:
    return tolerance(n_terms=additions(model.config, LENGTH), scale=float(abs(expected).max()))


def replaced(name: str, kept: dict[int, Tensor], donors: list[int]) -> dict[int, Tensor]:
    """What takes the place of outputs, made the plain way."""
    if name == RESAMPLE:
        return {layer: z[donors] for layer, z in kept.items()}
    others = [[i for i in range(N) if i != own] for own in range(N)]
    means = {layer: torch.stack([z[own].mean(0) for own in others]) for layer, z in kept.items()}
    if name == PER_POSITION:
        return means
    return {layer: mean.mean(2, keepdim=True).expand_as(mean) for layer, mean in means.items()}


def donors_of(model: GPT, windows: Windows) -> np.ndarray:
    """Which window each is resampled from: another one of its batch, so many on."""
    rng, donors = np.random.default_rng(SEED), np.arange(N)
    for chosen in batches(model, windows):
        donors[chosen] = np.roll(chosen, rng.integers(1, len(chosen)))
    assert len(chosen) == 3
    assert (donors != np.arange(N)).all()
    return donors


@CASES
@pytest.mark.parametrize("name", ABLATIONS)
@torch.no_grad()
def test_ablations_in_batches_are_those_of_hooks_one_by_one(shape, name, windows, monkeypatch):
    model = model_of(shape)
    monkeypatch.setattr(ablation, "VARIANTS_PER_BATCH", 2 * 3 * 4 * 32 * LENGTH)  # two variants of three windows
    got = ablate(model, windows, means_over_windows(model, windows, silent), [name], SEED, silent)
    plain = Outputs()
    clean = losses(model, windows, plain)
    within = limit(model, clean)
    np.testing.assert_allclose(got.clean, clean, atol=within)
    donors = donors_of(model, windows)
    new = replaced(name, plain.kept, donors)
    layers, n_head = model.config.layers_with_heads, model.config.n_head

    def grown(heads: dict[int, list[int]]) -> np.ndarray:
        return (losses(model, windows, Outputs(new, heads)) - clean).numpy()

    for i, layer in enumerate(layers):
        for head in range(n_head):
            expected = grown({layer: [head]})
            np.testing.assert_allclose(got.heads[name][i * n_head + head], expected, atol=2 * within)
            assert np.abs(expected).max() > 100 * within
        np.testing.assert_allclose(got.layers[name][i], grown({layer: [*range(n_head)]}), atol=2 * within)
    np.testing.assert_allclose(
        got.all_heads[name][0], grown({layer: [*range(n_head)] for layer in layers}), atol=2 * within
    )


@torch.no_grad()
def test_heads_that_put_out_nothing_cost_nothing(windows):
    model = model_of("modern, grouped")
    for block in model.blocks:
        block.attention.v.weight.zero_()
    got = ablate(model, windows, means_over_windows(model, windows, silent), ABLATIONS, 0, silent)
    for name in ABLATIONS:
        assert np.abs(got.heads[name]).max() <= limit(model, got.clean)


def test_quick_costs_are_means_over_all_tokens_and_over_those_of_the_kind_that_costs_most(windows):
    model, part = model_of("modern, grouped"), np.array([0, 2, 5])
    kind = np.random.default_rng(2).integers(3, size=(len(part), LENGTH))
    of_kind = {name: kind == code for code, name in enumerate(("pronoun", "line_end", "rest"))}
    costs = quick_costs(model, QuickText(windows, part, of_kind))
    assert [*costs] == [f"{layer}.{head}" for layer in range(3) for head in range(4)]
    means = means_over_windows(model, windows, silent)
    got = ablate(model, windows.take(part), means, [PER_POSITION], 0, silent)
    within = 2 * limit(model, torch.from_numpy(got.clean))
    for cost, own in zip(costs.values(), got.heads[PER_POSITION], strict=True):
        by_kind = {name: own[mask].sum() / mask.sum() for name, mask in of_kind.items()}
        assert cost.nats == pytest.approx(own.sum() / own.size, abs=within)
        assert cost.kind_nats == pytest.approx(max(by_kind.values()), abs=within)
        assert by_kind[cost.kind] == pytest.approx(cost.kind_nats, abs=within)
    bare = quick_costs(model, QuickText(windows, part, {}))["0.0"]
    assert (bare.kind, bare.kind_nats) == (None, None)


def test_batches_side_by_side_have_the_numbers_of_one_after_the_other(windows):
    model = model_of("modern, grouped")
    tokens = np.random.default_rng(1).integers(VOCABULARY, size=(2 * N, LENGTH + 1))
    twice = Windows(tokens, np.arange(2 * N) * LENGTH, np.arange(2 * N))
    assert len(batches(model, twice)) == 4
    means, found = means_over_windows(model, twice, silent), []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            read: list[int] = []
            lost = ablate(model, twice, means, ABLATIONS, 0, read.append)
            found.append((lost, limited_losses(model, twice, [1, 3], read.append)))
            assert read == [3, 6, 9, 12] * 2
    finally:
        torch.set_num_threads(before)
    (one, one_limited), (two, two_limited) = found
    within = 2 * limit(model, torch.from_numpy(one.clean))  # two threads add in another order
    np.testing.assert_allclose(two.clean, one.clean, atol=within)
    np.testing.assert_allclose(two_limited, one_limited, atol=within)
    for name in ABLATIONS:
        for part in ("heads", "layers", "all_heads"):
            np.testing.assert_allclose(getattr(two, part)[name], getattr(one, part)[name], atol=within)


class Diagonal(Hooks):
    """Every query sees itself alone."""

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        return torch.eye(pattern.size(-1)).expand_as(pattern)


LIMITED = pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "recurrent between"])


@LIMITED
@torch.no_grad()
def test_looking_as_far_back_as_the_window_is_long_is_the_full_loss_and_one_token_is_a_diagonal_mask(shape, windows):
    model = model_of(shape)
    full, diagonal = losses(model, windows), losses(model, windows, Diagonal())
    one, whole = limited_losses(model, windows, [1, LENGTH], silent)
    np.testing.assert_allclose(whole, full, atol=limit(model, full))
    np.testing.assert_allclose(one, diagonal, atol=limit(model, full))
    assert float((full - diagonal).abs().max()) > 0.1


class Near(Hooks):
    """Every query sees the last three tokens alone."""

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        pattern = pattern.triu(-2)
        return pattern / pattern.sum(-1, keepdim=True)


@LIMITED
@torch.no_grad()
def test_limits_in_between_are_those_of_a_mask(shape, windows):
    model = model_of(shape)
    expected = losses(model, windows, Near())
    (got,) = limited_losses(model, windows, [3], silent)
    np.testing.assert_allclose(got, expected, atol=limit(model, expected))


def test_a_recurrent_layer_cannot_be_limited(windows):
    with pytest.raises(ValueError, match="a recurrent layer's sight cannot be limited"):
        limited_losses(model_of("recurrent between"), windows, [1], silent)


def test_limits_double_up_to_the_length():
    assert spans(256) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert spans(12) == [1, 2, 4, 8, 12]
    assert spans(1) == [1]
