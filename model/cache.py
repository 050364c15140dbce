"""What generation remembers of the tokens already read, so that each new token costs one step and not a whole pass."""

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F


class Cache:
    """One layer's memory: tensors whose first dimension is the sequence. ``Context`` sets where the next token is:
    ``position``, an integer, or [B] where sequences differ in length, and ``longest``, the largest of them.
    """

    position: int | Tensor = 0
    longest: int = 0

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def keeps_all(self, end: int) -> bool:
        """Whether each token up to position ``end`` stays: several can then be added together, and be taken back."""
        return False

    def replace(self, sequences: Tensor, other: Self, copies: Tensor) -> None:
        """Replaces ``sequences`` [n] by the sequences ``copies`` [n] of ``other``."""
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            mine[sequences] = theirs[copies]


class KVCache(Cache):
    """Keys and values: two tensors [B, Hkv, s, n, d], allocated once.

    A token at position p is in row p % s, which has those a stride (S) apart, at slot (p // s) % n: in a window (W) the
    newest overwrites the oldest. The order of slots does not matter, as positions are in the keys.
    """

    @classmethod
    def empty(cls, shape: Sequence[int], like: Tensor) -> Self:
        """A cache without tokens, with the device and dtype of ``like``."""
        return cls(like.new_zeros(shape), like.new_zeros(shape))

    def fill(self, k: Tensor, v: Tensor) -> None:
        """Keeps the first tokens of all sequences, k and v [B, Hkv, T, d]."""
        stride, n_slots = self.tensors[0].shape[2:4]
        for kept, new in zip(self.tensors, (k, v), strict=True):
            rows = by_stride(new, stride)
            n = rows.size(3)
            if n <= n_slots:
                kept[:, :, :, :n] = rows
            else:
                slots = torch.arange(n - n_slots, n, device=rows.device)
                kept[:, :, :, slots % n_slots] = rows[:, :, :, slots].type_as(kept)

    def keeps_all(self, end: int) -> bool:
        stride, n_slots = self.tensors[0].shape[2:4]
        return stride == 1 and end <= n_slots

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Adds one token a sequence, k and v [B, Hkv, 1, d]; returns what it sees: keys and values [B, Hkv, n, d], and
        which of these n each sequence has, [B, 1, 1, n]; None: all of them.

        Also T tokens, k and v [B, Hkv, T, d], where the cache ``keeps_all``; then which each sees, [T, n].
        """
        if isinstance(self.position, int) and self.keeps_all(end := self.position + k.size(2)):
            return self.append_in_order(k, v, self.position, end)
        return self.append_in_ring(k, v)

    def append_in_order(self, k: Tensor, v: Tensor, start: int, end: int) -> tuple[Tensor, Tensor, Tensor | None]:
        for kept, new in zip(self.tensors, (k, v), strict=True):
            kept[:, :, 0, start:end] = new
        keys, values = (kept[:, :, 0, :end] for kept in self.tensors)
        several = torch.ones(k.size(2), end, dtype=torch.bool, device=k.device).tril(start) if k.size(2) > 1 else None
        return keys, values, several

    def append_in_ring(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        stride, n_slots = self.tensors[0].shape[2:4]
        row, index = self.position % stride, self.position // stride
        slot, n = index % n_slots, min(self.longest // stride + 1, n_slots)
        each = slice(None) if isinstance(index, int) else torch.arange(len(index), device=index.device)
        for kept, new in zip(self.tensors, (k, v), strict=True):
            kept[each, :, row, slot] = new[:, :, 0].type_as(kept)  # under autocast in half precision
        # One row for all need not be copied.
        keys, values = (kept[:, :, 0, :n] if stride == 1 else kept[each, :, row, :n] for kept in self.tensors)
        own = None if isinstance(index, int) else torch.arange(n, device=k.device) <= index[:, None]  # [B, n]
        return keys, values, None if own is None else own[:, None, None]


def by_stride(x: Tensor, stride: int) -> Tensor:
    """x [B, H, T, d] as [B, H, stride, T / stride, d], padded with zeros at the end to a multiple of ``stride``."""
    return F.pad(x, (0, 0, 0, -x.size(2) % stride)).unflatten(2, (-1, stride)).transpose(2, 3)


class Context:
    """What a model remembers of B sequences: ``lengths``, the tokens each has read, and one cache a layer, for up to
    ``capacity`` tokens.
    """

    def __init__(self, caches: list[Cache], lengths: list[int], capacity: int) -> None:
        self.caches, self.lengths, self.capacity = caches, lengths, capacity

    def begin_step(self, n: int, device: torch.device) -> slice | Tensor:
        """Tells all caches where the next ``n`` tokens are; returns their positions: a slice, or [B, n] where sequences
        differ in length.

        Raises ValueError for more than one token after the first ones, unless all caches keep all, and for more than
        ``capacity`` in all.
        """
        longest = max(self.lengths)
        same = min(self.lengths) == longest
        if n > 1 and longest and not (same and all(cache.keeps_all(longest + n) for cache in self.caches)):
            raise ValueError(f"{n} tokens after the first ones: give them one by one, as GPT.step does")
        if longest + n > self.capacity:
            raise ValueError(f"{longest + n} tokens do not fit into a context for {self.capacity}")
        position = longest if same else torch.tensor(self.lengths, device=device)
        for cache in self.caches:
            cache.position, cache.longest = position, longest
        return slice(longest, longest + n) if isinstance(position, int) else position[:, None]

    def replace(self, sequences: Tensor, other: "Context", copies: Tensor) -> None:
        """Replaces ``sequences`` [n] by the sequences ``copies`` [n] of ``other``."""
        for mine, theirs in zip(self.caches, other.caches, strict=True):
            mine.replace(sequences, theirs, copies)
        for i, copy in zip(sequences.tolist(), copies.tolist(), strict=True):
            self.lengths[i] = other.lengths[copy]


def context_start(length: int, block_size: int) -> int:
    """Where the context of the next token starts when ``length`` tokens exist: 0 while they fit into the block.

    After that the context moves on by half a block at a time, so that the cache is refilled once every half block
    instead of at every token.
    """
    if length <= block_size:
        return 0
    hop = max(1, block_size // 2)
    return math.ceil((length - block_size) / hop) * hop
