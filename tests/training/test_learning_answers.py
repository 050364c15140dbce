"""Answers alone are learned: the loss, its gradients, exact resume, and which answers count as right."""

import json
import signal

import pytest
import torch
from networks import loud_model
from tolerance import TRAINED, additions, assert_near, tolerance
from torch.nn import functional as F
from trainers import SHAPE, make_trainer, new_run, rows_without_clock

from common.errors import InputError
from data import Answers, ReadingOptions, TokenizerConfig, prepare
from model import GPT, GPTConfig
from model.loss import inputs_and_targets
from storage.metrics import read_rows
from training.answers import ACCURACY, measure_answers
from training.evaluation import validation_loss


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Prompts of one to three letters, and the same letters, shouted, as answers."""
    folder = tmp_path_factory.mktemp("answers")
    words = [("abc" * 3)[i : i + n] + letter for n in (1, 2) for i in range(3) for letter in "defghij"]
    lines = (json.dumps({"prompt": word, "answer": word.upper()}) for word in words)
    (folder / "qa.jsonl").write_text("\n".join(lines))
    return prepare(Answers(str(folder / "qa.jsonl"), val_fraction=0.3), TokenizerConfig("bytes"), folder / "cache")


def model_of(answers) -> GPT:
    return loud_model(GPTConfig(answers.tokenizer.vocab_size, **SHAPE))


def by_hand(model: GPT, answers, which) -> torch.Tensor:
    """Mean loss of the tokens after each prompt, one prompt with its answer at a time."""
    losses = []
    for i in which:
        prompt, answer = map(torch.from_numpy, answers.prompt_and_answer(i))
        logits = model(torch.cat((prompt, answer))[None, :-1])[0, len(prompt) - 1 :]
        losses.append(F.cross_entropy(logits, answer, reduction="none"))
    return torch.cat(losses).mean()


@pytest.mark.parametrize("few_logits", [0, 1 << 21], ids=["in chunks", "together"])
def test_loss_and_gradients_are_those_of_the_answers_alone(answers, monkeypatch, few_logits):
    monkeypatch.setattr("model.loss.FEW_LOGITS", {"cpu": few_logits})
    monkeypatch.setattr("model.loss.chunk_rows", lambda weight: 5)
    model, which = model_of(answers), range(answers.train.n)
    rows, results = torch.from_numpy(answers.train.rows(which)), []
    for loss in (model(*inputs_and_targets(rows)), by_hand(model, answers.train, which)):
        model.zero_grad()
        loss.backward()
        results.append([loss.detach(), *(parameter.grad.clone() for parameter in model.parameters())])
    for ours, theirs in zip(*results, strict=True):
        assert_near(ours, theirs, n_terms=additions(model.config, 32) * answers.train.n)


def test_validation_counts_every_answer_token_once(answers):
    model = model_of(answers)
    expected = by_hand(model, answers.val, range(answers.val.n)).item()
    rounding = tolerance(n_terms=additions(model.config, 32) + answers.val.n)
    for micro_batch in (32, 128, None):
        assert validation_loss(model, answers.val, micro_batch) == pytest.approx(expected, rel=rounding)


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, answers):
    settings = {"max_steps": 12, "dropout": 0.1}
    straight = new_run(tmp_path / "straight", answers, **settings)
    straight.train()
    stopped = new_run(tmp_path / "stopped", answers, **settings)
    stopped.sinks = (lambda row: stopped.stops.request(signal.SIGTERM) if row["step"] == 6 else None,)
    stopped.train()
    resumed = make_trainer(tmp_path / "stopped", answers, **settings)
    resumed.restore()
    assert resumed.step == 6
    resumed.train()
    assert all(map(torch.equal, straight.model.parameters(), resumed.model.parameters()))
    assert rows_without_clock(tmp_path / "straight") == rows_without_clock(tmp_path / "stopped")
    assert straight.tokens == resumed.tokens < 12 * 256, "answers are counted, not prompts and padding"


def test_the_use_of_the_device_is_not_counted_from_learned_tokens_alone(tmp_path, answers):
    trainer = new_run(tmp_path, answers, max_steps=1)
    trainer.peak_flops = 1e12
    trainer.train()
    (row,) = [row for row in read_rows(trainer.run / "metrics.jsonl") if "tokens_per_second" in row]
    assert "mfu" not in row


@pytest.mark.parametrize("key", ["document_mask", "shuffle_documents"])
def test_what_answers_have_anyway_is_refused(tmp_path, answers, key):
    with pytest.raises(InputError, match=rf"^data\.{key}=true: with data=answers no prompt sees another"):
        make_trainer(tmp_path, answers, reading=ReadingOptions(**{key: True}))


def test_micro_batches_have_the_gradient_of_the_whole_batch(tmp_path, answers, monkeypatch):
    losses = []
    for micro_tokens in (64, 10_000):
        monkeypatch.setattr("training.device.MICRO_BATCH_TOKENS", {"cpu": micro_tokens})
        trainer = new_run(tmp_path / str(micro_tokens), answers, max_steps=5)
        trainer.train()
        losses.append([row["train_loss"] for row in rows_without_clock(trainer.run) if row["step"]])
    assert losses[0] == pytest.approx(losses[1], rel=TRAINED)


def test_an_answer_is_right_if_it_is_the_same_text_and_ends(answers, monkeypatch):
    """A stand-in that writes the right answer to all prompts but those with a d, and never ends after an e."""
    tokenizer, val = answers.tokenizer, answers.val

    def write(model, prompts, n, most, sampling, seed, end):
        texts = [tokenizer.decode(prompt.tolist()).strip().upper() for prompt in prompts]
        wanted = [[*tokenizer.encode(text.replace("D", "X")), *([69] if "E" in text else []) * 9] for text in texts]
        for i in range(most):
            yield torch.tensor([ids[i] if i < len(ids) else end for ids in wanted])

    monkeypatch.setattr("training.answers.generate", write)
    row = measure_answers(val, tokenizer, 0, model_of(answers))
    letters = [tokenizer.decode(val.prompt_and_answer(i)[0]).strip()[-1] for i in range(val.n)]
    assert {"d", "e"} < set(letters)
    assert row[ACCURACY] == sum(letter not in "de" for letter in letters) / val.n
    assert row["sample"].count("\n\n") == 2
