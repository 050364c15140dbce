"""What goes wrong is said in one line, and the last good checkpoint stays: full disks, too little memory."""

import errno
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from conftest import QUICK, SMALL, small_disk
from processes import Training
from trainers import make_trainer, new_run

from common.errors import InputError
from storage import checkpoint
from storage.metrics import read_rows
from storage.weights import set_parameters
from training import Trainer
from training.device import peak_flops
from training.world import World


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Makes every write of a file called ``name`` fail with this errno."""
    write = checkpoint.write_durably

    def failing(path: Path, data: bytes) -> None:
        if path.name == name:
            path.write_bytes(data[: len(data) // 2])
            raise OSError(number, os.strerror(number), str(path))
        write(path, data)

    monkeypatch.setattr(checkpoint, "write_durably", failing)


@pytest.mark.parametrize("name", [*checkpoint.FILES, "state.json"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full disk", "read-only"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_earlier_ones(tmp_path, stories, monkeypatch, name, number):
    new_run(tmp_path / "run", stories, max_steps=4).train()
    trainer = make_trainer(tmp_path / "run", stories, max_steps=12)
    trainer.restore()
    with monkeypatch.context() as patch:
        fail_at(patch, name, number)
        with pytest.raises(
            InputError, match=rf"{os.strerror(number)}\); the last good checkpoint is step 4\. Put that right"
        ):
            trainer.train()
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step_000004"]
    resumed = make_trainer(tmp_path / "run", stories, max_steps=12)
    resumed.restore()
    resumed.train()
    assert [row["step"] for row in read_rows(tmp_path / "run" / "metrics.jsonl")] == list(range(13))


def test_a_step_is_saved_also_where_what_shows_it_cannot_be_written(tmp_path, stories):
    def unwritable(row: dict) -> None:
        if row["step"] == 4:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "samples")

    trainer = new_run(tmp_path / "run", stories, max_steps=8)
    trainer.sinks = [unwritable]
    with pytest.raises(
        InputError, match=r"samples cannot be written \(Permission denied\); the last good checkpoint is step 4\."
    ):
        trainer.train()
    resumed = make_trainer(tmp_path / "run", stories, max_steps=8)
    resumed.restore()
    resumed.train()
    assert [row["step"] for row in read_rows(tmp_path / "run" / "metrics.jsonl")] == list(range(9))


def test_a_run_that_is_moved_while_it_is_trained_ends_with_that_reason_and_leaves_no_second_one(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=8)
    trainer.sinks = [lambda row: (tmp_path / "run").rename(tmp_path / "moved") if row["step"] == 5 else None]
    with pytest.raises(InputError, match=r"run: was moved or deleted while it was trained; continue with run=NEW_NAME"):
        trainer.train()
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]
    assert checkpoint.saved_steps(tmp_path / "moved") == [4]


def test_a_disk_that_is_really_full(tmp_path):
    """A file system of 8 MB: the run ends in one line, and goes on once there is room."""
    arguments = ("run=disk/run", *QUICK, *SMALL, "model.n_embd=64", "eval_every=10", "checkpoint_every=10")
    with small_disk(tmp_path / "disk", "8m") as disk:
        process = Training(tmp_path, *arguments, "snapshots=0", "max_steps=20")
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        (disk / "ballast").write_bytes(bytes(max(0, os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 40_000)))
        process = Training(tmp_path, "run=disk/run", "resume=true", "max_steps=40", "checkpoint_every=10")
        _, err = process.communicate(timeout=300)
        assert process.returncode == 1
        assert "No space left on device); the last good checkpoint is step 20. Put that right" in err
        assert err.count("\n") == 1
        assert checkpoint.newest_good(disk / "run", checkpoint.FILES).name == "step_000020"
        (disk / "ballast").unlink()
        process = Training(tmp_path, "run=disk/run", "resume=true", "max_steps=40", "checkpoint_every=10")
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert [row["step"] for row in read_rows(disk / "run" / "metrics.jsonl")] == list(range(41))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_names_the_knob(tmp_path, stories, error):
    trainer = new_run(tmp_path / "run", stories, max_steps=4, micro_batch=128)

    def loss(*_, **__):
        raise error

    trainer.loss = loss
    with pytest.raises(InputError, match=r"out of memory with 4 x 32 tokens .* give micro_batch=64 \(the steps stay"):
        trainer.train()


def test_the_knob_is_not_named_where_it_can_turn_no_further(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=4, micro_batch=32)
    with pytest.raises(InputError, match=r"micro_batch=31: must be at least model\.block_size=32"):
        make_trainer(tmp_path / "run", stories, max_steps=4, micro_batch=31)

    def loss(*_, **__):
        raise RuntimeError("MPS backend out of memory")

    trainer.loss = loss
    with pytest.raises(InputError, match=r"with 1 x 32 tokens .* together; give a shorter model.block_size"):
        trainer.train()


def test_other_errors_keep_their_name(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=4)
    trainer.loss = lambda *_, **__: torch.ones(2) @ torch.ones(3)
    with pytest.raises(RuntimeError, match="size"):
        trainer.train()


def test_patience_ends_a_run_that_no_longer_improves(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=60, patience=2)
    trainer.last_evaluations = [lambda model: {"last": 1}]
    give_losses(trainer, [5.0, 4.0, 3.0, 3.5, 3.0, 1.0])
    trainer.train()
    assert (trainer.step, trainer.best_step, trainer.evaluations_since_best) == (16, 8, 2)
    assert checkpoint.saved_steps(trainer.run) == [8, 12, 16]
    assert [row["step"] for row in read_rows(trainer.run / "metrics.jsonl") if "last" in row] == [16]
    resumed = make_trainer(trainer.run, stories, max_steps=60, patience=2)
    resumed.restore()
    resumed.train()
    assert resumed.step == 16, "patience is remembered"


@pytest.mark.parametrize(("late", "ends"), [(2.0, 12), (3.5, 5)], ids=["better", "not better"])
def test_a_smaller_patience_ends_a_resumed_run_only_if_its_next_evaluation_is_not_better(tmp_path, stories, late, ends):
    stopped = new_run(tmp_path / "run", stories, max_steps=12, eval_every=2)
    give_losses(stopped, [3.0, 3.5, 3.5])
    stopped.sinks = [lambda row: stopped.stops.request(signal.SIGTERM) if row["step"] == 5 else None]
    stopped.train()
    assert (stopped.step, stopped.evaluations_since_best) == (5, 1)
    resumed = make_trainer(tmp_path / "run", stories, max_steps=12, eval_every=2, patience=1)
    resumed.last_evaluations = [lambda model: {"last": 1}]
    resumed.restore()
    give_losses(resumed, [late, 1.9, 1.8, 1.7, 1.6])
    resumed.train()
    assert resumed.step == ends
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in rows if "last" in row] == [ends]


def give_losses(trainer: Trainer, losses: Iterable[float]) -> None:
    """Makes these the losses of the next evaluations."""
    count, following = trainer.count_evaluation, iter(losses)
    trainer.count_evaluation = lambda loss: count(next(following))


def test_weights_that_do_not_fit_are_refused(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=4)
    trainer.train()
    state, (weights, _) = checkpoint.load(trainer.run, "latest")
    for change in ({"n_embd": 64}, {"n_layer": 1}, {"vocab_size": 300}):
        model = type(trainer.model)(type(trainer.model.config)(**state["model"] | change))
        with pytest.raises(InputError, match="do not have the shapes"):
            set_parameters(model, weights)


def test_peaks_are_known_for_some_devices_and_never_guessed(monkeypatch, stories, tmp_path):
    config = new_run(tmp_path / "run", stories, max_steps=4, precision="bf16").config
    for name, expected in (
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("Foo", None),
    ):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device, name=name: name)
        assert peak_flops(config, torch.device("cuda")) == expected
    assert peak_flops(config, torch.device("cpu")) is None


def test_mfu_is_reported_where_the_peak_is_known(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=4)
    trainer.peak_flops = 1e12
    trainer.train()
    assert ["mfu" in row for row in read_rows(trainer.run / "metrics.jsonl")] == [False, True, True, True, True]


@pytest.mark.parametrize("processes", [1, 2])
def test_speed_is_that_of_the_steps_since_the_latest_row_and_mfu_what_it_is_of_all_devices(
    tmp_path, stories, processes
):
    trainer = new_run(tmp_path / "run", stories, max_steps=4)
    trainer.peak_flops, trainer.world = 1e12, World(0, processes)
    trainer.logged, trainer.tokens, trainer.train_seconds = (1_000, 2.0), 9_000, 6.0
    row = trainer.clock()
    assert row["tokens_per_second"] == 2_000
    assert row["mfu"] == pytest.approx(2_000 * trainer.model.flops_per_token() / (processes * 1e12))
    assert trainer.clock().keys() == {"seconds", "train_seconds"}, "no step since that row"
