"""The two architectures compute what the implementations that everybody trusts compute, from the same weights."""

import pytest
import torch
from exchanged import read_gpt2
from tolerance import additions, assert_near
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, NanoChatConfig, NanoChatForCausalLM

from model import GPT, GPTConfig
from probing.patterns import PatternRecorder

BATCH, LENGTH, VOCABULARY = 3, 24, 101


def randomize(model: torch.nn.Module) -> None:
    """Weights far from any initialisation's symmetries: nothing zero, gains and biases included."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1 + (0.5 if parameter.ndim == 1 else 0.0))


def gpt2_pair() -> tuple[GPT, GPT2LMHeadModel]:
    theirs = GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, n_positions=32, n_embd=48, n_layer=2, n_head=4, attn_implementation="eager")
    ).eval()
    randomize(theirs)
    return read_gpt2(theirs), theirs


def nanochat_pair(n_kv_head: int) -> tuple[GPT, NanoChatForCausalLM]:
    theirs = NanoChatForCausalLM(
        NanoChatConfig(
            vocab_size=VOCABULARY,
            hidden_size=48,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=n_kv_head,
            max_position_embeddings=32,
            pad_token_id=None,  # else one token would get no gradient
            attn_implementation="eager",
        )
    ).eval()
    randomize(theirs)
    sizes = {"block_size": 32, "n_layer": 2, "n_head": 4, "n_kv_head": n_kv_head, "n_embd": 48}
    ours = GPT(GPTConfig(VOCABULARY, **sizes, tie_embeddings=False)).eval()
    with torch.no_grad():
        ours.embed.weight.copy_(theirs.model.embed_tokens.weight)
        ours.head.weight.copy_(theirs.lm_head.weight)
        for block, layer in zip(ours.blocks, theirs.model.layers, strict=True):
            for name in "qkvo":
                getattr(block.attention, name).weight.copy_(getattr(layer.self_attn, f"{name}_proj").weight)
            block.mlp.up.weight.copy_(layer.mlp.fc1.weight)
            block.mlp.down.weight.copy_(layer.mlp.fc2.weight)
    return ours, theirs


PAIRS = {
    "gpt2": gpt2_pair,
    "nanochat": lambda: nanochat_pair(4),
    "nanochat, two heads share keys and values": lambda: nanochat_pair(2),
    "nanochat, all heads share keys and values": lambda: nanochat_pair(1),
}


@pytest.fixture(params=PAIRS.values(), ids=PAIRS.keys())
def pair(request: pytest.FixtureRequest) -> tuple[GPT, torch.nn.Module]:
    return request.param()


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(3))


def test_logits_agree(pair, tokens):
    ours, theirs = pair
    assert_near(ours(tokens), theirs(tokens).logits, additions(ours.config, LENGTH))


def test_attention_patterns_agree(pair, tokens):
    ours, theirs = pair
    recorder = PatternRecorder()
    ours(tokens, hooks=recorder)
    expected = theirs(tokens, output_attentions=True).attentions
    for pattern, reference in zip(recorder.patterns.values(), expected, strict=True):
        assert_near(pattern, reference, additions(ours.config, LENGTH), scale=1)


def test_loss_and_its_gradients_agree(pair, tokens):
    ours, theirs = pair
    loss = ours(tokens[:, :-1], tokens[:, 1:])
    logits = theirs(tokens[:, :-1]).logits
    expected = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    assert_near(loss, expected, additions(ours.config, LENGTH))
    loss.backward()
    expected.backward()
    for mine, reference in gradient_pairs(ours, theirs):
        assert_near(mine, reference, 2 * additions(ours.config, LENGTH) + BATCH * LENGTH)


def gradient_pairs(ours: GPT, theirs: torch.nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Gradients of the weights on both ends of the network, through which all others' have passed."""
    first = ours.blocks[0]
    if isinstance(theirs, GPT2LMHeadModel):
        layer = theirs.transformer.h[0]
        projections = torch.cat(
            [linear.weight.grad for linear in (first.attention.q, first.attention.k, first.attention.v)]
        )
        return [
            (ours.embed.weight.grad, theirs.transformer.wte.weight.grad),
            (ours.position.weight.grad, theirs.transformer.wpe.weight.grad),
            (projections, layer.attn.c_attn.weight.grad.T),
            (first.mlp.down.weight.grad, layer.mlp.c_proj.weight.grad.T),
        ]
    layer = theirs.model.layers[0]
    return [
        (ours.embed.weight.grad, theirs.model.embed_tokens.weight.grad),
        (ours.head.weight.grad, theirs.lm_head.weight.grad),
        (first.mlp.down.weight.grad, layer.mlp.fc2.weight.grad),
        *(
            (getattr(first.attention, name).weight.grad, getattr(layer.self_attn, f"{name}_proj").weight.grad)
            for name in "qkvo"
        ),
    ]
