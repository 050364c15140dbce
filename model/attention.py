"""Causal self-attention: softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, equation 1).

``attention_weights`` is the equation. ``CausalSelfAttention`` computes the same with PyTorch's fused kernel, and for
the rows that hooks ask for with ``attention_weights`` itself; tests prove them equal.

Shapes: B sequences, T tokens, R rows (queries), H query heads, Hkv key/value heads, d numbers a head, D = H * d.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.cache import Cache, KVCache
from model.config import GPTConfig
from model.documents import same_document
from model.hooks import Hooks

RMS_EPS = 1e-6
ROPE_BASE = 10_000.0


def attention_weights(q: Tensor, k: Tensor, visible: Tensor, scale: float) -> Tensor:
    """softmax(Q K^T * scale): what share of its attention each query gives to each key; 0 for keys it does not see.

    q [B, H, R, d], k [B, H or Hkv, T, d], ``visible`` [B or 1, 1, R, T] -> [B, H, R, T], each row of which sums to 1.
    """
    scores = q @ repeat_groups(k, q.size(1)).mT * scale  # [B, H, R, T]
    return exact(scores).masked_fill(~visible, -math.inf).softmax(-1).type_as(q)


def exact(x: Tensor) -> Tensor:
    """x in float32, or more where it has more."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class CausalSelfAttention(nn.Module):
    """Attention type F: every token attends to itself and to every earlier token.

    Keys and values may be shared by groups of heads (Ainslie et al. 2023). W and S (``model.sparse``) override
    ``mask``, which keys a query sees, and ``attend``, how that is computed; L (``model.linear``) has its own weights.
    """

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.n_head, self.n_kv_head, self.head_dim = layer, config.n_head, config.kv_heads, config.head_dim
        self.scale = config.head_dim**-0.5 if config.scale_attention else 1.0
        self.qk_norm, self.dropout = config.qk_norm, config.dropout
        kv_width = config.kv_heads * config.head_dim
        self.q = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.k = nn.Linear(config.n_embd, kv_width, bias=config.bias)
        self.v = nn.Linear(config.n_embd, kv_width, bias=config.bias)
        self.o = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(
        self,
        x: Tensor,
        rotary: Tensor | None,
        hooks: Hooks | None = None,
        cache: Cache | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]. ``rotary``: rows of ``rotary_table`` at these T positions; None where positions are
        learned. With a ``cache``, x are the first tokens of all sequences, or those that follow. With ``documents``
        [B, T] (``model.documents``) no token sees another document than its own.
        """
        q, k, v = self.project(x, rotary)  # [B, H, T, d], [B, Hkv, T, d] twice
        z = self.attend(q, k, v, documents) if cache is None else self.attend_cached(q, k, v, cache)  # [B, H, T, d]
        if hooks is not None:
            z = self.observe(q, k, v, z, hooks, documents)
        return self.o(z.transpose(1, 2).flatten(2))  # [B, T, D]: each head through its part of W_O, added up

    def project(self, x: Tensor, rotary: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, H, T, d], keys and values [B, Hkv, T, d], with positions and normalisation applied."""
        q, k, v = (linear(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for linear in (self.q, self.k, self.v))
        if rotary is not None:
            q, k = rotate(q, rotary), rotate(k, rotary)
        if self.qk_norm:  # Henry et al. 2020
            q, k = rms_norm(q), rms_norm(k)
        return q, k, v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, documents: Tensor | None = None) -> Tensor:
        """The heads' outputs z [B, H, T, d]: causal attention, within each of ``documents`` [B, T] alone."""
        return self.fused(q, k, v, None if documents is None else same_document(documents, documents).tril()[:, None])

    def fused(self, q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None) -> Tensor:
        """attention_weights(q, k, visible, scale) @ v, [B, H, T, d], by the fused kernel: no scores are kept.

        ``visible`` [B or 1, 1, T, keys]; without it attention is causal, and a single query sees all keys.
        """
        causal, grouped = visible is None and q.size(2) > 1, q.size(1) != k.size(1)
        dropout = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=visible, dropout_p=dropout, is_causal=causal, scale=self.scale, enable_gqa=grouped
        )

    def mask(self, distance: Tensor) -> Tensor:
        """Whether a query sees the key that many tokens before it, for integers of any shape; never a negative one."""
        return distance >= 0

    def visible(self, rows: Tensor, n_keys: int, documents: Tensor | None = None) -> Tensor:
        """Which of ``n_keys`` keys the queries at the positions ``rows`` [B, R] see: [B, R, T]."""
        seen = self.mask(rows[..., None] - torch.arange(n_keys, device=rows.device))
        return seen if documents is None else seen & same_document(documents.gather(1, rows), documents)

    def weights(self, q: Tensor, k: Tensor, rows: Tensor, documents: Tensor | None = None) -> Tensor:
        """``attention_weights`` [B, H, R, T] of queries q [B, H, R, d] at the positions ``rows`` [B, R]."""
        return attention_weights(q, k, self.visible(rows, k.size(2), documents)[:, None], self.scale)

    def observe(
        self, q: Tensor, k: Tensor, v: Tensor, z: Tensor, hooks: Hooks, documents: Tensor | None = None
    ) -> Tensor:
        """Shows ``hooks`` the rows they ask for, and returns the heads' outputs z [B, H, T, d] as they leave them."""
        if self.training and self.dropout:
            raise ValueError("attention under dropout cannot be observed; call model.eval() first")
        hooks.projected(self.layer, q, k, v)
        rows = hooks.rows
        if rows is None:
            rows = torch.arange(q.size(2), device=q.device).expand(q.size(0), -1)
        pattern = hooks.pattern(self.layer, self.weights(take_rows(q, rows), k, rows, documents))  # [B, H, R, T]
        seen = (pattern @ repeat_groups(v, self.n_head)).type_as(z)  # [B, H, R, d]
        z = z.scatter(2, rows[:, None, :, None].expand_as(seen), seen)
        return hooks.z(self.layer, z)

    def new_cache(self, batch: int, capacity: int) -> Cache:
        """An empty cache for ``batch`` sequences of up to ``capacity`` tokens."""
        return KVCache.empty((batch, self.n_kv_head, 1, capacity, self.head_dim), like=self.k.weight)

    def attend_cached(self, q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> Tensor:
        """``attend`` for the first tokens of all sequences, or later ones; they are in the cache afterwards."""
        assert isinstance(cache, KVCache)  # as new_cache makes it
        if q.size(2) > 1 and cache.longest == 0:
            cache.fill(k, v)
            return self.attend(q, k, v)
        return self.fused(q, *cache.append(k, v))  # which holds only what is seen

    def flops_per_token(self, length: int) -> int:
        """Of scores and mixing for one of ``length`` tokens, forward and backward: 12 d a head and key (Chowdhery et
        al. 2022, appendix B), causal masking not deducted.
        """
        return 12 * self.n_head * self.head_dim * length


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Rows [B, R] of x [B, ..., T, d]: [B, ..., R, d]."""
    index = rows.view(rows.size(0), *[1] * (x.dim() - 3), rows.size(1), 1)
    return x.gather(-2, index.expand(*x.shape[:-2], -1, x.size(-1)))


def repeat_groups(x: Tensor, n_head: int) -> Tensor:
    """[B, Hkv, T, d] -> [B, H, T, d]: every key/value head stands for H / Hkv neighbouring query heads."""
    return x if x.size(1) == n_head else x.repeat_interleave(n_head // x.size(1), dim=1)


def rms_norm(x: Tensor) -> Tensor:
    """x / rms(x) over the last dimension, without a gain (Zhang & Sennrich 2019)."""
    return F.rms_norm(x, (x.size(-1),), eps=RMS_EPS)


def rotary_table(n_positions: int, head_dim: int) -> Tensor:
    """Cosines and signed sines of RoPE's angles, position * base^(-2i/d) (Su et al. 2021): [2, n_positions, d]."""
    frequency = ROPE_BASE ** -(torch.arange(0, head_dim, 2).float() / head_dim)
    angle = torch.arange(n_positions).float()[:, None] * frequency
    return torch.stack((torch.cat((angle.cos(), angle.cos()), -1), torch.cat((angle.sin(), -angle.sin()), -1)))


def rotate(x: Tensor, rotary: Tensor) -> Tensor:
    """Turns each pair (x[i], x[i + d/2]) of x [B, H, T, d] by minus its position's angle; ``rotary`` [2, (B,) T, d]."""
    cos, sin = rotary.unsqueeze(-3)
    a, b = x.chunk(2, dim=-1)
    return torch.addcmul(x * cos, torch.cat((b, a), dim=-1), sin).type_as(x)
