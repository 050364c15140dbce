"""What generation remembers of the tokens already read, so that each new token costs one step and not a whole pass.

A ``Context`` holds, for some sequences, how many tokens each has read and one cache a layer: growing for full
attention, a ring for a window, one row a residue for strides, a state of constant size for what needs no more.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional as F


class Place(NamedTuple):
    """Where the next token of each sequence stands: one position for all, or [B] where sequences differ in length.

    ``longest``: the largest of them, which the host knows without asking the device.
    """

    position: int | Tensor
    longest: int


class Cache:
    """One layer's memory: tensors whose first dimension is the sequence."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def select(self, sequences: Tensor) -> Self:
        """A copy that holds ``sequences`` [n] of this one, each as often as it is named."""
        return type(self)(*(tensor[sequences] for tensor in self.tensors))

    def put(self, sequences: Tensor, other: Self) -> None:
        """Replaces ``sequences`` [n] by those of ``other``."""
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            mine[sequences] = theirs


class KVCache(Cache):
    """Keys and values of all tokens: two tensors [B, Hkv, capacity, d], allocated once."""

    @classmethod
    def empty(cls, shape: Sequence[int], like: Tensor) -> Self:
        """A cache without tokens, with the device and dtype of ``like``."""
        return cls(like.new_zeros(shape), like.new_zeros(shape))

    def fill(self, k: Tensor, v: Tensor) -> None:
        """Keeps the first tokens of all sequences, k and v [B, Hkv, T, d]."""
        for kept, new in zip(self.tensors, (k, v), strict=True):
            kept[:, :, : k.size(2)] = new

    def append(self, k: Tensor, v: Tensor, place: Place) -> tuple[Tensor, Tensor, Tensor | None]:
        """Adds one token a sequence, k and v [B, Hkv, 1, d], and returns what it sees: keys and values [B, Hkv, n, d],
        and which of these n belong to each sequence, [B, 1, 1, n]; None: all of them.
        """
        return self.write(k, v, (place.position,), place.position, place.longest + 1)

    def write(
        self, k: Tensor, v: Tensor, slot: tuple[int | Tensor, ...], last: int | Tensor, n: int
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Puts one token a sequence into its ``slot``, an index behind the heads; of the first ``n`` slots in its row
        those up to ``last`` are seen.
        """
        keys, values = self.tensors
        each, every, mask = slice(None), slice(None), None
        if not isinstance(last, int):
            each, mask = torch.arange(len(last), device=last.device), filled(n, last)
        for kept, new in ((keys, k), (values, v)):
            kept[each, every, *slot] = new[:, :, 0].type_as(kept)  # under autocast it may be of half precision
        row = slot[:-1]
        seen = (each if row else every, every, *row, slice(n))  # without a row of its own no sequence need be copied
        return keys[seen], values[seen], mask


class RingCache(KVCache):
    """Keys and values of the last tokens: two tensors [B, Hkv, window, d]. A token's slot: position modulo window.

    The order of slots does not matter, as positions are in the keys.
    """

    def fill(self, k: Tensor, v: Tensor) -> None:
        window, n = self.tensors[0].size(2), k.size(2)
        slots = torch.arange(max(0, n - window), n, device=k.device) % window
        for kept, new in zip(self.tensors, (k, v), strict=True):
            kept[:, :, slots] = new[:, :, -window:].type_as(kept)

    def append(self, k: Tensor, v: Tensor, place: Place) -> tuple[Tensor, Tensor, Tensor | None]:
        window = self.tensors[0].size(2)
        return self.write(k, v, (place.position % window,), place.position, min(place.longest + 1, window))


class StridedCache(KVCache):
    """Keys and values by residue: two tensors [B, Hkv, stride, capacity / stride, d]; a token sees those of its own."""

    def fill(self, k: Tensor, v: Tensor) -> None:
        stride = self.tensors[0].size(2)
        for kept, new in zip(self.tensors, (k, v), strict=True):
            by_residue = by_stride(new, stride)
            kept[:, :, :, : by_residue.size(3)] = by_residue

    def append(self, k: Tensor, v: Tensor, place: Place) -> tuple[Tensor, Tensor, Tensor | None]:
        stride = self.tensors[0].size(2)
        residue, slot = place.position % stride, place.position // stride
        return self.write(k, v, (residue, slot), slot, place.longest // stride + 1)


def filled(n: int, last: Tensor) -> Tensor:
    """Which of n slots are not behind each sequence's ``last`` [B]: [B, 1, 1, n]."""
    return (torch.arange(n, device=last.device) <= last[:, None])[:, None, None]


def by_stride(x: Tensor, stride: int) -> Tensor:
    """x [B, H, T, d] as [B, H, stride, T / stride, d], padded with zeros at the end to a multiple of ``stride``."""
    return F.pad(x, (0, 0, 0, -x.size(2) % stride)).unflatten(2, (-1, stride)).transpose(2, 3)


class Context:
    """What a model remembers of B sequences: ``lengths``, the tokens each has read, and one cache a layer."""

    def __init__(self, caches: list[Cache], lengths: list[int]) -> None:
        self.caches, self.lengths = caches, lengths

    def place(self, device: torch.device) -> Place:
        """Where the next tokens stand."""
        longest = max(self.lengths)
        alike = min(self.lengths) == longest
        return Place(longest if alike else torch.tensor(self.lengths, device=device), longest)

    def select(self, sequences: Tensor) -> "Context":
        """A copy that holds ``sequences`` [n] of this one: read a prompt once, continue it n times."""
        return Context(
            [cache.select(sequences) for cache in self.caches], [self.lengths[i] for i in sequences.tolist()]
        )

    @classmethod
    def joined(cls, parts: Sequence["Context"]) -> "Context":
        """All sequences of ``parts``, in order."""
        by_layer = zip(*(part.caches for part in parts), strict=True)
        caches = [
            type(caches[0])(*map(torch.cat, zip(*(cache.tensors for cache in caches), strict=True)))
            for caches in by_layer
        ]
        return cls(caches, [length for part in parts for length in part.lengths])

    def put(self, sequences: Tensor, other: "Context") -> None:
        """Replaces ``sequences`` [n] by those of ``other``."""
        for mine, theirs in zip(self.caches, other.caches, strict=True):
            mine.put(sequences, theirs)
        for i, length in zip(sequences.tolist(), other.lengths, strict=True):
            self.lengths[i] = length
