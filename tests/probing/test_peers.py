"""What is measured inside a network is what TransformerLens measures in it, on the same weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import GPT2_SHAPE
from exchanged import SIZES, VOCABULARY, export
from networks import Heads, loud_model
from tolerance import additions, assert_near, largest
from torch import Tensor

from data.cases.case import Case, EncodedCase, Spans
from model import GPT, GPTConfig
from probing.interventions import measure, single_heads, without_sets
from probing.patterns import PatternRecorder

CONFIG = GPTConfig(VOCABULARY, **SIZES, **GPT2_SHAPE)
BATCH, LENGTH = 6, 30
ADDITIONS = additions(CONFIG, LENGTH)
HEADS = [(layer, head) for layer in range(CONFIG.n_layer) for head in range(CONFIG.n_head)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpt2")


@pytest.fixture(scope="module")
def bridge(folder: Path, ours: GPT) -> Iterator[torch.nn.Module]:
    """The weights that ``ours`` has left in ``folder``, as they are: no norm folded, nothing centred."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            patch.setenv(name, "1")
        lens = pytest.importorskip("transformer_lens.model_bridge", reason="compares with transformer-lens 4.3")
        yield lens.TransformerBridge.boot_transformers(str(folder / "gpt2"), device="cpu")


@pytest.fixture(scope="module")
def ours(folder: Path) -> GPT:
    model = loud_model(CONFIG)
    export(model, folder / "gpt2")
    return model


@pytest.fixture(scope="module", autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def tokens() -> Tensor:
    return draw(3, BATCH, LENGTH)


def head_outputs(model: GPT, tokens: Tensor) -> list[Tensor]:
    recorder = Heads()
    model(tokens, hooks=recorder)
    return recorder.outputs


def test_patterns_agree_and_are_far_from_uniform(ours, bridge, tokens):
    rows = (29, 3, 0, 17)
    recorder = PatternRecorder(torch.tensor([rows]).expand(BATCH, -1))
    ours(tokens, hooks=recorder)
    _, cache = bridge.run_with_cache(tokens)
    for layer, pattern in recorder.patterns.items():
        expected = cache[f"blocks.{layer}.attn.hook_pattern"]  # [B, H, T, T]
        assert expected[:, :, LENGTH // 2 :].amax(-1).mean() > 0.2, "uniform rows would be at 0.05"
        assert_near(pattern, expected[:, :, rows], ADDITIONS, scale=1)


def test_outputs_of_heads_agree(ours, bridge, tokens):
    _, cache = bridge.run_with_cache(tokens)
    for layer, z in enumerate(head_outputs(ours, tokens)):
        assert_near(z, cache[f"blocks.{layer}.attn.hook_z"].transpose(1, 2), ADDITIONS)


def test_what_each_head_adds_to_the_stream_agrees(ours, bridge, tokens):
    bridge.set_use_attn_result(True)
    try:
        _, cache = bridge.run_with_cache(tokens)
    finally:
        bridge.set_use_attn_result(False)
    for layer, z in enumerate(head_outputs(ours, tokens)):
        w_o = ours.blocks[layer].attention.o.weight.unflatten(1, (CONFIG.n_head, -1))  # [D, H, d]
        result = torch.einsum("bhtd,ehd->bthe", z, w_o)  # [B, T, H, D]
        assert_near(result, cache[f"blocks.{layer}.attn.hook_result"], ADDITIONS)


def log_odds(logits: Tensor, answers: Tensor, foils: Tensor) -> Tensor:
    """log P(answer) - log P(foil) at the last position: [B] from logits [B, T, V]."""
    log_probs = logits[:, -1].log_softmax(-1)
    return (log_probs.gather(1, answers[:, None]) - log_probs.gather(1, foils[:, None]))[:, 0]


def lens_ablation(
    bridge: torch.nn.Module, tokens: Tensor, layer: int, head: int, vector: Tensor, answers: Tensor, foils: Tensor
) -> Tensor:
    """TransformerLens's log-odds [B] with ``vector`` [d] as the output of one head at all positions."""

    def replace(z: Tensor, hook: object) -> Tensor:
        z[:, :, head] = vector  # [B, T, H, d]
        return z

    hooks = [(f"blocks.{layer}.attn.hook_z", replace)]
    return log_odds(bridge.run_with_hooks(tokens, fwd_hooks=hooks, return_type="logits"), answers, foils)


def test_ablating_any_head_by_its_mean_changes_the_log_odds_alike(ours, bridge, tokens):
    answers, foils = draw(4, BATCH), draw(5, BATCH)
    means = torch.stack([z.mean(dim=(0, 2)) for z in head_outputs(ours, draw(6, 2 * BATCH, LENGTH))])  # [L, H, d]
    odds = measure(ours, cases_of(tokens, answers, foils), {"mean_ablation": without_sets(single_heads(ours), means)})
    logits = bridge(tokens, return_type="logits")
    reference = log_odds(logits, answers, foils)
    for (layer, head), after in zip(HEADS, odds["mean_ablation"], strict=True):
        change = after - odds["clean"][0]
        assert change.abs().max() > 0.01, "the head matters"
        expected = lens_ablation(bridge, tokens, layer, head, means[layer, head], answers, foils) - reference
        assert_near(change, expected, ADDITIONS, scale=largest(logits))
    assert bridge(tokens, return_type="logits").equal(logits), "no hook is left"


def cases_of(tokens: Tensor, answers: Tensor, foils: Tensor) -> list[EncodedCase]:
    """Each row of ``tokens`` [B, T] as a case whose answer comes behind it."""
    nothing = Case("", "", "random", "random", "report", Spans((), (), (0, 0)), "")
    sites = {"A-1": LENGTH - 1, "A": LENGTH}
    return [
        EncodedCase(nothing, (*row, answer), ((0, 1),), ((1, 2),), sites, answer, foil)
        for row, answer, foil in zip(tokens.tolist(), answers.tolist(), foils.tolist(), strict=True)
    ]
