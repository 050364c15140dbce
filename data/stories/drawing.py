"""Words drawn at random, in a way that is the same on every platform."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


def pick(rng: Random, words: Sequence[Item]) -> Item:
    """``rng.choice``, three times as fast: stories are drawn by the million."""
    return words[int(rng.random() * len(words))]


def pick_two(rng: Random, words: Sequence[Item]) -> tuple[Item, Item]:
    """Two different words, in random order."""
    i, j = int(rng.random() * len(words)), int(rng.random() * (len(words) - 1))
    return words[i], words[j + (j >= i)]
