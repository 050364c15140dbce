"""Several processes do what one does: the same global batches and losses, one run folder, resumed on any number."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import QUICK, ROOT, SMALL
from processes import Training
from tolerance import TRAINED

from common.errors import InputError
from data import Batches
from data.text import shards
from data.text.shards import Tokens
from storage import checkpoint
from storage.metrics import read_rows
from storage.weights import get_parameters
from training import Trainer, gradients, world
from training.loop import sequences_per_step
from training.world import processes

STARTER = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
SETTINGS = (*QUICK, *SMALL, "data.tasks=[agreement]", "eval_every=4", "checkpoint_every=4", "device=cpu")
AVERAGED = ("optimizer.average=ema", "optimizer.clip=0.5")


def free_port() -> int:
    """Below those that the system gives to whoever asks for any, so that nobody is given it before it is used."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def start(folder: Path, n: int, *arguments: str, prepare: Callable[[], None] | None = None) -> list[Training]:
    """``n`` processes, as torchrun starts them."""
    ranks = [{}]
    if n > 1:
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(n)}
        if sys.platform == "linux":  # where this machine's name leads nowhere, gloo would say so
            meeting["GLOO_SOCKET_IFNAME"] = "lo"
        ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} | meeting for rank in range(n)]
    return [Training(folder, *arguments, prepare=prepare, **environment) for environment in ranks]


def train(folder: Path, n: int, *arguments: str, prepare: Callable[[], None] | None = None) -> tuple[int, str, str]:
    """Status, stdout and stderr of all the processes; if the first fails, a signal ends the others, as torchrun's."""
    started = start(folder, n, *arguments, prepare=prepare)
    (out, err), status = started[0].communicate(timeout=300), started[0].returncode
    for process in started[1:]:
        if status:
            process.send_signal(signal.SIGTERM)
        more = process.communicate(timeout=300)
        out, err, status = out + more[0], err + more[1], status or process.returncode
    return status, out, err


def losses(run: Path, key: str) -> list[float]:
    return [row[key] for row in read_rows(run / "metrics.jsonl") if key in row]


def watched() -> None:
    """Gradients go in many buckets, only the first process may hash tokens, and each notes its weights at the end."""
    gradients.BUCKET_BYTES = 1 << 12
    rank, train = processes()[0], Trainer.train
    if rank:
        shards.file_sha256 = lambda path: pytest.fail(f"hashes {path}")

    def train_and_note(trainer: Trainer) -> None:
        train(trainer)
        tensors = [*get_parameters(trainer.model).values(), *trainer.optimizers.state_tensors().values()]
        Path(f"weights{rank}").write_bytes(b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors))

    Trainer.train = train_and_note


def test_several_processes_train_as_one_does_and_resume_each_others_runs(tmp_path):
    settings = (*SETTINGS, *AVERAGED, "resume=auto", "tokens_per_step=384", "micro_batch=64")
    for n in (1, 2, 3):
        status, out, err = train(tmp_path, n, f"run=by{n}", "max_steps=8", *settings, prepare=watched)
        assert status == 0, err
    assert out.count("done ") == 1, "only the first process speaks"
    assert "2 x 1 sequences of 64 in each of 3 processes" in out
    weights = {path.read_bytes() for path in tmp_path.glob("weights*")}
    assert len(weights) == 1, "all three processes hold the same, bit for bit"
    for first, then in ((1, 2), (2, 3), (3, 1)):
        status, _, err = train(tmp_path, then, f"run=by{first}", "max_steps=12", *settings)
        assert status == 0, err
    for n in (2, 3):
        for key, rows in (("train_loss", 12), ("val_loss", 4), ("grad_norm", 12)):
            one, several = (losses(tmp_path / f"by{which}", key) for which in (1, n))
            assert len(one) == rows
            assert one == pytest.approx(several, rel=TRAINED)
        (one, _), (several, _) = (checkpoint.load(tmp_path / f"by{which}", "latest")[1] for which in (1, n))
        for name in one:
            torch.testing.assert_close(one[name], several[name], rtol=1e-3, atol=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["by1", "by2", "by3", "cache"]


def test_ids_are_hashed_by_the_first_process_for_all(tmp_path):
    np.save(tmp_path / "ids.npy", np.random.default_rng(0).integers(50, size=2_000, dtype=np.uint16))
    settings = (*SMALL, "data=tokens", "data.path=ids.npy", "device=cpu", "tokens_per_step=128", "run=run")
    settings = (*settings, "wandb.mode=disabled", "resume=auto")
    for steps in (2, 3):
        status, _, err = train(tmp_path, 2, *settings, f"max_steps={steps}")
        assert status == 0, err


def wait_for(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + 300
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def hurried() -> None:
    world.HELD_BACK_SECONDS, world.LOST_SECONDS = 0.5, 2


def impatient() -> None:
    hurried()
    world.TIMEOUT = timedelta(seconds=1)


def failing_second() -> None:
    """The first is still there when the second has ended, however busy the machine is."""
    hurried()
    if processes()[0]:
        Trainer.train_step = lambda trainer: pytest.fail("the second cannot")
    else:
        world.time = SimpleNamespace(sleep=lambda _: wait_for(Path("reported").exists))


LOST = "error: another of the 2 processes has ended or does not answer; its own error says why, unless it was killed"


def test_an_error_of_the_first_process_ends_the_others_in_a_line(tmp_path):
    """Without torchrun, which would end them: they neither wait nor show what the exchange between them was."""
    (tmp_path / "file").touch()
    first, second = start(tmp_path, 2, "run=file/run", *SETTINGS, prepare=hurried)
    assert first.communicate(timeout=300)[1].startswith("error: ")
    _, err = second.communicate(timeout=60)
    assert (err.count("\n"), err[: len(LOST)]) == (1, LOST)
    assert (first.returncode, second.returncode) == (1, 1)


def test_an_error_of_another_process_comes_before_the_one_that_it_is_lost(tmp_path):
    first, second = start(tmp_path, 2, "run=run", "max_steps=3", *SETTINGS, prepare=failing_second)
    assert "the second cannot" in second.communicate(timeout=300)[1]
    assert first.poll() is None, "torchrun would have ended the second before it reported its error"
    (tmp_path / "reported").touch()
    assert first.communicate(timeout=60)[1].startswith(LOST)


def test_a_process_that_never_comes_is_not_waited_for_long(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(nobody.getsockname()[1])}
        second = Training(tmp_path, *SETTINGS, prepare=impatient, RANK="1", LOCAL_RANK="1", WORLD_SIZE="2", **meeting)
        assert LOST in second.communicate(timeout=60)[1]


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
    wait_for(lambda: checkpoint.saved_steps(tmp_path / "run"))
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    for pid in (*map(int, children), process.pid):  # as a scheduler does; torchrun passes it on once more
        os.kill(pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=300)
    assert out.count("stopped by signal at step") == 1
    assert read_rows(tmp_path / "run" / "metrics.jsonl")[-1]["step"] == checkpoint.saved_steps(tmp_path / "run")[-1]


def test_a_signal_to_the_second_process_alone_stops_both(tmp_path):
    both = start(tmp_path, 2, "run=run", "max_steps=100000", *SETTINGS)
    wait_for(lambda: checkpoint.saved_steps(tmp_path / "run"))
    both[1].send_signal(signal.SIGTERM)
    for process in both:
        process.communicate(timeout=300)
    assert [process.returncode for process in both] == 2 * [128 + signal.SIGTERM]


def test_every_sequence_is_read_by_exactly_one_process():
    tokens = Tokens([np.arange(1_000, dtype=np.uint16)])
    alone = Batches(tokens, 8, 6, seed=3)
    shared = [Batches(tokens, 8, 6, seed=3, rank=rank, size=3) for rank in range(3)]
    for _ in range(50):  # over several epochs
        parts = [batches.next() for batches in shared]
        assert (alone.next() == np.stack(parts, axis=1).reshape(6, 9)).all()
        assert all(batches.state() == alone.state() for batches in shared)


@pytest.mark.parametrize(
    ("tokens_per_step", "n", "message"),
    [
        (1_000, 1, "tokens_per_step=1000: must be a multiple of model.block_size=64; give 960 or 1024"),
        (
            64,
            2,
            "multiple of model.block_size=64 times 2 processes; give 128, or start another number of processes",
        ),
    ],
)
def test_a_batch_that_does_not_divide_is_refused(tokens_per_step, n, message):
    with pytest.raises(InputError, match=re.escape(message) + "$"):
        sequences_per_step(tokens_per_step, 64, n)
