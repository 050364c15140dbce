"""Causal self-attention, written once, so that what is fast and what is observed cannot drift apart.

Vaswani et al. 2017, equation 1: softmax(Q K^T / sqrt(d)) V, with rotary positions (Su et al. 2021), normalised queries
and keys (Henry et al. 2020) and grouped keys and values (Ainslie et al. 2023) as options. Here are the base class of
all letters that have heads, and full attention (F); what sees less is in ``model.sparse``, ``model.linear`` and
``model.recurrent``.

Shapes: B sequences, T tokens, R watched rows, H query heads, Hkv key/value heads, d numbers per head, D = H * d.
"""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.cache import Cache, KVCache, Place
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


class Heads(NamedTuple):
    """What a layer makes of its input before anything is mixed: queries [B, H, T, d], keys and values [B, Hkv, T, d].

    ``decay`` [B, H, T]: of letter L, the logarithm of what each token leaves of the memory of those before it.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    decay: Tensor | None = None


def repeat_groups(x: Tensor, n_head: int) -> Tensor:
    """[B, Hkv, T, d] -> [B, H, T, d]: every key/value head stands for H / Hkv neighbouring query heads."""
    return x if x.size(1) == n_head else x.repeat_interleave(n_head // x.size(1), dim=1)


class Attention(nn.Module, ABC):
    """Projections, observation and generation, which all letters with heads share.

    A letter says which keys a query sees and how heads are mixed: ``attend`` over a whole sequence, ``weigh`` as
    explicit weights for some rows, ``attend_cached`` for one new token. All three come to the same numbers.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.n_kv_head, self.head_dim = config.n_head, config.n_kv_head, config.head_dim
        self.qk_norm, self.dropout = config.qk_norm, config.dropout
        kv_width = config.n_kv_head * config.head_dim
        self.q = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.k = nn.Linear(config.n_embd, kv_width, bias=config.bias)
        self.v = nn.Linear(config.n_embd, kv_width, bias=config.bias)
        self.o = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    @abstractmethod
    def attend(self, heads: Heads) -> Tensor:
        """What each head puts out, z [B, H, T, d]; no T x T matrix is kept."""

    @abstractmethod
    def attend_rows(self, heads: Heads, rows: Tensor) -> Tensor:
        """z [B, H, R, d] of queries [B, H, R, d] that stand at the positions ``rows`` [B, R] of keys and values."""

    @abstractmethod
    def weigh(self, heads: Heads, rows: Tensor) -> Tensor:
        """Explicit weights [B, H, R, T] of queries [B, H, R, d] that stand at ``rows`` [B, R]; each row sums to 1."""

    @abstractmethod
    def sees(self, distance: Tensor) -> Tensor:
        """Whether a query sees the key so many tokens before it, for integers of any shape; never a negative one."""

    @abstractmethod
    def new_cache(self, batch: int, capacity: int) -> Cache:
        """An empty cache for ``batch`` sequences of up to ``capacity`` tokens."""

    @abstractmethod
    def fill(self, heads: Heads, cache: Cache) -> Tensor:
        """``attend``, and the cache, empty until then, holds these tokens afterwards."""

    @abstractmethod
    def attend_cached(self, heads: Heads, cache: Cache, place: Place) -> Tensor:
        """z [B, H, 1, d] of one new token a sequence, which stands at ``place`` and is in the cache afterwards."""

    @abstractmethod
    def flops_per_token(self, length: int) -> int:
        """Operations of scores and mixing, forward and backward, for one of ``length`` tokens."""

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, watch: Watch | None = None, layer: int = 0
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]; ``rotary``: this span's (cos, sin), or None where positions are learned."""
        heads = self.project(x, rotary)
        z = self.attend(heads)  # [B, H, T, d]
        if watch is not None:
            z = self.observe(heads, z, watch, layer)
        return self.mix(z)

    def mix(self, z: Tensor) -> Tensor:
        """The heads' outputs z [B, H, T, d], each through its part of W_O, added up: [B, T, D]."""
        return self.o(z.transpose(1, 2).flatten(2))

    def step(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: Cache, place: Place) -> Tensor:
        """The same with a cache: for the first tokens x [B, T, D] of all sequences, or one more [B, 1, D] of each."""
        heads = self.project(x, rotary, joined=False)
        return self.mix(self.fill(heads, cache) if x.size(1) > 1 else self.attend_cached(heads, cache, place))

    def project(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, joined: bool = True) -> Heads:
        """Queries, keys and values of x [B, T, D], positions and normalisation applied.

        ``joined``: one matrix product for all three. For a single token that would be slower, as joining their weights
        costs more than using them once. Queries and keys share one rotation and one normalisation.
        """
        if joined:
            weight = torch.cat((self.q.weight, self.k.weight, self.v.weight))
            bias = None if self.q.bias is None else torch.cat((self.q.bias, self.k.bias, self.v.bias))
            together = F.linear(x, weight, bias)
        else:
            together = torch.cat((self.q(x), self.k(x), self.v(x)), dim=-1)
        heads = together.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        qk, v = heads.split((self.n_head + self.n_kv_head, self.n_kv_head), dim=1)
        if rotary is not None:
            qk = rotate(qk, *rotary)
        if self.qk_norm:
            qk = rms_norm(qk)
        q, k = qk.split((self.n_head, self.n_kv_head), dim=1)
        return Heads(q, k, v)

    def visible(self, rows: Tensor, n_keys: int) -> Tensor:
        """Which of ``n_keys`` keys the queries at ``rows`` [B, R] see: [B, R, T]."""
        return self.sees(rows[..., None] - torch.arange(n_keys, device=rows.device))

    def pattern(self, heads: Heads, rows: Tensor) -> Tensor:
        """Explicit weights [B, H, R, T] of the query rows ``rows`` [B, R]; 0 for keys that a row does not see."""
        index = rows[:, None, :, None].expand(-1, self.n_head, -1, self.head_dim)
        return self.weigh(heads._replace(q=heads.q.gather(2, index)), rows)

    def observe(self, heads: Heads, z: Tensor, watch: Watch, layer: int) -> Tensor:
        """Shows ``watch`` the rows it asked for and the heads' outputs z [B, H, T, d]; returns z as it left them."""
        rows, pattern = self.show(heads, watch, layer)
        seen = pattern @ repeat_groups(heads.v, self.n_head)  # [B, H, R, d]
        z = z.scatter(2, rows[:, None, :, None].expand_as(seen), seen)
        return watch.heads(layer, z)

    def show(self, heads: Heads, watch: Watch, layer: int) -> tuple[Tensor, Tensor]:
        """Shows ``watch`` pattern and values; returns its rows [B, R] and the pattern [B, H, R, T] as it left it."""
        if self.training and self.dropout:
            raise ValueError("attention under dropout cannot be watched; call model.eval() first")
        rows = watch.rows
        if rows is None:
            rows = torch.arange(heads.q.size(2), device=heads.q.device).expand(heads.q.size(0), -1)
        watch.values(layer, repeat_groups(heads.v, self.n_head))
        return rows, watch.pattern(layer, self.pattern(heads, rows))


class FullAttention(Attention):
    """Letter F: every token looks at itself and at every earlier token. Base class of all that use a softmax."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        self.scale = None if config.scale_attention else 1.0  # None: PyTorch's kernels divide by sqrt(d)

    def attend(self, heads: Heads) -> Tensor:
        return self.causal(heads.q, heads.k, heads.v)

    def attend_rows(self, heads: Heads, rows: Tensor) -> Tensor:
        return self.fused(*heads[:3], mask=self.visible(rows, heads.k.size(2))[:, None])

    def weigh(self, heads: Heads, rows: Tensor) -> Tensor:
        scores = heads.q @ repeat_groups(heads.k, self.n_head).mT
        if self.scale is None:
            scores = scores / math.sqrt(self.head_dim)
        unseen = ~self.visible(rows, heads.k.size(2))[:, None]  # [B, 1, R, T]
        return scores.float().masked_fill(unseen, -math.inf).softmax(-1).type_as(heads.q)

    def sees(self, distance: Tensor) -> Tensor:
        return distance >= 0

    def new_cache(self, batch: int, capacity: int) -> Cache:
        return KVCache.empty((batch, self.n_kv_head, capacity, self.head_dim), like=self.k.weight)

    def fill(self, heads: Heads, cache: Cache) -> Tensor:
        cache.fill(heads.k, heads.v)
        return self.attend(heads)

    def attend_cached(self, heads: Heads, cache: Cache, place: Place) -> Tensor:
        return self.fused(heads.q, *cache.append(heads.k, heads.v, place))

    def flops_per_token(self, length: int) -> int:
        """12 d a head and key (Chowdhery et al. 2022, appendix B), causal masking not deducted."""
        return 12 * self.n_head * self.head_dim * length

    def causal(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Among tokens that follow each other every one sees all before it; shapes as in ``fused``."""
        return self.fused(q, k, v, is_causal=True)

    def fused(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """softmax(q k^T / sqrt(d)) v by PyTorch's fused kernels: q [B, H, Tq, d], k and v [B, Hkv, T, d].

        ``mask``: True where a query sees a key. ``is_causal`` aligns to the upper left and is right for Tq = T alone.
        """
        dropout, grouped = self.dropout if self.training else 0.0, q.size(1) != k.size(1)
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=is_causal, scale=self.scale, enable_gqa=grouped
        )
