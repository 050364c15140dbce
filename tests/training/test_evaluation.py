"""Every number of an evaluation, against the plain definition."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import loud_model
from tolerance import additions, tolerance
from torch.nn import functional as F

from data.text.dataset import Dataset, Part
from data.text.pieces import Counts
from data.text.shards import Tokens
from model import GPTConfig
from training import evaluation
from training.evaluation import bits_per_byte, part_losses, validation_loss, validation_row, validation_windows


@pytest.mark.parametrize("n_tokens", [2, 16, 17, 18, 33, 100])
def test_every_token_but_the_first_is_a_target_once(n_tokens):
    tokens = Tokens([np.arange(n_tokens)])
    targets = [t for start, length in validation_windows(tokens, 16) for t in range(start + 1, start + length + 1)]
    assert targets == list(range(1, n_tokens))


def test_validation_loss_is_the_mean_over_all_targets(monkeypatch):
    monkeypatch.setattr(evaluation, "sequences_per_batch", lambda *_: 2)
    model = loud_model(GPTConfig(50, block_size=16, n_layer=1, n_head=2, n_embd=16))
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


def test_the_loss_of_a_mixture_is_the_mean_by_shares_and_its_bits_are_by_the_bytes_of_a_token_of_it():
    """A token of the one stands for 4 bytes and of the other for 2, so one of the mixture stands for 3.5."""
    parts = []
    for name, share, n_targets, n_bytes in (("book", 0.75, 100, 400), ("stories", 0.25, 1_000, 2_000)):
        tokens = Tokens([np.zeros(n_targets + 1, dtype=np.int64)])
        parts.append(Part(name, share, Dataset("", Path(), None, tokens, tokens, n_bytes, Counts())))
    row = validation_row(parts, [4.0, 2.0])
    assert row["val_loss"] == 3.5
    assert row["val_bpb"] == pytest.approx(3.5 / (3.5 * math.log(2)))
    assert row["val_bpb/stories"] == pytest.approx(2 / (2 * math.log(2)))
    assert part_losses(row) == {"book": 4.0, "stories": 2.0}


def test_of_one_corpus_alone_there_are_no_parts():
    tokens = Tokens([np.zeros(101, dtype=np.int64)])
    row = validation_row(Dataset("", Path(), None, tokens, tokens, 300, Counts()).every_part, [2.0])
    assert row == {"val_loss": 2.0, "val_bpb": bits_per_byte(2.0, 100, 300)}
