"""The processes that train one model together, as torchrun starts them; alone, everything here does nothing.

Each process takes its share of every global batch, and gradients are summed before every step, so that all of them
hold the same weights at all times. The first process alone writes, prints and answers for the run.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from common.errors import InputError

TIMEOUT = timedelta(days=1)  # the others wait while the first makes tokens; torchrun ends them all if one fails
FIRST_SPEAKS_SECONDS = 5


@dataclass(frozen=True)
class World:
    """``rank`` of ``size`` processes."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes, in one exchange."""
        if self.size == 1:
            return
        together = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(together)
        for tensor, part in zip(tensors, together.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, seconds: float, stop_signal: int) -> tuple[float, int]:
        """What must be the same in all processes: the first one's clock, and a signal (0: none) that any was sent.

        Goes through the host's memory, so that no device has to be waited for.
        """
        if self.size == 1:
            return seconds, stop_signal
        said = torch.tensor([seconds if self.first else 0.0, float(stop_signal)], dtype=torch.float64)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return float(said[0]), int(said[1])

    def first_says(self, value: Any) -> Any:
        """What the first process passed here."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process does the work inside, then the others do, and find it done."""
        if self.size > 1 and not self.first:
            dist.barrier()
        yield
        if self.size > 1 and self.first:
            dist.barrier()


def processes() -> tuple[int, int, int]:
    """(rank, size, rank on this machine) as torchrun says them in the environment; (0, 1, 0) without it."""
    rank, size, local_rank = (
        int(os.environ.get(*known)) for known in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    )
    return rank, size, local_rank


ALONE = World()


@contextmanager
def first_speaks() -> Iterator[None]:
    """Keeps errors of all processes but the first back for a while: if it has the same, torchrun ends them by then."""
    try:
        yield
    except BaseException:
        if processes()[0] > 0:
            time.sleep(FIRST_SPEAKS_SECONDS)
        raise


@contextmanager
def join(device: torch.device) -> Iterator[World]:
    """Meets the other processes, if there are any; at the end they wait for each other, and part."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    rank, size, _ = processes()
    if size == 1:
        yield ALONE
        return
    if device.type == "mps":
        raise InputError(f"device={device.type}: several processes need a CUDA device each, or device=cpu")
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield World(rank, size)
        dist.barrier()  # torchrun would end the first, still writing, as soon as another is gone
    finally:
        dist.destroy_process_group()
