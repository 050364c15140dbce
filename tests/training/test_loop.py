"""The loop: exact resume, budgets, signals, and numbers that are none."""

import signal
import time
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import pytest
import torch
from conftest import ATTENTION_ALONE, QUICK, SMALL, start_training
from processes import Training
from tolerance import TRAINED
from trainers import make_trainer, new_run, rows_without_clock

from common.errors import InputError
from model import GPT
from storage import checkpoint, run
from storage.metrics import Metrics, forget_after, read_rows
from training import OptimizerConfig, Trainer
from training.device import sequences_per_batch
from training.loop import is_finished
from training.stopping import StopRequests
from training.world import World

EMA = {"average": "ema", "clip": 0.5}
LAST = {"average": "last", "average_fraction": 0.75, "weight_decay": 0.5, "weight_decay_schedule": "cosine"}


@pytest.mark.parametrize(
    ("optimizer", "shape"),
    [({}, {}), ({"name": "adamw"} | EMA, {}), (LAST, ATTENTION_ALONE)],
)
@pytest.mark.parametrize("stop_at", [4, 6], ids=["at a checkpoint", "between evaluations"])
def test_stopping_and_resuming_changes_no_bit(tmp_path, stories, monkeypatch, optimizer, shape, stop_at):
    settings = {"max_steps": 12, "dropout": 0.1, "optimizer": OptimizerConfig(**optimizer), "shape": shape}
    monkeypatch.setattr("training.device.MICRO_BATCH_TOKENS", {"cpu": 64})
    straight = new_run(tmp_path / "straight", stories, **settings)
    straight.train()
    assert straight.micro == 2, "the steps are accumulated"

    stopped = new_run(tmp_path / "resumed", stories, **settings)
    stopped.sinks = (lambda row: stopped.stops.request(signal.SIGTERM) if row["step"] == stop_at else None,)
    stopped.train()
    assert stopped.step == stop_at
    torch.manual_seed(99)
    resumed = make_trainer(tmp_path / "resumed", stories, **settings)
    resumed.restore()
    assert resumed.step == stop_at
    resumed.train()

    for one, other in ((straight.model, resumed.model), (straight.evaluated, resumed.evaluated)):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    one, other = straight.optimizers.state_tensors(), resumed.optimizers.state_tensors()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert straight.loader.state() == resumed.loader.state()
    assert rows_without_clock(tmp_path / "straight") == rows_without_clock(tmp_path / "resumed")


def test_every_step_and_every_process_drops_other_numbers_and_a_step_that_is_repeated_the_same(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=4, dropout=0.5)
    batch = trainer.loader.next()
    trainer.loader.next = lambda: batch
    trainer.optimizers.step = lambda *_: None  # the weights stay as they are

    def loss(step: int, rank: int = 0, seed: int = 0) -> float:
        trainer.step, trainer.world, trainer.config = step, World(rank, 2), replace(trainer.config, seed=seed)
        return trainer.train_step()["train_loss"].item()

    first = loss(1)
    assert loss(1) == first
    assert first not in (loss(2), loss(1, rank=1), loss(1, seed=1))


def test_an_evaluation_leaves_dropout_off_and_the_next_step_switches_it_on(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=4, dropout=0.5)
    trainer.evaluate()
    assert not trainer.model.training
    trainer.train_step()
    assert trainer.model.training


def test_accumulation_has_the_gradient_of_the_whole_batch(tmp_path, stories, monkeypatch):
    losses = []
    for micro_tokens in (64, 10_000):
        monkeypatch.setattr("training.device.MICRO_BATCH_TOKENS", {"cpu": micro_tokens})
        trainer = new_run(tmp_path / str(micro_tokens), stories, max_steps=5)
        trainer.train()
        losses.append([row["train_loss"] for row in read_rows(trainer.run / "metrics.jsonl") if row["step"]])
    assert losses[0] == pytest.approx(losses[1], rel=TRAINED)


@pytest.mark.parametrize(("budget", "steps"), [({"max_steps": 3}, 3), ({"max_tokens": 1_000}, 4)])
def test_budgets_end_the_run(tmp_path, stories, budget, steps):
    trainer = new_run(tmp_path / "run", stories, **budget)
    trainer.train()
    assert trainer.step == steps
    assert checkpoint.saved_steps(trainer.run)[-1] == steps


def test_a_budget_that_is_used_up_during_an_evaluation_has_its_last_evaluations_nevertheless(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_minutes=50, eval_every=2)
    trainer.last_evaluations = [lambda model: {"last": True}]
    losses_of = trainer.losses_of

    def slow(model: GPT) -> dict:
        trainer.started -= 3_600 * (trainer.step == 2)  # as if an hour passed
        return losses_of(model)

    trainer.losses_of = slow
    trainer.train()
    rows = [row for row in read_rows(tmp_path / "run/metrics.jsonl") if "val_loss" in row]
    assert [(row["step"], row.get("last")) for row in rows] == [(0, None), (2, None), (2, True)]
    assert trainer.evaluations_since_best == 0, "the same evaluation twice is none without progress"


def test_a_signal_when_all_is_done_stops_nothing(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=2)
    trainer.last_evaluations = [lambda model: trainer.stops.request(signal.SIGTERM) or {}]
    trainer.train()
    assert (trainer.stops.agreed, trainer.stops.received) == (0, signal.SIGTERM)
    assert checkpoint.saved_steps(tmp_path / "run")[-1] == 2


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no such signal")
@pytest.mark.parametrize("ignored", [False, True], ids=["terminal", "nohup"])
def test_a_terminal_that_is_gone_ends_the_run_after_its_step(tmp_path, stories, ignored):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        trainer = new_run(tmp_path / "run", stories, max_steps=4)
        trainer.sinks.append(lambda row: signal.raise_signal(signal.SIGHUP) if row["step"] == 2 else None)
        trainer.train()
        assert checkpoint.saved_steps(tmp_path / "run")[-1] == (4 if ignored else 2)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_max_minutes_ends_the_run(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_minutes=1)
    trainer.elapsed = lambda: 25.0 * trainer.step  # as if a step took that long
    trainer.train()
    assert trainer.step == 3
    assert trainer.fraction() == 1


def test_when_the_time_is_up_the_last_step_is_saved_before_it_is_evaluated(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_minutes=1)
    trainer.elapsed = lambda: 25.0 * trainer.step  # as if a step took that long
    losses_of = trainer.losses_of

    def interrupted(model: GPT) -> dict:
        if trainer.step:
            raise KeyboardInterrupt
        return losses_of(model)

    trainer.losses_of = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert checkpoint.saved_steps(tmp_path / "run") == [3]
    assert not is_finished(tmp_path / "run", trainer.config)
    resumed = make_trainer(tmp_path / "run", stories, max_minutes=1)
    resumed.restore()
    resumed.train()
    assert is_finished(tmp_path / "run", trainer.config)
    assert [row["step"] for row in read_rows(tmp_path / "run/metrics.jsonl") if "val_loss" in row] == [0, 3]


def poison(trainer: Trainer, steps: set[int]) -> None:
    """Makes the loss of these steps infinite."""
    loss = trainer.loss
    trainer.loss = lambda *ids, **more: loss(*ids, **more) * (float("inf") if trainer.step in steps else 1)


def test_a_step_that_is_no_number_is_skipped_and_counted(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=8)
    poison(trainer, {2, 5})
    trainer.train()
    assert trainer.skipped == 2
    assert all(parameter.isfinite().all() for parameter in trainer.model.parameters())


def test_bad_steps_with_good_ones_between_them_do_not_end_the_run(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=13)
    poison(trainer, {1, 3, 5, 7, 9, 11})
    trainer.train()
    assert (trainer.step, int(trainer.skipped)) == (13, 6)


def test_several_in_a_row_end_the_run_and_keep_the_last_good_checkpoint(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=20)
    poison(trainer, set(range(9, 20)))
    with pytest.raises(InputError, match=r"not finite at 5 steps in a row, up to step 14; the last good .* step 12"):
        trainer.train()
    state, (weights, _) = checkpoint.load(trainer.run, "latest")
    assert state["skipped"] == 3
    assert all(weight.isfinite().all() for weight in weights.values())


def test_many_bad_steps_are_not_forgotten_between_looks(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=30, log_every=1000, eval_every=1000, checkpoint_every=1000)
    poison(trainer, set(range(1, 8)))
    with pytest.raises(InputError, match=r"not finite at 5 steps in a row, up to step 10; there is no checkpoint yet"):
        trainer.train()


def test_the_best_step_of_a_late_last_evaluation_is_saved(tmp_path, stories):
    """The run was stopped by a signal at the very end of what became its budget, between two evaluations."""
    settings = {"eval_every": 4, "checkpoint_every": 4}
    trainer = new_run(tmp_path / "run", stories, max_steps=12, **settings)
    trainer.sinks = (lambda row: trainer.stops.request(signal.SIGTERM) if row["step"] == 6 else None,)
    trainer.train()
    assert checkpoint.load(trainer.run, "best")[0]["step"] == 4
    resumed = make_trainer(trainer.run, stories, max_steps=6, **settings)
    resumed.restore()
    resumed.train()
    assert resumed.best_step == 6
    state = checkpoint.load(trainer.run, "best")[0]
    assert (state["step"], state["best_loss"]) == (6, resumed.best_loss)


@pytest.mark.parametrize(
    ("block", "at_once", "expected"), [(64, None, 256), (16_384, None, 1), (512, 1_024, 2), (10**6, 10, 1)]
)
def test_micro_batches_fit(block, at_once, expected):
    assert sequences_per_batch(block, at_once, torch.device("cpu")) == expected


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_precisions_learn(tmp_path, stories, precision):
    trainer = new_run(tmp_path / "run", stories, max_steps=15, eval_every=15, precision=precision)
    loss, used = trainer.loss, set()
    trainer.loss = lambda *ids, **more: used.add(torch.is_autocast_enabled("cpu")) or loss(*ids, **more)
    trainer.train()
    assert used == {precision == "bf16"}
    first, last = (row["val_loss"] for row in read_rows(trainer.run / "metrics.jsonl") if "val_loss" in row)
    assert last < first - 0.5
    assert all(parameter.dtype == torch.float32 for parameter in trainer.model.parameters())


def test_leftovers_and_hidden_files_do_not_stop_overwriting_but_foreign_ones_do(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=4)
    for name in (".metrics.jsonl", ".DS_Store"):
        (trainer.run / name).touch()
    run.check_free(trainer.run, overwrite=True)
    (trainer.run / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds notes\.txt, which no run makes"):
        run.check_free(trainer.run, overwrite=True)


def test_a_stop_before_the_first_step_is_saved_too(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=4)
    trainer.sinks = [lambda row: trainer.stops.request(signal.SIGTERM)]
    trainer.train()
    resumed = make_trainer(tmp_path / "run", stories, max_steps=4)
    resumed.restore()
    assert resumed.step == 0
    resumed.train()
    assert [row["step"] for row in read_rows(trainer.run / "metrics.jsonl")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [1, 2])
def test_a_second_signal_ends_the_run_immediately_but_not_with_several_processes(size, capfd):
    """torchrun may pass the same signal on twice. The second one may be another."""
    stops, after = StopRequests(World(0, size)), []
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    try:
        with stops:
            signal.raise_signal(signal.SIGINT)
            after += map(signal.getsignal, (signal.SIGINT, signal.SIGTERM))
        at_the_end = [signal.getsignal(number) for number in numbers[:2]]
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    assert stops.received == signal.SIGINT
    assert after == 2 * [signal.SIG_DFL if size == 1 else stops.request]
    assert at_the_end == (before[:2] if size == 1 else 2 * [signal.SIG_IGN])
    said = capfd.readouterr().err
    assert said.startswith("note   the run is saved and stops after this step or evaluation")
    assert ("a second signal ends it immediately and saves nothing" in said) == (size == 1)


def test_a_lost_best_checkpoint_is_said_and_replaced(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=12)
    trainer.best_step, trainer.best_loss = 999, 0.1
    trainer.train()
    with pytest.raises(InputError, match=r"best checkpoint \(step 999\) is gone; give checkpoint=latest"):
        checkpoint.load(trainer.run, "best")
    resumed = make_trainer(tmp_path / "run", stories, max_steps=16)
    resumed.restore()
    resumed.train()
    assert checkpoint.load(trainer.run, "best")[0]["step"] == 16


def test_metrics_after_a_checkpoint_are_forgotten_and_a_torn_line_is_skipped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    for step in range(5):
        metrics.log({"step": step})
    metrics.close()
    with open(path, "a") as file:
        file.write('{"step": 5, "lo')
    forget_after(path, 3)
    assert [row["step"] for row in read_rows(path)] == [0, 1, 2, 3]


@pytest.mark.parametrize("damage", [b"\xff\xfe", b'{"step": "\xff"}', b"[1]"])
def test_a_damaged_line_of_metrics_is_named(tmp_path, damage):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 0}\n' + damage + b"\n")
    with pytest.raises(InputError, match="line 2: damaged; remove that line to go on"):
        read_rows(path)


def wait_for_checkpoint(folder: Path, process: Popen | Training, step: int) -> None:
    deadline = time.monotonic() + 300
    while not any(saved >= step for saved in checkpoint.saved_steps(folder / "run")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


ENDLESS = ("max_steps=100000", "eval_every=20", "checkpoint_every=20")


def test_sigterm_saves_and_says_how_to_go_on(tmp_path):
    process = start_training(tmp_path, "run=run", *QUICK, *SMALL, *ENDLESS)
    wait_for_checkpoint(tmp_path, process, 20)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in err
    steps = checkpoint.saved_steps(tmp_path / "run")
    assert "saved; resume with: python train.py run=run resume=true" in out.replace("\n", " ")
    assert read_rows(tmp_path / "run" / "metrics.jsonl")[-1]["step"] == steps[-1]
