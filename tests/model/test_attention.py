"""What is observed is what is computed, and causality holds."""

import pytest
import torch
from conftest import ATTENTION_ALONE, GPT2_SHAPE
from networks import Heads, loud_model
from tolerance import additions, assert_near, largest, tolerance

from model import GPT, GPTConfig, Hooks
from model.attention import attention_weights
from probing.patterns import PatternRecorder

CONFIGS = {
    "modern": {},
    "grouped keys and values": {"n_kv_head": 2},
    "no query-key norm": {"qk_norm": False},
    "no softcap": {"softcap": 0.0},
    "gpt2": GPT2_SHAPE,
    "attention alone": ATTENTION_ALONE,
    "window": {"attention": "W", "window": 5},
    "strided, grouped": {"attention": "WS", "window": 5, "stride": 3, "n_kv_head": 2},
    "linear": {"attention": "L"},
    "linear, learned positions": {"attention": "FL", "position": "learned", "n_kv_head": 2},
    "scores as they are": {"scale_attention": False},
}
TOKENS = torch.randint(50, (2, 20), generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def model(request: pytest.FixtureRequest) -> GPT:
    torch.manual_seed(2)
    model = GPT(GPTConfig(50, block_size=24, n_layer=2, n_head=4, n_embd=32, **request.param)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def test_a_loss_of_some_rows_is_refused(model):
    with pytest.raises(ValueError, match="a loss is of all positions: leave rows out"):
        model(TOKENS, TOKENS, rows=torch.tensor([[1], [2]]))


def test_weights_in_double_precision_are_as_exact_as_that():
    q, k = torch.randn(2, 1, 2, 8, 16, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    visible = torch.ones(1, 1, 8, 8, dtype=torch.bool).tril()
    expected = (q @ k.mT).masked_fill(~visible, -torch.inf).softmax(-1)
    assert_near(attention_weights(q, k, visible, scale=1.0), expected, 16)


def test_watching_changes_nothing(model):
    assert_near(model(TOKENS, hooks=PatternRecorder()), model(TOKENS), additions(model.config, 20))


def test_explicit_pattern_times_values_is_the_fused_output_in_every_row(model):
    fused, explicit = Heads(rows=torch.zeros(2, 1, dtype=torch.long)), Heads()
    model(TOKENS, hooks=fused)
    model(TOKENS, hooks=explicit)
    for from_kernel, from_pattern in zip(fused.outputs, explicit.outputs, strict=True):
        assert_near(from_pattern, from_kernel, additions(model.config, 20))


def test_chosen_rows_are_rows_of_the_whole_pattern(model):
    rows = torch.tensor([[0, 7, 19], [3, 3, 12]])
    some, everything = PatternRecorder(rows), PatternRecorder()
    model(TOKENS, hooks=some)
    model(TOKENS, hooks=everything)
    for chosen, whole in zip(some.patterns.values(), everything.patterns.values(), strict=True):
        expected = torch.stack([whole[b][:, rows[b]] for b in range(2)])
        assert_near(chosen, expected, additions(model.config, 20), scale=1)


def test_patterns_are_distributions_over_the_past(model):
    recorder = PatternRecorder()
    model(TOKENS, hooks=recorder)
    for pattern in recorder.patterns.values():
        assert_near(pattern.sum(-1), torch.ones(2, 4, 20), n_terms=20)
        assert not pattern.triu(1).any()


def test_a_replaced_pattern_reaches_the_output_only_through_its_row(model):
    class LookAtFirst(Hooks):
        def pattern(self, layer, pattern):
            replaced = torch.zeros_like(pattern)
            replaced[..., 0] = 1
            return replaced

    rows = torch.full((2, 1), 10)
    plain = model(TOKENS)
    changed = (model(TOKENS, hooks=LookAtFirst(rows)) - plain).abs().amax((0, 2))
    rounding = tolerance(n_terms=additions(model.config, 20), scale=largest(plain))
    assert changed[:10].max() < rounding
    assert changed[10] > 1
    assert changed[11:].max() > 0.03 > 100 * rounding, "later rows read row 10 in the next layer"


def test_replaced_head_outputs_reach_the_output(model):
    class Silence(Hooks):
        def z(self, layer, z):
            return torch.zeros_like(z)

    assert (model(TOKENS, hooks=Silence()) - model(TOKENS)).abs().max() > 1


def test_the_future_cannot_be_seen(model):
    changed = TOKENS.clone()
    changed[:, 12:] = (changed[:, 12:] + 1) % 50
    before, after = model(TOKENS), model(changed)
    assert_near(after[:, :12], before[:, :12], additions(model.config, 20))
    assert (after[:, 12:] - before[:, 12:]).abs().max() > 1


def test_logits_at_rows_are_rows_of_the_logits(model):
    rows = torch.tensor([[4, 19], [0, 7]])
    expected = torch.stack([model(TOKENS)[b, rows[b]] for b in range(2)])
    assert_near(model(TOKENS, rows=rows), expected, additions(model.config, 20))


def test_watching_under_dropout_is_refused():
    model = GPT(GPTConfig(50, block_size=24, n_layer=1, n_head=2, n_embd=16, dropout=0.1)).train()
    with pytest.raises(ValueError, match="eval"):
        model(TOKENS, hooks=Hooks())


@pytest.mark.parametrize("site", ["embedding", "attention weights", "attention's output", "feed-forward output"])
@torch.no_grad()
def test_dropout_changes_the_logits_at_each_of_its_four_sites_and_in_training_alone(site):
    model = loud_model(GPTConfig(50, block_size=24, n_layer=1, n_head=2, n_embd=16))
    block = model.blocks[0]
    if site == "attention's output":  # a block has one module for both of its outputs
        block.mlp.down.weight.zero_()
    if site == "feed-forward output":
        block.attention.o.weight.zero_()
    plain = model(TOKENS)
    if site == "attention weights":
        block.attention.dropout = 0.5
    else:
        (model if site == "embedding" else block).dropout.p = 0.5
    torch.manual_seed(0)
    assert torch.equal(model(TOKENS), plain)
    assert largest(model.train()(TOKENS) - plain) > 0.01


def test_a_sequence_longer_than_the_block_is_refused(model):
    with pytest.raises(ValueError, match="block_size=24"):
        model(torch.zeros(1, 25, dtype=torch.long))
