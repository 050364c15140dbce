"""How training ends before its budget is used up: a signal, or a disk that takes no more."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, EFBIG, EIO, ENOENT, ENOSPC, EPERM, EROFS
from pathlib import Path
from types import FrameType

from common.errors import InputError
from common.output import note_line
from storage import checkpoint
from storage.metrics import read_rows
from storage.run import METRICS
from training.world import World

CANNOT_WRITE = (ENOSPC, EDQUOT, EFBIG, EROFS, EACCES, EPERM, EIO, ENOENT)


class StopRequests:
    """While entered, notes SIGINT, SIGTERM and SIGHUP (a terminal that is gone; not under nohup).

    ``received``: the latest signal that this process was sent, ``agreed``: the one for which all processes of the
    ``world`` end the run after their step; 0: none. A second signal ends a process immediately. Not so under torchrun,
    which hands on to each process what they all may have been sent already.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.received = self.agreed = 0
        self.handlers: dict[int, Callable | int | None] = {}  # before this was entered

    def __enter__(self) -> "StopRequests":
        hangs_up = hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
        stopping = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])]
        self.handlers = {number: signal.getsignal(number) for number in stopping}
        for number in stopping:
            signal.signal(number, self.request)
        return self

    def request(self, number: int, frame: FrameType | None = None) -> None:
        """The handler of these signals."""
        again, self.received = self.received, number
        if self.world.size == 1:
            for stopping in self.handlers:
                signal.signal(stopping, signal.SIG_DFL)
        if self.world.first and not again:
            self.note()

    def note(self) -> None:
        """Says what happens now, past the buffer of stderr, in the middle of which a signal may have come."""
        second = "; a second signal ends it immediately and saves nothing" if self.world.size == 1 else ""
        note = note_line(f"the run is saved and stops after this step or evaluation{second}")
        with suppress(OSError, ValueError):
            stderr = sys.stderr.fileno()
            start = "\n" if os.isatty(stderr) else ""  # where ^C and a bar stand
            os.write(stderr, f"{start}{note}\n".encode())

    def __exit__(self, *_: object) -> None:
        ignored = self.world.size > 1 and (self.agreed or self.received)  # torchrun may pass it on a second time
        for number, handler in self.handlers.items():
            signal.signal(number, signal.SIG_IGN if ignored else handler)


@contextmanager
def readable_write_errors(run: Path) -> Iterator[None]:
    """Where the folder of a run cannot be written: what is kept, and how to go on."""
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        if error.errno == ENOENT and not os.path.exists(run):
            raise InputError(
                f"run={run}: was moved or deleted while it was trained; continue with run=NEW_NAME resume=true"
            ) from None
        again = "give the same command again"
        if checkpoint.saved_steps(run) or any("train_loss" in row for row in read_rows(run / METRICS)):
            again = f"continue with the same command and {shlex.quote(f'run={run}')} resume=auto "
            again += "(in place of overwrite=true, if that was given)"
        raise InputError(
            f"{error.filename or run} cannot be written ({error.strerror}); {kept(run)}. Put that right, then {again}"
        ) from None


def kept(run: Path) -> str:
    """What is left of a run that ends before its time."""
    steps = checkpoint.saved_steps(run)
    return f"the last good checkpoint is step {steps[-1]}" if steps else "there is no checkpoint yet"
