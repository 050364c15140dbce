"""A pass in which nothing is changed is the plain one, whatever its first row; what cannot be is said."""

import pytest
import torch
from conftest import ATTENTION_ALONE, GPT2_SHAPE
from networks import loud_model
from tolerance import additions, assert_near, largest, tolerance

from model import GPTConfig
from probing.patterns import PatternRecorder
from probing.replay import Replay, reach

SHAPES = {
    "modern, grouped": {"n_head": 4, "n_kv_head": 2},
    "gpt2": {"n_head": 4, **GPT2_SHAPE},
    "attention alone": {"n_head": 4, **ATTENTION_ALONE},
    "window, strides": {"attention": "WSW", "window": 4, "stride": 3},
    "linear": {"attention": "L", "n_kv_head": 2},
    "linear, window, full": {"attention": "LWF", "window": 4, "position": "learned"},
}


@pytest.fixture(params=SHAPES)
def replay(request) -> Replay:
    model = loud_model(GPTConfig(vocab_size=50, block_size=16, n_layer=3, n_embd=32, **SHAPES[request.param]))
    tokens = torch.randint(50, (5, 12), generator=torch.Generator().manual_seed(0))
    return Replay(model, tokens, asked=torch.tensor([11, 3, 7, 7, 0]))


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("back", [0, 2, 99])
def test_nothing_changed_is_the_plain_pass_from_any_row(replay, layer, back):
    tokens = torch.randint(50, (5, 12), generator=torch.Generator().manual_seed(1))
    replay = Replay(replay.model, tokens, replay.asked)
    with torch.no_grad():
        expected = replay.model(tokens, rows=replay.asked[:, None])[:, 0]
    got = replay.logits(layer, (replay.asked - back).clamp(min=0), n_variants=3)
    assert got.shape == (3, 5, 50)
    assert_near(got, expected.expand(3, -1, -1), additions(replay.model.config, 12))


def test_a_layer_that_is_none_and_a_row_behind_the_asked_one_are_errors(replay):
    with pytest.raises(ValueError, match="layer 3: the layers with heads are \\[0, 1, 2\\]"):
        replay.logits(3, replay.asked)
    with pytest.raises(ValueError, match="cannot change it: attention is causal"):
        replay.logits(0, replay.asked + 1)


def test_from_the_last_layer_only_the_asked_row_leads_on(replay):
    rows = torch.tensor([11, 2, 8, 7, 0])
    assert replay.has_path(2, rows).tolist() == [True, False, False, True, True]
    assert replay.has_path(1, rows).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("back", [0, 2, 99])
def test_recurrent_layers_are_run_as_a_whole(layer, back):
    shape = {"attention": "LRFR", "n_layer": 4}
    model = loud_model(GPTConfig(vocab_size=50, block_size=16, n_embd=32, **shape))
    tokens, asked = (
        torch.randint(50, (5, 12), generator=torch.Generator().manual_seed(1)),
        torch.tensor([11, 3, 7, 7, 0]),
    )
    replay = Replay(model, tokens, asked)
    with torch.no_grad():
        expected = model(tokens, rows=asked[:, None])[:, 0]
    got = replay.logits(layer, (asked - back).clamp(min=0), n_variants=3)
    assert_near(got, expected.expand(3, -1, -1), additions(model.config, 12))
    with pytest.raises(ValueError, match="layer 1: the layers with heads are"):
        replay.logits(1, asked)


@pytest.mark.parametrize("attention", ["WWW", "FWW", "WSW", "SSS", "LWS", "WRW", "WWF"])
def test_reach_says_which_rows_a_change_can_get_to(attention):
    shape = {"attention": attention, "n_layer": 3, "window": 3, "stride": 4}
    model = loud_model(GPTConfig(vocab_size=50, block_size=16, n_embd=32, **shape))
    tokens = torch.randint(50, (1, 16), generator=torch.Generator().manual_seed(1))

    class Push(PatternRecorder):
        def __init__(self, at):
            super().__init__(rows=torch.zeros(1, 1, dtype=torch.long))
            self.at = at

        def z(self, layer, z):
            if layer == self.at:
                z = z.clone()
                z[:, :, 2] += 1
            return z

    with torch.no_grad():
        clean = model(tokens)
        rounding = tolerance(n_terms=additions(model.config, 16), scale=largest(clean))
        for layer in model.config.layers_with_heads:
            moved = (model(tokens, hooks=Push(layer)) - clean).abs().amax((0, 2))[2:] > rounding
            assert reach(model, layer, 13).tolist() == moved.tolist()
