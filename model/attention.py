"""Causal self-attention, written once, so that what is fast and what is observed cannot drift apart.

Vaswani et al. 2017, equation 1: softmax(Q K^T / sqrt(d)) V, with rotary positions (Su et al. 2021), normalised queries
and keys (Henry et al. 2020) and grouped keys and values (Ainslie et al. 2023) as options.

Shapes: B sequences, T tokens, R watched rows, H query heads, Hkv key/value heads, d numbers per head, D = H * d.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.cache import KVCache
from model.config import GPTConfig
from model.watch import Watch

RMS_EPS = 1e-6
ROPE_BASE = 10_000.0


def rms_norm(x: Tensor) -> Tensor:
    """x / rms(x) over the last dimension, without a gain (Zhang & Sennrich 2019)."""
    return F.rms_norm(x, (x.size(-1),), eps=RMS_EPS)


def rotary_table(n_positions: int, head_dim: int) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines [n_positions, d] of RoPE's angles, position * base^(-2i/d), for ``rotate``."""
    frequency = ROPE_BASE ** -(torch.arange(0, head_dim, 2).float() / head_dim)
    angle = torch.arange(n_positions).float()[:, None] * frequency
    return torch.cat((angle.cos(), angle.cos()), dim=-1), torch.cat((angle.sin(), -angle.sin()), dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns each pair (x[i], x[i + d/2]) of x [B, H, T, d] by minus its position's angle; cos, sin: [T, d].

    ``cos`` holds each cosine twice, ``sin`` each sine and then its negative: both from ``rotary_table``.
    """
    a, b = x.chunk(2, dim=-1)
    return torch.addcmul(x * cos, torch.cat((b, a), dim=-1), sin).type_as(x)


def fused_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float = 0.0) -> Tensor:
    """softmax(q k^T / sqrt(d)) v with q [B, H, Tq, d] being the last Tq of the T positions of k, v [B, Hkv, T, d].

    PyTorch's fused kernel: no T x T matrix is kept. ``is_causal`` aligns masks to the upper left, which is wrong for
    queries behind a cache, so those get an explicit lower-right mask, and a single query needs no mask at all.
    """
    n_query, n_key = q.size(2), k.size(2)
    grouped = q.size(1) != k.size(1)
    if n_query == n_key:
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, enable_gqa=grouped)
    mask = None
    if n_query > 1:
        mask = torch.ones(n_query, n_key, dtype=torch.bool, device=q.device).tril(n_key - n_query)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, enable_gqa=grouped)


def attend_rows(q: Tensor, k: Tensor, v: Tensor, rows: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v for queries q [B, H, R, d] that stand at the positions ``rows`` [B, R] of k, v."""
    visible = torch.arange(k.size(2), device=k.device) <= rows[:, None, :, None]  # [B, 1, R, T]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=visible, enable_gqa=q.size(1) != k.size(1))


def repeat_groups(x: Tensor, n_head: int) -> Tensor:
    """[B, Hkv, T, d] -> [B, H, T, d]: every key/value head stands for H / Hkv neighbouring query heads."""
    return x if x.size(1) == n_head else x.repeat_interleave(n_head // x.size(1), dim=1)


class FullAttention(nn.Module):
    """Letter F: every token looks at itself and at every earlier token."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.n_kv_head, self.head_dim = config.n_head, config.n_kv_head, config.head_dim
        self.qk_norm, self.dropout = config.qk_norm, config.dropout
        kv_width = config.n_kv_head * config.head_dim
        self.q = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.k = nn.Linear(config.n_embd, kv_width, bias=config.bias)
        self.v = nn.Linear(config.n_embd, kv_width, bias=config.bias)
        self.o = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, watch: Watch | None, layer: int) -> Tensor:
        """x [B, T, D] -> [B, T, D]; ``rotary``: this span's (cos, sin), or None where positions are learned."""
        q, k, v = self.project(x, rotary)
        z = fused_attention(q, k, v, self.dropout if self.training else 0.0)  # [B, H, T, d]
        if watch is not None:
            z = self.observe(q, k, v, z, watch, layer)
        return self.mix(z)

    def mix(self, z: Tensor) -> Tensor:
        """The heads' outputs z [B, H, T, d], each through its part of W_O, added up: [B, T, D]."""
        return self.o(z.transpose(1, 2).flatten(2))

    def step(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: KVCache) -> Tensor:
        """The same for new tokens x [B, t, D] that follow those in ``cache``, which then holds them too."""
        q, k, v = self.project(x, rotary)
        k, v = cache.append(k, v)
        return self.mix(fused_attention(q, k, v))

    def new_cache(self, batch: int, capacity: int) -> KVCache:
        return KVCache.empty(batch, self.n_kv_head, capacity, self.head_dim, like=self.k.weight)

    def project(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, H, T, d], keys and values [B, Hkv, T, d], positions and normalisation applied.

        One matrix product for all three, and one rotation and normalisation for queries and keys.
        """
        weight = torch.cat((self.q.weight, self.k.weight, self.v.weight))
        bias = None if self.q.bias is None else torch.cat((self.q.bias, self.k.bias, self.v.bias))
        heads = F.linear(x, weight, bias).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        qk, v = heads.split((self.n_head + self.n_kv_head, self.n_kv_head), dim=1)
        if rotary is not None:
            qk = rotate(qk, *rotary)
        if self.qk_norm:
            qk = rms_norm(qk)
        q, k = qk.split((self.n_head, self.n_kv_head), dim=1)
        return q, k, v

    def pattern(self, q: Tensor, k: Tensor, rows: Tensor) -> Tensor:
        """Explicit weights [B, H, R, T] of the query rows ``rows`` [B, R]; entries after a row's own token are 0."""
        index = rows[:, None, :, None].expand(-1, self.n_head, -1, self.head_dim)
        scores = q.gather(2, index) @ repeat_groups(k, self.n_head).mT / math.sqrt(self.head_dim)
        future = torch.arange(k.size(2), device=k.device) > rows[:, None, :, None]  # [B, 1, R, T]
        return scores.float().masked_fill(future, -math.inf).softmax(-1).type_as(q)

    def observe(self, q: Tensor, k: Tensor, v: Tensor, z: Tensor, watch: Watch, layer: int) -> Tensor:
        """Shows ``watch`` the rows it asked for and the heads' outputs z [B, H, T, d]; returns z as it left them."""
        rows, pattern = self.show(q, k, v, watch, layer)
        seen = pattern @ repeat_groups(v, self.n_head)  # [B, H, R, d]
        z = z.scatter(2, rows[:, None, :, None].expand_as(seen), seen)
        return watch.heads(layer, z)

    def show(self, q: Tensor, k: Tensor, v: Tensor, watch: Watch, layer: int) -> tuple[Tensor, Tensor]:
        """Shows ``watch`` pattern and values; returns its rows [B, R] and the pattern [B, H, R, T] as it left it."""
        if self.training and self.dropout:
            raise ValueError("attention under dropout cannot be watched; call model.eval() first")
        rows = watch.rows
        if rows is None:
            rows = torch.arange(q.size(2), device=q.device).expand(q.size(0), -1)
        watch.values(layer, repeat_groups(v, self.n_head))
        return rows, watch.pattern(layer, self.pattern(q, k, rows))
