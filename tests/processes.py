"""``python train.py`` in processes of their own that start at once: forked from a server that has imported it already.

They are processes like any other: they can be sent signals, be killed, and talk to each other. What they lack is an
interpreter's start, some seconds, and with it a seed of their own for the hashes of strings. Tests of the start itself,
or of what might depend on that seed, take ``start_training`` of conftest.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONTEXT = multiprocessing.get_context("forkserver")
# And what it imports on its way.
CONTEXT.set_forkserver_preload(["train", "matplotlib.figure", "matplotlib.backends.backend_agg"])


def train(
    folder: Path,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    out: Path,
    err: Path,
    prepare: Callable[[], None] | None,
) -> None:
    """What ``python train.py ARGUMENTS`` does in ``folder``; runs in the process that was forked."""
    for stream, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    os.chdir(folder)
    os.environ.update(environment)
    sys.argv = ["train.py", *arguments]
    import cli
    import train as script

    if prepare:
        prepare()
    cli.launch(script.main, "train", script.TrainCommand)


class Training:
    """Has what the tests use of ``subprocess.Popen``; ``environment`` comes on top of this process's own. ``prepare``,
    a function of a test's module, is called in the new process first.
    """

    def __init__(
        self, folder: Path, *arguments: str, prepare: Callable[[], None] | None = None, **environment: str
    ) -> None:
        self.files = tempfile.TemporaryDirectory()
        self.out, self.err = (Path(self.files.name) / name for name in ("out", "err"))
        settings = (folder, arguments, environment, self.out, self.err, prepare)
        self.process = CONTEXT.Process(target=train, args=settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(ROOT))  # the server does not take over sys.path
            forkserver.ensure_running()
        self.process.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """As in subprocess: minus the signal for a process that was killed."""
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for the end; returns what was written to stdout and stderr."""
        self.process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("train.py", timeout)
        return tuple(path.read_text() if path.exists() else "" for path in (self.out, self.err))
