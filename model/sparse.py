"""Attention that sees less: a window of the last tokens (W) and every so many before it (S). Never a T x T matrix.

Both are softmax attention over fewer keys, in blocks that PyTorch's fused kernels take. Windows: Beltagy et al. 2020,
"Longformer"; strides: Child et al. 2019, "Generating long sequences with sparse transformers".
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from model.attention import CausalSelfAttention
from model.cache import Cache, KVCache, by_stride
from model.config import GPTConfig
from model.documents import same_document


class WindowAttention(CausalSelfAttention):
    """Type W: every token attends to the last ``window`` tokens, its own among them. O(T window) time, O(T) memory."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__(config, layer)
        self.window = config.window

    def mask(self, distance: Tensor) -> Tensor:
        return (distance >= 0) & (distance < self.window)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, documents: Tensor | None = None) -> Tensor:
        """Queries in N blocks of a window w, [B, N, H, w, d]: each block attends to itself and to the one before."""
        n, window = q.size(2), self.window
        if n <= window:
            return super().attend(q, k, v, documents)
        own = None if documents is None else documents[:, :window]
        first = super().attend(q[:, :, :window], k[:, :, :window], v[:, :, :window], own)
        q, k, v = (F.pad(x, (0, 0, 0, -n % window)).unflatten(2, (-1, window)).transpose(1, 2) for x in (q, k, v))
        k, v = (torch.cat((x[:, :-1], x[:, 1:]), dim=3).flatten(0, 1) for x in (k, v))  # [B (N - 1), Hkv, 2 w, d]
        rows = torch.arange(window, 2 * window, device=q.device)[None]
        visible = self.visible(rows, 2 * window)
        if documents is not None:
            own = F.pad(documents, (0, -n % window)).unflatten(1, (-1, window))  # [B, N, w]
            visible = visible & same_document(own[:, 1:], torch.cat((own[:, :-1], own[:, 1:]), dim=2)).flatten(0, 1)
        rest = self.fused(q[:, 1:].flatten(0, 1), k, v, visible[:, None])
        rest = rest.unflatten(0, (len(first), -1)).transpose(1, 2).flatten(2, 3)  # [B, H, (N - 1) w, d]
        return torch.cat((first, rest), dim=2)[:, :, :n]

    def new_cache(self, batch: int, capacity: int) -> Cache:
        return super().new_cache(batch, min(self.window, capacity))

    def flops_per_token(self, length: int) -> int:
        return super().flops_per_token(min(length, self.window))


class StridedAttention(CausalSelfAttention):
    """Type S: every token attends to itself and to every ``stride``-th token before it: those of its own residue.

    Residues never meet, which is for other layers to do, as in "WS". O(T T / stride) time, O(T) memory.
    """

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__(config, layer)
        self.stride = config.stride

    def mask(self, distance: Tensor) -> Tensor:
        return (distance >= 0) & (distance % self.stride == 0)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, documents: Tensor | None = None) -> Tensor:
        """Each residue is a sequence of its own, causal as any other."""
        n = q.size(2)
        stride = min(self.stride, n)  # beyond the text there is nothing to see
        q, k, v = (by_stride(x, stride).transpose(1, 2).flatten(0, 1) for x in (q, k, v))  # [B s, H, T / s, d]
        if documents is not None:
            documents = by_stride(documents[:, None, :, None], stride).flatten(0, 2)[..., 0]  # [B s, T / s]
        z = super().attend(q, k, v, documents).unflatten(0, (-1, stride))  # [B, s, H, T / s, d]
        return z.permute(0, 2, 3, 1, 4).flatten(2, 3)[:, :, :n]

    def new_cache(self, batch: int, capacity: int) -> Cache:
        stride = min(self.stride, capacity)
        return KVCache.empty((batch, self.n_kv_head, stride, -(-capacity // stride), self.head_dim), self.k.weight)

    def flops_per_token(self, length: int) -> int:
        return super().flops_per_token(-(-length // self.stride))
