"""Every number of an evaluation, against the plain definition."""

import math

import numpy as np
import pytest
import torch
from tolerance import additions, tolerance
from torch.nn import functional as F

from data.text.shards import Tokens
from model import GPT, GPTConfig
from training import evaluation
from training.evaluation import bits_per_byte, validation_loss, validation_windows


@pytest.mark.parametrize("n_tokens", [2, 16, 17, 18, 33, 100])
def test_every_token_but_the_first_is_a_target_once(n_tokens):
    tokens = Tokens([np.arange(n_tokens)])
    targets = [t for start, length in validation_windows(tokens, 16) for t in range(start + 1, start + length + 1)]
    assert targets == list(range(1, n_tokens))


def test_validation_loss_is_the_mean_over_all_targets(monkeypatch):
    monkeypatch.setattr(evaluation, "sequences_per_batch", lambda *_: 2)
    model = GPT(GPTConfig(50, block_size=16, n_layer=1, n_head=2, n_embd=16))
    torch.nn.init.normal_(model.head.weight)
    ids = np.random.default_rng(0).integers(50, size=100)
    total = 0.0
    for start in range(0, 99, 16):
        window = torch.from_numpy(ids[start : start + 17])[None]
        total += F.cross_entropy(model(window[:, :-1])[0], window[0, 1:], reduction="sum").item()
    assert validation_loss(model, Tokens([ids])) == pytest.approx(
        total / 99, rel=tolerance(n_terms=additions(model.config, 16) + 99)
    )


def test_bits_per_byte_of_a_uniform_byte_model_are_eight():
    assert bits_per_byte(math.log(256), n_tokens=1000, n_bytes=1000) == pytest.approx(8)
