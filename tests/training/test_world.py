"""Two processes do what one does: the same global batches, the same losses, one run folder, resumed on any number."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import QUICK, ROOT, SMALL
from processes import Training
from tolerance import TRAINED

from common.errors import InputError
from data import Batches
from data.text.shards import Tokens
from storage import checkpoint
from storage.metrics import read_rows
from training.loop import sequences_per_step

STARTER = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
SETTINGS = (*QUICK, *SMALL, "data.tasks=[agreement]", "eval_every=4", "checkpoint_every=4", "device=cpu")
AVERAGED = ("optimizer.average=ema", "optimizer.clip=0.5")


def train(folder: Path, processes: int, *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of all the processes, which are started as torchrun does, and at once."""
    ranks = []
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        ranks = [
            {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)} | place
            for rank in range(processes)
        ]
    started = [Training(folder, *arguments, **environment) for environment in ranks or [{}]]
    (out, err), status = started[0].communicate(timeout=300), started[0].returncode
    for process in started[1:]:
        if status:
            process.send_signal(signal.SIGTERM)
        more = process.communicate(timeout=300)
        out, err, status = out + more[0], err + more[1], status or process.returncode
    return status, out, err


def losses(run: Path, key: str) -> list[float]:
    return [row[key] for row in read_rows(run / "metrics.jsonl") if key in row]


def test_two_processes_train_as_one_does_and_resume_each_others_runs(tmp_path):
    for processes in (1, 2):
        status, out, err = train(
            tmp_path, processes, f"run=by{processes}", "resume=auto", "max_steps=8", *SETTINGS, *AVERAGED
        )
        assert status == 0, err
    assert out.count("done ") == 1, "only the first process speaks"
    assert "4 sequences of 64" not in out
    assert "2 sequences of 64 in each of 2 processes" in out
    for first, then in ((1, 2), (2, 1)):
        status, _, err = train(tmp_path, then, f"run=by{first}", "resume=auto", "max_steps=12", *SETTINGS, *AVERAGED)
        assert status == 0, err
    for key, n in (("train_loss", 12), ("val_loss", 4), ("grad_norm", 12)):
        one, two = (losses(tmp_path / f"by{processes}", key) for processes in (1, 2))
        assert len(one) == n
        assert one == pytest.approx(two, rel=TRAINED)
    (one, _), (two, _) = (checkpoint.load(tmp_path / f"by{processes}", "latest")[1] for processes in (1, 2))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["by1", "by2", "cache"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model.n_layr=3",), "model.n_layr: there is no such key"),
        (("tokens_per_step=320",), "tokens_per_step=320: must be a multiple of model.block_size=64 times 2"),
        (("data=files", "data.path=nowhere.txt"), "data.path=nowhere.txt: there is no such file"),
        (("-m", "seed=1,2"), "-m and torchrun do not go together"),
    ],
)
def test_what_no_process_can_do_is_said_once(tmp_path, arguments, message):
    settings = SETTINGS if "data=files" not in arguments else SMALL
    status, _, err = train(tmp_path, 2, *settings, *arguments)
    assert status == 1
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_under_torchrun_it_is_said_once_too(tmp_path):
    command = [*STARTER, str(ROOT / "train.py"), *SETTINGS, "tokens_per_step=320"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    assert len(re.findall(r"^error: tokens_per_step=320: must be a multiple", done.stderr, re.MULTILINE)) == 1
    assert "Traceback" not in re.split("torch.distributed.elastic", done.stderr)[0], "before torchrun's own"
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(not shutil.which("pgrep"), reason="needs pgrep to find torchrun's processes")
def test_a_signal_to_all_processes_saves_once(tmp_path):
    arguments = ("run=run", "max_steps=100000", *SETTINGS)
    process = subprocess.Popen(
        [*STARTER, str(ROOT / "train.py"), *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while not checkpoint.saved_steps(tmp_path / "run"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    for pid in (*map(int, children), process.pid):  # as a scheduler does; torchrun passes it on once more
        os.kill(pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=300)
    assert out.count("stopped by signal at step") == 1
    assert read_rows(tmp_path / "run" / "metrics.jsonl")[-1]["step"] == checkpoint.saved_steps(tmp_path / "run")[-1]


def test_every_sequence_is_read_by_exactly_one_process():
    import numpy as np

    tokens = Tokens([np.arange(1_000, dtype=np.uint16)])
    alone = Batches(tokens, 8, 6, seed=3)
    shared = [Batches(tokens, 8, 6, seed=3, rank=rank, size=3) for rank in range(3)]
    for _ in range(50):  # over several epochs
        parts = [batches.next() for batches in shared]
        assert (alone.next() == np.stack(parts, axis=1).reshape(6, 9)).all()
        assert all(batches.state() == alone.state() for batches in shared)


@pytest.mark.parametrize(
    ("tokens_per_step", "processes", "message"),
    [
        (1_000, 1, "tokens_per_step=1000: must be a multiple of model.block_size=64; give 960 or 1024"),
        (
            64,
            2,
            "multiple of model.block_size=64 times 2 processes; give 128, or start another number of processes",
        ),
    ],
)
def test_a_batch_that_does_not_divide_is_refused(tokens_per_step, processes, message):
    with pytest.raises(InputError, match=re.escape(message) + "$"):
        sequences_per_step(tokens_per_step, 64, processes)
