"""Work that is done several pieces at a time gives what it gives one after the other, and ends soon if one fails."""

import threading
from collections.abc import Iterator

import pytest
import torch

from probing.side_by_side import GoOn, StoppedError, side_by_side

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_threads_that_share_the_cores():
    both = threading.Barrier(2, timeout=60)

    def work(item: int, go_on: GoOn) -> tuple[int, int]:
        both.wait()  # two are at work at any time
        go_on()
        return item, torch.get_num_threads()

    assert side_by_side(work, [3, 1], CPU) == [(3, 2), (1, 2)]
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("items", [("fails", "goes on"), ("goes on", "fails")])
def test_one_that_fails_ends_the_others(items):
    begun, ends = threading.Event(), []

    def work(item: str, go_on: GoOn) -> None:
        if item == "fails":
            begun.wait(60)
            raise ZeroDivisionError
        begun.set()
        try:
            while True:
                go_on()
        except StoppedError as error:
            ends.append(error)
            raise

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, items, CPU)
    assert len(ends) == 1


def test_one_core_does_one_after_the_other_in_the_same_thread():
    torch.set_num_threads(1)
    own = threading.get_ident()
    assert side_by_side(lambda item, _: (item, threading.get_ident()), "ab", CPU) == [("a", own), ("b", own)]
    assert side_by_side(lambda item, _: item, [], CPU) == []
