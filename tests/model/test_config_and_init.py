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


@pytest.mark.parametrize(
    ("shape", "embedding", "inner", "output", "head"),
    [
        ({}, 1, 128**-0.5, 0, 0.001),
        ({"norm": "none"}, 1, 128**-0.5, 0, 0.001),
        ({"tie_embeddings": True}, 0.02, 128**-0.5, 0, 0.02),
        ({"norm": "layernorm"}, 0.02, 0.02, 0.02 / math.sqrt(2 * 3), 0.02),
    ],
    ids=["modern", "no norm", "tied", "gpt2"],
)
def test_weights_begin_as_large_as_the_table_says(shape, embedding, inner, output, head):
    """The smallest weight has 16,384 numbers, whose deviation is within 3 % of the one they are drawn with."""
    model = GPT(GPTConfig(300, position="learned", bias=True, **{"tie_embeddings": False} | shape))
    expected = [(model.embed, embedding), (model.position, embedding), (model.head, head)]
    for block in model.blocks:
        attention, mlp = block.attention, block.mlp
        expected += [(linear, inner) for linear in (attention.q, attention.k, attention.v, mlp.up)]
        expected += [(linear, output) for linear in (attention.o, mlp.down)]
    for module, deviation in expected:
        assert module.weight.std().item() == pytest.approx(deviation, rel=0.05)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        elif "norm" in name:
            assert (parameter == 1).all()


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_gates_begin_with_memories_of_all_lengths(norm):
    linear, recurrent = (block.attention for block in GPT(GPTConfig(10, n_layer=2, attention="LR", norm=norm)).blocks)
    assert not linear.gate.weight.any()
    width = 85  # 2/3 of 128
    for weight, fan_in in ((recurrent.gru.weight_ih_l0, 128), (recurrent.gru.weight_hh_l0, width)):
        assert weight.std().item() == pytest.approx(fan_in**-0.5, rel=0.05)
    reset, update, new = recurrent.gru.bias_ih_l0.split(width)
    assert not torch.cat((reset, new, recurrent.gru.bias_hh_l0)).any()
    for gates, shortest, longest in ((linear.gate.bias, 8, 1024), (update, 2, 128)):
        memory = -1 / gates.sigmoid().log()  # tokens after which 1/e is left
        assert memory[[0, -1]].tolist() == pytest.approx([shortest, longest], rel=1e-3)
        ratios = memory[1:] / memory[:-1]
        assert ratios.tolist() == pytest.approx([ratios[0].item()] * len(ratios), rel=1e-3)


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


@pytest.mark.parametrize(
    ("attention", "long", "short"),
    [
        ("F", (12 + 12) * 96, (12 + 12) * 10),  # each key is scored and mixed
        ("W", (12 + 12) * 20, (12 + 12) * 10),
        ("S", (12 + 12) * 14, (12 + 12) * 2),  # as many keys as there are multiples of 7 below 96, and below 10
        ("L", (24 + 13) * 64 + 2 * 24 * 13, (24 + 13) * 10 + 2 * 24 * 13),  # keys of a chunk; a state, read and written
        ("R", 0, 0),
    ],
)
def test_flops_of_each_attention_type_are_six_for_each_number_multiplied(attention, long, short):
    """In each of two heads of 12 numbers, for the last token of 96 and of 10."""
    shape = {"n_layer": 1, "n_head": 2, "n_embd": 24, "attention": attention, "window": 20, "stride": 7}
    for block_size, multiplied in ((96, long), (10, short)):
        model = GPT(GPTConfig(100, block_size, **shape))
        assert model.flops_per_token() == 6 * (model.n_parameters() + 2 * multiplied)


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
