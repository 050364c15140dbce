"""Weights and logits that are NaN or infinite: one line says so, and a run keeps what it had before."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import QUICK, SMALL
from exchanged import SHAPES, export, make
from networks import loud_model
from safetensors.torch import load_file, save_file
from trainers import SHAPE, new_run

from common.atomic import json_text
from common.errors import InputError
from data.text.tokenizers import byte_tokenizer
from model import GPTConfig, Sampling, generate
from probing.pairs import score_pairs
from storage import checkpoint, snapshots
from storage.metrics import read_rows
from training.samples import write_sample

NAN = float("nan")


def overflow(trainer, step: int) -> None:
    """Makes a weight infinite once this step has been taken."""
    take = trainer.train_step

    def train_step() -> dict:
        row = take()
        if trainer.step == step:
            with torch.no_grad():
                trainer.model.embed.weight[0, 0] = float("inf")
        return row

    trainer.train_step = train_step


def overflowing_model():
    """Finite weights whose logits are not."""
    model = loud_model(GPTConfig(byte_tokenizer().vocab_size, **SHAPE, softcap=0.0, tie_embeddings=False)).eval()
    with torch.no_grad():
        model.head.weight.fill_(1e38)
    return model


@pytest.fixture
def broken_run(finished_run, tmp_path) -> Path:
    """A run whose latest weights are not finite and whose earlier ones are, with a file that is otherwise whole."""
    shutil.copytree(finished_run, tmp_path / "broken")
    state, (weights, optimizer) = checkpoint.load(tmp_path / "broken", "latest")
    weights["blocks.0.attention.q.weight"][0, 0] = NAN
    state = {key: value for key, value in state.items() if key not in ("format", "sha256")}
    checkpoint.save(tmp_path / "broken", weights, optimizer, state | {"step": 30, "best_step": 30})
    return Path("broken")


def test_logits_that_are_not_finite_are_no_distribution():
    for temperature in (0.0, 1.0):
        with pytest.raises(FloatingPointError, match="logits are not finite"):
            next(generate(overflowing_model(), torch.tensor([1]), 2, 5, Sampling(temperature), seed=0))


def test_a_sample_at_an_evaluation_says_that_there_is_none():
    assert write_sample(byte_tokenizer(), 0, overflowing_model()) == {
        "sample": "(no text: the model's logits are not finite)"
    }


def test_training_with_logits_that_are_not_finite_comes_to_its_own_stop(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=20, eval_every=1, checkpoint_every=9)
    trainer.evaluations = [lambda model: write_sample(stories.tokenizer, 0, model)]
    with torch.no_grad():
        trainer.model.embed.weight.fill_(NAN)
    with pytest.raises(InputError, match="not finite at 5 steps in a row, up to step 5; there is no checkpoint yet"):
        trainer.train()
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [row["val_loss"] for row in rows] == [None] * 5  # the step that ends it is not evaluated


@pytest.mark.parametrize("settings", [{"checkpoint_every": 8}, {"snapshots": 1, "checkpoint_every": 4}])
def test_weights_that_overflow_are_never_saved_over_good_ones(tmp_path, stories, settings):
    trainer = new_run(tmp_path / "run", stories, max_steps=20, **settings)
    overflow(trainer, 8)
    with pytest.raises(
        InputError, match=r"embed.weight is not finite after step 8; the last good checkpoint is step 4"
    ):
        trainer.train()
    assert checkpoint.saved_steps(tmp_path / "run") == [4]
    assert all("000008" not in path.name for path in snapshots.saved(tmp_path / "run"))


def test_the_end_of_a_budget_does_not_pass_off_weights_that_have_overflowed(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=6)
    overflow(trainer, 6)
    with pytest.raises(InputError, match=r"embed\.weight is not finite after step 6"):
        trainer.train()


def test_looks_at_the_heads_of_a_model_that_has_diverged_do_not_end_its_run(script, error_of, monkeypatch):
    monkeypatch.setattr(
        "training.loop.Trainer.count_evaluation", lambda self, loss: self.model.embed.weight.data.fill_(NAN)
    )
    message = error_of("train", "run=run", "max_steps=9", "probe_every=1", "snapshots=0", *QUICK, *SMALL)
    assert "not finite at 5 steps in a row" in message
    assert "probe/cue/choice_accuracy" in read_rows(Path("run/metrics.jsonl"))[0]


@pytest.mark.parametrize(
    "command",
    [
        ("sample", "checkpoint=latest"),
        ("sample",),
        ("probe", "n_cases=20"),
        ("export", "to=out"),
        ("train", "resume=true", "max_steps=40"),
    ],
)
def test_every_script_names_the_tensor_of_a_checkpoint_that_is_not_finite(error_of, broken_run, command):
    message = error_of(command[0], f"run={broken_run}", *command[1:])
    assert "step_000030 is damaged: blocks.0.attention.q.weight is not finite (NaN or infinity)" in message
    assert "the newest good one is broken/checkpoints/step_000020" in message
    assert not Path("out").exists()


def test_a_run_does_not_begin_with_weights_that_are_not_finite(error_of, broken_run):
    assert "q.weight is not finite" in error_of("train", "run=run", f"init_from={broken_run}", *QUICK)
    assert not Path("run").exists()


def test_sampling_and_probing_say_in_a_line_that_finite_weights_overflow(script, error_of, finished_run, monkeypatch):
    import probe
    import sample

    def loaded(*arguments):
        model, tokenizer, state = load(*arguments)
        model.head.weight = torch.nn.Parameter(torch.full_like(model.head.weight, 3e38))  # the embedding stays
        object.__setattr__(model, "config", replace(model.config, softcap=0.0))
        return model, tokenizer, state

    load = sample.load_model
    for module in (sample, probe):
        monkeypatch.setattr(module, "load_model", loaded)
    assert "step 20: the model's logits are not finite; give another" in error_of("sample", f"run={finished_run}")
    message = error_of("probe", f"run={finished_run}", "n_cases=20", "tasks=[cue]")
    assert "task cue: the model's log-probabilities are not finite" in message
    assert "logits are not finite; give another checkpoint" in error_of("probe", f"run={finished_run}", "text=Tom")


def test_pairs_are_not_compared_by_what_is_not_finite():
    from data.cases.minimal_pairs import Pair

    pair = Pair(*("a b", "b a", *["x"] * (len(Pair._fields) - 2)))
    with pytest.raises(InputError, match="pairs: the model's log-probabilities are not finite"):
        score_pairs(overflowing_model(), byte_tokenizer(), [pair])


def test_json_has_null_for_what_is_not_finite():
    value = {"a": NAN, "b": [1.5, (float("inf"), {"c": -float("inf")})], "d": "NaN", "e": 3}
    assert json_text(value) == '{"a": null, "b": [1.5, [null, {"c": null}]], "d": "NaN", "e": 3}'


@pytest.mark.parametrize("value", [NAN, float("inf"), 1e300], ids=str)
def test_an_imported_tensor_that_is_not_finite_is_named_and_no_run_begins(error_of, tmp_path, value):
    weights = export(make(SHAPES["gpt2"]), tmp_path / "theirs") / "model.safetensors"
    tensors, name = load_file(weights), "transformer.h.1.mlp.c_fc.weight"
    tensors[name] = tensors[name].double()
    tensors[name][2, 3] = value
    save_file(tensors, weights, {"format": "pt"})
    message = error_of("train", "run=run", "init_from=hf:theirs", *QUICK, "tokens_per_step=96")
    assert message.startswith(f"error: hf:theirs: the tensor {name} is not finite (NaN or infinity)")
    assert not Path("run").exists()
