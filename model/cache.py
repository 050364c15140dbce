"""Keys and values of the tokens already read, so that each new token costs one row of attention."""

import torch
from torch import Tensor


class KVCache:
    """One layer's keys and values in a buffer allocated once: two tensors [B, Hkv, capacity, d]."""

    def __init__(self, keys: Tensor, values: Tensor, length: int = 0) -> None:
        self.keys, self.values, self.length = keys, values, length

    @classmethod
    def empty(cls, batch: int, n_kv_head: int, capacity: int, head_dim: int, like: Tensor) -> "KVCache":
        """A cache without tokens, with the device and dtype of ``like``."""
        keys, values = (like.new_zeros(batch, n_kv_head, capacity, head_dim) for _ in range(2))
        return cls(keys, values)

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Adds k, v [B, Hkv, t, d] and returns everything held so far, [B, Hkv, length, d]."""
        end = self.length + k.size(2)
        if end > self.keys.size(2):
            raise ValueError(f"the cache holds {self.keys.size(2)} tokens; {end} are too many")
        self.keys[:, :, self.length : end] = k
        self.values[:, :, self.length : end] = v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def fork(self, n: int) -> "KVCache":
        """n independent copies of a cache that holds one sequence: read a prompt once, continue it n times."""
        keys, values = (torch.cat([tensor] * n) for tensor in (self.keys, self.values))
        return KVCache(keys, values, self.length)
