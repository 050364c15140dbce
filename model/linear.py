"""Gated linear attention (L): what full attention becomes when the softmax is taken apart, so that it can forget.

The weight of key s for query t is phi(q_t) . phi(k_s), all of it positive, times what the tokens between them have left
of it, a_(s+1) ... a_t; weights of a row are divided by their sum. As phi(q) can be drawn out of the sum over keys, one
matrix a head, the sum of phi(k) v^T, is all that has to be remembered (Katharopoulos et al. 2020, "Transformers are
RNNs"). The gates a are one number a head and token, read from the token (Yang et al. 2024, "Gated linear attention";
Dao & Gu 2024, section 5). phi is a softmax over a vector's numbers and their negatives (Zhang et al. 2024, "Hedgehog"),
which can be as sharp as one number alone.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import CausalSelfAttention, exact, repeat_groups
from model.cache import Cache
from model.config import GPTConfig
from model.documents import same_document

SMALLEST = 1e-12
CHUNK = 64  # tokens with explicit weights, before they become a state


def in_double(x: Tensor) -> Tensor:
    """x in float64; on the CPU where MPS has it, which knows no such numbers."""
    return x.cpu().double() if x.device.type == "mps" else x.double()


def features(x: Tensor) -> Tensor:
    """phi: [..., d] -> positive numbers [..., 2 d] that sum to 1, none so small that a row's weights could all be 0."""
    return torch.cat((x, -x), dim=-1).softmax(-1).clamp(min=SMALLEST)


def shares(decay: Tensor, documents: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What is left in chunks whose tokens leave exp(``decay``) [B, H, N, c] of the memory before them: of each token at
    each later one [B, H, N, c, c] and at the chunk's end [..., c, 1]; of the state before the chunk at its end
    [..., 1, 1] and at each token [..., c, 1]. With ``documents`` [B, 1, N, c] nothing of another document.
    """
    left = decay.cumsum(-1)
    end = left[..., -1:]
    from_start, to_end, through = left, end - left, end
    visible = torch.ones(2 * left.shape[-1:], dtype=torch.bool, device=left.device).tril()
    if documents is not None:
        visible = visible & same_document(documents, documents)
        last = documents[..., -1:]
        other = documents != F.pad(last[:, :, :-1], (0, 0, 1, 0))  # the state is of the last token before a chunk
        from_start, through = from_start.masked_fill(other, -math.inf), through.masked_fill(other[..., -1:], -math.inf)
        to_end = to_end.masked_fill(documents != last, -math.inf)
    between = (left[..., :, None] - left[..., None, :]).masked_fill(~visible, -math.inf)
    return between.exp(), to_end.exp()[..., None], through.exp()[..., None], from_start.exp()[..., None]


class LinearAttention(CausalSelfAttention):
    """Type L: every token attends to itself and to every earlier token, as far as the gates have left them.

    O(T) time and memory; for generation a state of constant size. Weights, states, sums: float32 at least. Its keys
    [B, H, T, d + 1] carry one more number, the logarithm of what their token leaves of the memory of those before it.
    """

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__(config, layer)
        self.gate = nn.Linear(config.n_embd, config.n_head)

    def project(self, x: Tensor, rotary: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().project(x, rotary)
        decay = F.logsigmoid(exact(self.gate(x))).transpose(1, 2)[..., None]  # [B, H, T, 1]
        return q, torch.cat((exact(repeat_groups(k, self.n_head)), decay), dim=-1), v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, documents: Tensor | None = None) -> Tensor:
        return self.scan(q, k, v, self.new_state(len(q), q), documents)[0]

    def scan(
        self, q: Tensor, k: Tensor, v: Tensor, state: Tensor, documents: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """z [B, H, T, d], and the state [B, H, 2 d, d + 1] after these tokens, given the one before them.

        In chunks: inside of each, weights are explicit; what lies before it comes out of the state. The values get a
        column of ones, so that the sum of weights comes along with what they weigh.
        """
        with torch.autocast(q.device.type, enabled=False):
            n, dtype, chunk = q.size(2), q.dtype, min(CHUNK, q.size(2))
            values = F.pad(exact(repeat_groups(v, self.n_head)), (0, 1), value=1.0)
            parts = features(exact(q)), features(k[..., :-1]), values, k[..., -1:]
            q, k, values, decay = (F.pad(x, (0, 0, 0, -n % chunk)).unflatten(2, (-1, chunk)) for x in parts)
            if documents is not None:
                documents = F.pad(documents, (0, -n % chunk)).unflatten(1, (-1, chunk))[:, None]  # [B, 1, N, c]
            between, to_end, through, from_start = shares(decay[..., 0], documents)
            z = (q @ k.mT * between) @ values  # [B, H, N, c, d + 1]
            added = (k * to_end).mT @ values  # [B, H, N, 2 d, d + 1]
            states = [state]
            for i in range(q.size(2)):
                states.append(through[:, :, i] * states[-1] + added[:, :, i])
            z = z + (q * from_start) @ torch.stack(states[:-1], dim=2)
            z = z.flatten(2, 3)[:, :, :n]
            return (z[..., :-1] / z[..., -1:]).to(dtype), states[-1]

    def weights(self, q: Tensor, k: Tensor, rows: Tensor, documents: Tensor | None = None) -> Tensor:
        left = in_double(k[..., -1]).cumsum(-1)  # differences of long sums
        here = left.gather(2, rows[:, None].expand(-1, self.n_head, -1).to(left.device))
        unseen = ~self.visible(rows, k.size(2), documents)[:, None].to(left.device)
        between = (here[..., None] - left[:, :, None]).masked_fill(unseen, -math.inf).exp()  # [B, H, R, T]
        with torch.autocast(q.device.type, enabled=False):
            weights = features(exact(q)) @ features(k[..., :-1]).mT * between.to(k.device, k.dtype)
            return (weights / weights.sum(-1, keepdim=True)).type_as(q)

    def new_state(self, batch: int, like: Tensor) -> Tensor:
        dtype = torch.promote_types(like.dtype, torch.float32)
        return like.new_zeros(batch, self.n_head, 2 * self.head_dim, self.head_dim + 1, dtype=dtype)

    def new_cache(self, batch: int, capacity: int) -> Cache:
        return Cache(self.new_state(batch, self.k.weight))

    def attend_cached(self, q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> Tensor:
        z, state = self.scan(q, k, v, cache.tensors[0])
        cache.tensors = (state,)
        return z

    def flops_per_token(self, length: int) -> int:
        """Explicit weights inside a chunk, and writing and reading the state: 6 for each number multiplied."""
        explicit = min(CHUNK, length) * (3 * self.head_dim + 1)
        return 6 * self.n_head * (explicit + 2 * 2 * self.head_dim * (self.head_dim + 1))
