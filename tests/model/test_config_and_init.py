"""Shapes are checked when they are made; initial weights are drawn from the seed and nothing else."""

import math

import pytest
import torch
from conftest import ATTENTION_ALONE, GPT2_SHAPE

from model import GPT, GPTConfig


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_head": 3}, "n_embd=128 does not divide into n_head=3"),
        ({"n_kv_head": 3}, "n_head=4 is not a multiple of n_kv_head=3"),
        ({"n_layer": 0}, "n_layer=0: must be at least 1"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"softcap": -1.0}, "softcap=-1.0"),
        ({"n_embd": 4, "n_head": 4}, "must be an even multiple of n_head"),
        ({"attention": "FX"}, "attention='FX': one letter per layer, out of F"),
        ({"attention": ""}, "attention=''"),
        ({"window": 0}, "window=0: must be at least 1"),
        ({"stride": 0}, "stride=0: must be at least 1"),
        ({"norm": "batchnorm"}, "norm='batchnorm': must be one of 'rmsnorm', 'layernorm', 'none'"),
        ({"mlp": "swiglu"}, "mlp='swiglu': must be one of 'relu2', 'gelu', 'gelu_exact', 'relu', 'none'"),
        ({"n_embd": 128.0}, "n_embd=128.0: must be a whole number"),
        ({"n_layer": True}, "n_layer=True: must be a whole number"),
        ({"n_kv_head": 2.0}, "n_kv_head=2.0: must be a whole number"),
        ({"window": 2.5}, "window=2.5: must be a whole number"),
        ({"qk_norm": "no"}, "qk_norm='no': must be True or False"),
        ({"dropout": "0"}, "dropout='0': must be a number"),
        ({"softcap": True}, "softcap=True: must be a number"),
        ({"attention": 7}, "attention=7: must be text"),
        ({"position": None}, "position=None: must be one of 'rope', 'learned'"),
    ],
)
def test_impossible_shapes_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        GPTConfig(vocab_size=10, **wrong)


def test_the_attention_pattern_is_tiled_over_the_layers():
    assert GPTConfig(10, n_layer=5, attention="F").attention_types == "FFFFF"
    mixed = GPTConfig(10, n_layer=7, attention="WRF")
    assert mixed.attention_types == "WRFWRFW"
    assert mixed.layers_with_heads == [0, 2, 3, 5, 6]


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    one = GPT(GPTConfig(10), seed=7)
    torch.manual_seed(2)
    same, other = GPT(GPTConfig(10), seed=7), GPT(GPTConfig(10), seed=8)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.embed.weight, other.embed.weight)


def test_weights_that_are_to_be_replaced_are_not_drawn(monkeypatch):
    monkeypatch.setattr("model.gpt.initialize", None)
    GPT(GPTConfig(10), seed=None)


@pytest.mark.parametrize("shape", [{}, {"tie_embeddings": False}, {"norm": "none"}, ATTENTION_ALONE])
def test_an_untrained_model_expects_every_token_alike(shape):
    model = GPT(GPTConfig(1000, **shape))
    tokens = torch.randint(1000, (4, 65), generator=torch.Generator().manual_seed(0))
    assert model(tokens[:, :-1], tokens[:, 1:]).item() == pytest.approx(math.log(1000), abs=0.1)


def test_counts_of_parameters_and_flops():
    model = GPT(GPTConfig(100, n_kv_head=2, tie_embeddings=False))
    matrices = 3 * (2 * 128 * 128 + 2 * 128 * 64 + 8 * 128 * 128)
    assert model.n_parameters() == matrices + 2 * 100 * 128
    assert model.flops_per_token() == 6 * (matrices + 100 * 128) + 12 * 3 * 128 * 128


def test_of_attention_alone_nothing_else_is_counted():
    model = GPT(GPTConfig(100, **ATTENTION_ALONE))
    weights = 3 * (4 * 128 * 128 + 4 * 128) + 100 * 128 + 100
    assert model.n_parameters() == weights
    assert model.flops_per_token() == 6 * weights + 12 * 3 * 128 * 128


@pytest.mark.parametrize(
    "shape", [{}, GPT2_SHAPE, ATTENTION_ALONE, {"n_kv_head": 1, "n_layer": 6}, {"attention": "LRS"}]
)
def test_the_weights_of_a_shape_are_known_before_they_are_made(shape):
    config = GPTConfig(2_000, **shape)
    assert config.n_weights() == pytest.approx(GPT(config).n_parameters(), rel=0.02)
