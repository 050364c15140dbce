"""What else a head does: simple attention patterns that most heads of small models have, each a share of attention in
[0, 1].

The share is averaged only over *eligible* queries, those where the head sees a token that the attention pattern is
about. It is never averaged over all attention, because many rows have no such token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model import GPT, Hooks
from model.attention import repeat_groups
from probing.heads import head_names
from probing.patterns import by_layer, show_patterns
from probing.scoring import in_batches, pad

OFFSETS = 16  # the distances that are tried
WEIGHTS_PER_BATCH = 1 << 24  # attention weights of one layer, and masks of all attention patterns, in a batch

ATTENTION_PATTERNS = ("previous_token", "fixed_offset", "first_token", "same_word")
LEAST_SHARE, LEAST_LIFT = 0.4, 2.0  # of a head's attention, and over uniform attention


def stands_out(share: float, uniform: float) -> bool:
    """Whether a ``share`` of a head's attention is something that the head does. It has to be far above what
    ``uniform`` attention gives: in a window of two tokens every head half looks at the one before.
    """
    return share >= max(LEAST_SHARE, LEAST_LIFT * uniform)


@dataclass(frozen=True)
class AttentionPatterns:
    """Mean attention mass [K] that each head gives to each of ATTENTION_PATTERNS; ``uniform``: what uniform attention
    over all that it sees would give; ``offset`` [K]: the distance of fixed_offset.

    ``sink_norm`` [K]: the size of the first token's value vector divided by the mean size of the others'. If it is
    small, attention to the first token has hardly any effect (Kobayashi et al. 2020, "Attention is not only a weight").
    """

    names: tuple[str, ...]
    mass: dict[str, Tensor]
    uniform: dict[str, Tensor]
    offset: Tensor
    sink_norm: Tensor

    def has(self, pattern: str, k: int) -> bool:
        """Whether the k-th head has an attention pattern: enough of its attention goes there, and not by chance."""
        return stands_out(float(self.mass[pattern][k]), float(self.uniform[pattern][k]))


class AttentionPatternHooks(Hooks):
    """Sums, for each of P patterns, a layer's attention over the rows where it could show; notes sizes of values.

    Of each layer: ``sums`` [P, H], ``uniforms`` [P, H], ``eligible`` [P, H] and ``sizes`` [first or other, H].
    """

    def __init__(self, model: GPT, tokens: Tensor, lengths: Tensor) -> None:
        super().__init__()
        n = tokens.size(1)
        position = torch.arange(n, device=tokens.device)
        row, key = position[:, None], position[None, :]
        self.real = (position < lengths[:, None]).float()  # [B, T]
        real, distance = self.real[:, :, None], row - key
        # The first token stands before every text and is a case of its own: no other attention pattern counts it.
        targets = [(distance == k) & (key > 0) & (real > 0) for k in range(1, min(OFFSETS, n - 1) + 1)]
        targets.append((key == 0) & (row > 1) & (real > 0))
        targets.append((tokens[:, :, None] == tokens[:, None, :]) & (distance > 0) & (key > 0) & (real > 0))
        stacked = torch.stack(targets)  # [P, B, T, T]
        self.sums, self.uniforms, self.eligible, self.sizes = [], [], [], []

        def in_sight(visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            seen = stacked & visible  # [P, B, T, T]
            uniform = (seen * (visible / visible.sum(-1, keepdim=True))).sum((1, 2, 3))
            return seen.flatten(1).float(), uniform, seen.any(-1).sum((1, 2))

        self.in_sight = by_layer(model, position[None], n, in_sight)

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        seen, uniform, eligible = self.in_sight[layer]
        self.sums.append(seen @ pattern.transpose(0, 1).flatten(1).mT)
        self.uniforms.append(uniform[:, None].expand(-1, pattern.size(1)))
        self.eligible.append(eligible[:, None].expand(-1, pattern.size(1)))
        return pattern

    def projected(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> None:
        size = repeat_groups(v, q.size(1)).norm(dim=-1) * self.real[:, None]  # [B, H, T]
        self.sizes.append(torch.stack((size[:, :, 0].sum(0), size[:, :, 1:].sum((0, 2)))))


@torch.inference_mode()
def attention_patterns(
    model: GPT, choose: Sequence[Sequence[int]], texts: Sequence[Sequence[int]]
) -> AttentionPatterns:
    """Every head's attention patterns on ``texts``; the distance of its fixed offset is the best one on ``choose``."""
    chosen, _, _ = sum_attention_patterns(model, choose)
    mass, uniform, sink_norm = sum_attention_patterns(model, texts)
    last = mass.size(0) - 2  # distances come first
    tried = min(last, chosen.size(0) - 2)
    offset = 2 + chosen[1:tried].argmax(0) if tried > 1 else torch.ones_like(mass[0], dtype=torch.int64)

    def by_name(masses: Tensor) -> dict[str, Tensor]:
        rows = masses[0], masses.gather(0, offset[None] - 1)[0], masses[last], masses[last + 1]
        return {name: row.cpu() for name, row in zip(ATTENTION_PATTERNS, rows, strict=True)}

    return AttentionPatterns(head_names(model), by_name(mass), by_name(uniform), offset.cpu(), sink_norm)


def sum_attention_patterns(model: GPT, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean masses [distances and two more, K] over eligible rows, the same of uniform attention, and the sizes of first
    values over others' [K].
    """
    device, config = model.embed.weight.device, model.config
    longest = max(map(len, texts))
    mass = uniform = sizes = torch.zeros(1, device=device)
    rows = torch.zeros(1, dtype=torch.int64, device=device)
    n_first = n_other = 0
    weights = (config.n_head + (OFFSETS + 2) * len(set(config.attention_types))) * longest**2
    for part in in_batches(len(texts), max(1, WEIGHTS_PER_BATCH // weights)):
        batch = texts[part]
        tokens = pad([*batch, [0] * longest], device)[:-1]  # the same distances in every batch
        hooks = AttentionPatternHooks(model, tokens, torch.tensor([len(sequence) for sequence in batch], device=device))
        show_patterns(model, tokens, hooks)
        mass, uniform = mass + torch.cat(hooks.sums, dim=1), uniform + torch.cat(hooks.uniforms, dim=1)
        rows = rows + torch.cat(hooks.eligible, dim=1)
        sizes = sizes + torch.cat(hooks.sizes, dim=1)
        n_first, n_other = n_first + len(batch), n_other + sum(map(len, batch)) - len(batch)
    first, others = sizes[0] / n_first, sizes[1] / max(n_other, 1)
    rows = rows.clamp(min=1)
    return mass / rows, uniform / rows, (first / others.clamp(min=1e-30)).cpu()
