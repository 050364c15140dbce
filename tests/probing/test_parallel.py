"""Work that is done several pieces at a time gives what it gives one after the other, and ends soon if one fails."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from probing.parallel import GoOn, StoppedError, side_by_side

CPU = torch.device("cpu")
LONGEST = 60  # seconds to wait for what must happen


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_threads_that_share_the_cores():
    others = threading.Barrier(3, timeout=LONGEST)  # while the first is at work, the others come and go

    def work(item: int, go_on: GoOn) -> tuple[int, int]:
        go_on()
        if item in (4, 1):
            others.wait()
        return item, torch.get_num_threads()

    threading.Thread(target=others.wait).start()
    assert side_by_side(work, [4, 3, 2, 1], CPU) == [(4, 2), (3, 2), (2, 2), (1, 2)]
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("items", [("fails", "goes on", "", ""), ("goes on", "fails", "", "")])
def test_one_that_fails_ends_the_others(items):
    begun, stopped = threading.Event(), threading.Event()

    def work(item: str, go_on: GoOn) -> None:
        if item == "fails":
            begun.wait(LONGEST)
            raise ZeroDivisionError
        begun.set()
        deadline = time.monotonic() + LONGEST
        try:
            while item and time.monotonic() < deadline:
                go_on()
        except StoppedError:
            stopped.set()
            raise

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, items, CPU)
    assert stopped.is_set()


def test_few_pieces_or_one_core_are_worked_at_one_after_the_other_in_the_same_thread():
    own = threading.get_ident()

    def where(item: str, _: GoOn) -> tuple[str, int]:
        return item, threading.get_ident()

    assert side_by_side(where, "abc", CPU) == [("a", own), ("b", own), ("c", own)]
    assert side_by_side(where, "abcd", CPU, fills_cores=True) == [(item, own) for item in "abcd"]
    torch.set_num_threads(1)
    assert side_by_side(where, "abcd", CPU) == [("a", own), ("b", own), ("c", own), ("d", own)]
    assert side_by_side(where, [], CPU) == []
