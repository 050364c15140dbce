"""Weights of one byte: a layer is off by their rounding and no more, and every type of attention works."""

import pytest
import torch
from networks import loud_model
from tolerance import largest, tolerance
from torch import nn

from model import GPT, GPTConfig, Sampling, generate
from model.int8 import Int8Linear, to_int8


@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_is_off_by_the_rounding_of_its_weights_and_inputs(bias):
    torch.manual_seed(0)
    linear, x = nn.Linear(256, 64, bias=bias), torch.randn(5, 256)
    linear.weight.data[3], linear.weight.data[4] = 0, 1e3 * linear.weight.data[4]  # each row has a scale of its own
    with torch.no_grad():
        exact, rounded = linear(x), Int8Linear(linear)(x)
    # Each number is off by up to half of 1/127 of its row's largest, on average by 0.29 of that.
    weights, inputs = (each.abs().amax(1) / 127 * 0.29 for each in (linear.weight.data, x))
    off = weights * x.norm(dim=1, keepdim=True) + inputs[:, None] * linear.weight.data.norm(dim=1)
    assert ((rounded - exact).abs() <= 5 * off + tolerance(torch.float32, 256, largest(exact))).all()


def test_a_token_is_rounded_as_it_is_alone():
    torch.manual_seed(0)
    layer, x = Int8Linear(nn.Linear(64, 32)), torch.randn(2, 5, 64)
    x[0, 0] *= 1e4
    assert torch.equal(layer(x)[1, 2], layer(x[1, 2:3])[0])


@pytest.mark.parametrize("shape", [{"attention": "FWSLR", "n_layer": 5}, {"tie_embeddings": True, "bias": True}])
def test_a_model_of_such_weights_writes(shape):
    config = GPTConfig(40, **{"block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, **shape})
    model = loud_model(config, queries=0.3, rest=0.1)
    with torch.no_grad():
        exact = model(torch.arange(9)[None])
    to_int8(model)
    assert not any(type(module) is nn.Linear for module in model.modules())
    with torch.no_grad():
        rounded = model(torch.arange(9)[None])
    assert float((rounded - exact).norm() / exact.norm()) < 0.02  # measured: 0.008
    assert len(list(generate(model, torch.arange(3), 2, 20, Sampling(), seed=0))) == 20


def test_a_loss_is_refused():
    model, tokens = GPT(GPTConfig(40, block_size=16, n_layer=1, n_head=2, n_embd=16)).eval(), torch.arange(9)[None]
    to_int8(model)
    with pytest.raises(ValueError, match="weights of 8 bits give logits, no loss: leave targets out"):
        model(tokens, tokens)


def test_another_device_is_refused():
    with torch.device("meta"):
        model = GPT(GPTConfig(40, block_size=16, n_layer=1, n_head=2, n_embd=16))
    with pytest.raises(ValueError, match="for a CPU, not for meta"):
        to_int8(model)
