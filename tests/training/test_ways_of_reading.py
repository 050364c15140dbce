"""How training reads documents: whether they see each other, and in which order."""

import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import BYTES, bigram_model
from tolerance import TRAINED
from trainers import make_trainer, new_run, rows_without_clock

from common.errors import InputError
from data import ReadingOptions
from data.text.shards import Tokens
from data.text.tokenizers import BYTE_PATTERN, BpeTokenizer, CharacterTokenizer, IdTokenizer
from training.samples import write_sample

MASKED = ReadingOptions(document_mask=True)
BOTH = ReadingOptions(document_mask=True, shuffle_documents=True)


def loss_alone(model, ids, end: int) -> float:
    """Mean loss of the windows ids [N, T + 1], each document in them read alone."""
    total = 0.0
    for row in ids:
        starts = [0, *(i for i in range(1, len(row) - 1) if row[i] == end)]
        for start, after in zip(starts, (*starts[1:], len(row) - 1), strict=True):
            part = row[None, start : after + 1]
            total += model(part[:, :-1], part[:, 1:]).item() * (after - start)
    return total / ids[:, 1:].numel()


def test_with_a_mask_losses_are_those_of_documents_alone(tmp_path, stories):
    val = stories.val.read(0, 10 * 32 + 1)
    dataset, end = replace(stories, val=Tokens([val])), stories.tokenizer.end
    trainer = make_trainer(tmp_path, dataset, reading=MASKED, micro_batch=64)
    torch.nn.init.normal_(trainer.model.blocks[0].attention.o.weight)  # zero in a new network, which sees nothing
    batch = trainer.loader.batches.next()
    trainer.loader.batches.load_state(trainer.loader.state())
    windows = np.lib.stride_tricks.sliding_window_view(val, 33)[::32]
    with torch.inference_mode():
        expected = [loss_alone(trainer.model, torch.tensor(ids), end) for ids in (windows, batch)]
    losses = [trainer.evaluate()["val_loss"], trainer.train_step()["train_loss"].item()]
    assert losses == pytest.approx(expected, rel=TRAINED)


def test_resuming_is_exact_over_epochs_of_shuffled_documents(tmp_path, stories):
    few = replace(stories, train=Tokens([stories.train.read(0, 700)]), val=Tokens([stories.val.read(0, 300)]))
    settings = {"reading": BOTH, "max_steps": 8}
    whole = new_run(tmp_path / "whole", few, **settings)
    whole.train()
    assert whole.loader.state()["epoch"] > 1
    stopped = new_run(tmp_path / "stopped", few, **settings)
    stopped.sinks = [lambda row: stopped.stops.request(signal.SIGTERM) if row["step"] == 5 else None]
    stopped.train()
    resumed = make_trainer(tmp_path / "stopped", few, **settings)
    resumed.restore()
    assert 0 < resumed.loader.state()["epoch"] < whole.loader.state()["epoch"]
    resumed.train()
    assert rows_without_clock(resumed.run) == rows_without_clock(whole.run)


def test_a_sample_of_one_document_ends_where_it_does():
    model = bigram_model(block_size=64)
    several = write_sample(BYTES, 0, model)["sample"]
    assert "\n" in several
    assert write_sample(BYTES, 0, model, one_document=True)["sample"] == several.partition("\n")[0]


def test_a_sample_keeps_the_indentation_of_lines_inside_a_document(monkeypatch):
    tokenizer = BpeTokenizer("bytes", {bytes([i]): i for i in range(256)}, BYTE_PATTERN, start=" ")
    text = [*b" def f():\n    return 1", tokenizer.end, *b" Tom met Anna."]
    monkeypatch.setattr("training.samples.generate", lambda *_, **__: torch.tensor(text)[:, None])
    assert write_sample(tokenizer, 0, bigram_model(block_size=8))["sample"] == "def f():\n    return 1\nTom met Anna."


@pytest.mark.parametrize("key", ["document_mask", "shuffle_documents"])
def test_documents_without_an_end_token_are_refused(tmp_path, stories, key):
    size = stories.tokenizer.vocab_size
    characters, ids = CharacterTokenizer([chr(i) for i in range(48, 48 + size)]), IdTokenizer(size)
    for tokenizer, instead in ((characters, ""), (ids, ", or give data.end, in a run without init_from")):
        with pytest.raises(InputError) as refusal:
            make_trainer(tmp_path, replace(stories, tokenizer=tokenizer), reading=ReadingOptions(**{key: True}))
        assert str(refusal.value) == (
            f"data.{key}=true: these tokens have no end token between documents; leave it out{instead}"
        )
