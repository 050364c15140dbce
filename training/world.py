"""The processes that train one model together, as torchrun starts them; alone, everything here does nothing.

Each process takes its share of every global batch, and gradients are summed before every step, so that all of them
hold the same weights at all times. The first process alone writes, prints and answers for the run.
"""

import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from common.errors import InputError

TIMEOUT = timedelta(minutes=10)  # for what all do together: meeting and summing
FIRST_TIMEOUT = timedelta(days=1)  # for what the first does while the others wait, such as making tokens
HELD_BACK_SECONDS, LOST_SECONDS = 5, 7
LOST_PROCESS = (
    "another of the {} processes has ended or does not answer; its own error says why, unless it was killed. The same "
    "command with run=RUN resume=auto continues from the last checkpoint of that run"
)
LOST = re.compile("(closed|reset) by peer|broken pipe|remote process exited|timed out", re.IGNORECASE)


class ProcessLostError(InputError):
    """Another process has ended, or never came."""


@dataclass(frozen=True)
class World:
    """``rank`` of ``size`` processes."""

    rank: int = 0
    size: int = 1
    rank_here: int = 0  # on this machine
    waiting: "dist.ProcessGroup | None" = None  # in which the others wait for the first, however long

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def first_here(self) -> bool:
        """Whether this is the first process on its machine, which checks the files there for all."""
        return self.rank_here == 0

    def sum_(self, tensor: Tensor) -> None:
        """Replaces a tensor by its sum over all processes."""
        if self.size > 1:
            dist.all_reduce(tensor)

    def begin_sum(self, tensor: Tensor) -> "dist.Work":
        """Of several processes: ``sum_`` without waiting; ``wait`` of what it returns does that."""
        return dist.all_reduce(tensor, async_op=True)

    def share(self, function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        """``function(batch)`` [N, ...], which treats each of the N by itself: each process computes a part of them."""
        if self.size == 1:
            return function(batch)
        each = math.ceil(len(batch) / self.size)
        own, part = batch[self.rank * each : (self.rank + 1) * each], torch.zeros_like(batch[:each])
        part[: len(own)] = function(own)
        parts = [torch.empty_like(part) for _ in range(self.size)]
        dist.all_gather(parts, part)
        return torch.cat(parts)[: len(batch)]

    def agree(self, seconds: float, stop_signal: int) -> tuple[float, int]:
        """What must be the same in all processes: the first one's clock, and a signal (0: none) that any was sent.

        Goes through the host's memory, so that no device has to be waited for.
        """
        if self.size == 1:
            return seconds, stop_signal
        both = torch.tensor([seconds if self.first else 0.0, float(stop_signal)], dtype=torch.float64)
        dist.all_reduce(both, op=dist.ReduceOp.MAX, group=self.waiting)
        return float(both[0]), int(both[1])

    def broadcast(self, value: Any) -> Any:
        """What the first process passed here."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, group=self.waiting)
        return values[0]

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process does the work inside, then the others do, and find it done."""
        if self.size > 1 and not self.first:
            dist.barrier(self.waiting)
        yield
        if self.size > 1 and self.first:
            dist.barrier(self.waiting)


def processes() -> tuple[int, int, int]:
    """(rank, size, rank on this machine), which torchrun puts into the environment; (0, 1, 0) without it."""
    rank, size, local_rank = (
        int(os.environ.get(*known)) for known in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    )
    return rank, size, local_rank


ALONE = World()


@contextmanager
def hold_back_errors() -> Iterator[None]:
    """Keeps errors of all processes but the first back for a while: if it has the same, torchrun ends them by then.
    The error that another process is lost comes last, after that process's own.
    """
    try:
        yield
    except ProcessLostError:
        time.sleep(LOST_SECONDS)
        raise
    except BaseException:
        if processes()[0] > 0:
            time.sleep(HELD_BACK_SECONDS)
        raise


@contextmanager
def join(device: torch.device) -> Iterator[World]:
    """Meets the other processes, if there are any; at the end they wait for each other, and part."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    rank, size, rank_here = processes()
    if size == 1:
        yield ALONE
        return
    if device.type == "mps":
        raise InputError(f"device={device.type}: several processes need a CUDA device each, or device=cpu")
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
        # gloo notices that a process is gone, also where a device would wait for it.
        waiting = dist.new_group(backend="gloo", timeout=FIRST_TIMEOUT)
        assert isinstance(waiting, dist.ProcessGroup)
        yield World(rank, size, rank_here, waiting)
        dist.barrier(waiting)  # torchrun would end the first, still writing, as soon as another is gone
    except RuntimeError as error:
        if not LOST.search(str(error)):
            raise
        raise ProcessLostError(LOST_PROCESS.format(size)) from None
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
