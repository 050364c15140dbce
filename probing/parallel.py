"""Pieces of work that need nothing of each other, several at a time on the cores of a CPU.

A small network's matrices are too small for many cores to share: two of its tasks at once, on one core each, take less
time than one after the other, on both.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
GoOn = Callable[[], None]  # called now and then, to end soon where the result is no longer wanted

WORKERS = 4  # at most, since each has a batch of its own in memory


class StoppedError(Exception):
    """Ends a piece of work whose result nobody waits for any more."""


def side_by_side(
    work: Callable[[Item, GoOn], Result], items: Sequence[Item], device: torch.device, fills_cores: bool = False
) -> list[Result]:
    """``work`` on each of ``items``, in their order; one after the other on a GPU, and where each ``fills_cores``.

    What one raises, or an interruption, ends the others at their next ``GoOn``.
    """
    threads = torch.get_num_threads()
    # With fewer than two items a worker, the longest would end alone, on a part of the cores.
    workers = min(WORKERS, threads, len(items) // 2) if device.type == "cpu" and not fills_cores else 1
    if workers < 2:
        return [work(item, lambda: None) for item in items]
    stopped = Event()

    def go_on() -> None:
        if stopped.is_set():
            raise StoppedError

    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,))
    try:
        pieces = [pool.submit(work, item, go_on) for item in items]
        for piece in as_completed(pieces):
            piece.result()  # raises as soon as any has failed
        return [piece.result() for piece in pieces]
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # a worker's call is also for threads that are made later
