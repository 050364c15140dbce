"""Models small enough to go out and in many times."""

from pathlib import Path

import torch
from conftest import GPT2_SHAPE
from networks import loud_model
from tolerance import additions, assert_near
from transformers import GPT2Config, GPT2LMHeadModel

import huggingface
from data import Tokenizer
from data.text.tokenizers import train_bpe
from huggingface.gpt2 import GPT2
from model import GPT, GPTConfig
from storage.weights import set_parameters

TOKENIZER = train_bpe(["Tom met Anna. He said, my name is Tom. "] * 3, 300)
VOCABULARY = TOKENIZER.vocab_size
SIZES = {"block_size": 48, "n_layer": 3, "n_head": 4, "n_embd": 48}
SHAPES = {
    "gpt2": GPT2_SHAPE,
    "gpt2, untied": GPT2_SHAPE | {"tie_embeddings": False},
    "modern": {"tie_embeddings": False},
    "modern, grouped, tied, no softcap": {"n_kv_head": 2, "tie_embeddings": True, "softcap": 0.0},
}


def make(shape: dict) -> GPT:
    return loud_model(GPTConfig(VOCABULARY, **SIZES, **shape))


def read_gpt2(theirs: GPT2LMHeadModel) -> GPT:
    """Our network with their weights."""
    config, tensors = GPT2.from_config(theirs.config.to_dict(), "theirs"), dict(theirs.named_parameters())
    ours = GPT(config).eval()
    set_parameters(ours, GPT2.from_tensors(config, config.vocab_size, tensors, tensors.__getitem__, "theirs"))
    return ours


def export(model: GPT, folder: Path, overwrite: bool = False, tokenizer: Tokenizer = TOKENIZER) -> Path:
    huggingface.export(model, tokenizer, folder, {"run": "foo", "step": 7}, overwrite)
    return folder


def random_gpt2(vocab_size: int = VOCABULARY, **settings: object) -> GPT2LMHeadModel:
    """Theirs, with weights far from any initialisation's symmetries."""
    end = {"bos_token_id": vocab_size - 1, "eos_token_id": vocab_size - 1}
    sizes = {"n_positions": 48, "n_embd": 48, "n_layer": 3, "n_head": 4}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=vocab_size, **{**sizes, **end, **settings})).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def tokens() -> torch.Tensor:
    return torch.randint(VOCABULARY, (3, 40), generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def assert_same_logits(ours: GPT, theirs: torch.nn.Module, prompts: torch.Tensor | None = None) -> None:
    """On ``prompts`` [B, T]; theirs may have more rows than we have tokens."""
    prompts = tokens() if prompts is None else prompts
    expected = theirs(prompts).logits[..., : ours.config.vocab_size]
    assert_near(ours(prompts), expected, additions(ours.config, prompts.size(1)))
