"""The processes that train one model together, as torchrun starts them; alone, everything here does nothing.

Each process takes its share of every global batch, and gradients are summed before every step, so that all of them
hold the same weights at all times. The first process alone writes, prints and answers for the run.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist

PATIENCE = timedelta(days=1)  # the others wait while the first makes tokens; torchrun ends them all if one fails


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

    def sum_on_host(self, number: Tensor) -> None:
        """Replaces a number in the host's memory by its sum over all processes."""
        if self.size > 1:
            dist.all_reduce(number)

    def agree(self, seconds: float, stop_signal: int) -> tuple[float, int]:
        """What all must know alike: the first process's clock, and a signal (0: none) that any of them was sent.

        Goes through the host's memory, so that no device has to be waited for.
        """
        if self.size == 1:
            return seconds, stop_signal
        said = torch.tensor([seconds if self.first else 0.0, float(stop_signal)], dtype=torch.float64)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return float(said[0]), int(said[1])

    def first_says(self, text: str) -> str:
        """What the first process passed here."""
        texts = [text]
        if self.size > 1:
            dist.broadcast_object_list(texts)
        return texts[0]

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
    return tuple(
        int(os.environ.get(key, default)) for key, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    )


@contextmanager
def join(device: torch.device) -> Iterator[World]:
    """Meets the other processes, if there are any, and parts from them at the end."""
    rank, size, _ = processes()
    if size == 1:
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(rank, size)
    finally:
        dist.destroy_process_group()
