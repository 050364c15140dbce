"""What else a head does: simple habits that most heads of small models have, each a share of attention in [0, 1].

Each habit is averaged over its *eligible* queries alone, those that have a token to which the habit could look; never
over all attention, of which rows without such a token have plenty.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from data.stories import FAMILIES
from model import GPT, Hooks
from model.attention import repeat_groups
from probing import lists
from probing.heads import head_names
from probing.patterns import show_patterns
from probing.scoring import in_batches, pad

OFFSETS = 16  # the distances that are tried
WEIGHTS_AT_ONCE = 1 << 24  # attention weights of one layer

HABITS = ("previous_token", "fixed_offset", "first_token", "same_word")
# Between them, habits share one row's attention; a head that gives a habit this much does mostly that, as long as it is
# twice of what it would get by chance: in a window of two tokens every head half looks at the one before.
HABIT_THRESHOLD = 0.4
OVER_EVEN = 2.0


def family_roles() -> dict[str, str]:
    """What a head that looks in a family is called, where it is not called as the family is."""
    return {name: family.role for name, family in FAMILIES.items() if family.role} | {lists.FAMILY: lists.ROLE}


def role_of(family: str) -> str:
    return family_roles().get(family, family)


@dataclass(frozen=True)
class Habits:
    """Mean attention mass [K] that each head gives to each of HABITS; ``even``: what attention spread evenly over all
    that it sees would give; ``offset`` [K]: the distance of fixed_offset.

    ``sink_norm`` [K]: the size of the first token's value vector over the mean size of the others'. A head that gives
    the first token much attention but whose value there is small puts it where it does nothing (Kobayashi et al. 2020,
    "Attention is not only a weight").
    """

    names: tuple[str, ...]
    mass: dict[str, Tensor]
    even: dict[str, Tensor]
    offset: Tensor
    sink_norm: Tensor

    def has(self, habit: str, k: int) -> bool:
        """Whether the k-th head has a habit: enough of its attention goes there, and not by chance."""
        return bool(self.mass[habit][k] >= max(HABIT_THRESHOLD, OVER_EVEN * self.even[habit][k]))


class HabitHooks(Hooks):
    """Sums, for each habit, a layer's attention over the rows where the habit could show; notes sizes of values."""

    def __init__(self, model: GPT, tokens: Tensor, lengths: Tensor) -> None:
        super().__init__()
        self.model, n = model, tokens.size(1)
        place = torch.arange(n, device=tokens.device)
        row, key = place[:, None], place[None, :]
        self.real = (place < lengths[:, None]).float()  # [B, T]
        real, distance = self.real[:, :, None], row - key
        # The first token stands before every text and is a place of its own: no habit but its own counts it.
        targets = [(distance == k) & (key > 0) & (real > 0) for k in range(1, min(OFFSETS, n - 1) + 1)]
        targets.append((key == 0) & (row > 1) & (real > 0))
        targets.append((tokens[:, :, None] == tokens[:, None, :]) & (distance > 0) & (key > 0) & (real > 0))
        self.targets = [target.float() for target in targets]  # each [B, T, T]
        self.eligible = torch.stack([target.any(-1).sum() for target in targets])
        self.sums: list[Tensor] = []  # [habits, H] a layer
        self.evens: list[Tensor] = []
        self.by_type: dict[str, Tensor] = {}  # [habits]: all layers of a type see the same
        self.sizes: list[Tensor] = []  # [first or other, H] a layer

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        self.sums.append(torch.stack([torch.einsum("bhqk,bqk->h", pattern, target) for target in self.targets]))
        kind = self.model.config.attention_types[layer]
        if kind not in self.by_type:
            rows = torch.arange(pattern.size(-1), device=pattern.device)[None]
            visible = self.model.blocks[layer].attention.visible(rows, pattern.size(-1))[0].float()  # [T, T]
            even = visible / visible.sum(-1, keepdim=True)
            self.by_type[kind] = torch.stack([torch.einsum("qk,bqk->", even, target) for target in self.targets])
        self.evens.append(self.by_type[kind][:, None].expand(-1, pattern.size(1)))
        return pattern

    def projected(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> None:
        size = repeat_groups(v, self.model.config.n_head).norm(dim=-1) * self.real[:, None]  # [B, H, T]
        self.sizes.append(torch.stack((size[:, :, 0].sum(0), size[:, :, 1:].sum((0, 2)))))


@torch.inference_mode()
def habits(model: GPT, choose: Sequence[Sequence[int]], texts: Sequence[Sequence[int]]) -> Habits:
    """Every head's habits on ``texts``; the distance of its fixed offset is the best one on the texts ``choose``."""
    chosen, _, _ = measure_habits(model, choose)
    mass, even, sink_norm = measure_habits(model, texts)
    last = mass.size(0) - 2  # distances come first
    tried = min(last, chosen.size(0) - 2)
    offset = 2 + chosen[1:tried].argmax(0) if tried > 1 else torch.ones_like(mass[0], dtype=torch.int64)

    def by_name(masses: Tensor) -> dict[str, Tensor]:
        rows = masses[0], masses.gather(0, offset[None] - 1)[0], masses[last], masses[last + 1]
        return {name: row.cpu() for name, row in zip(HABITS, rows, strict=True)}

    return Habits(head_names(model), by_name(mass), by_name(even), offset.cpu(), sink_norm)


def measure_habits(model: GPT, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean masses [distances and two more, K] over eligible rows, the same of even attention, and the sizes of first
    values over others' [K].
    """
    device, config = model.embed.weight.device, model.config
    longest = max(map(len, texts))
    mass = even = rows = sizes = 0
    n_first = n_other = 0
    for part in in_batches(len(texts), max(1, WEIGHTS_AT_ONCE // (config.n_head * longest**2))):
        batch = texts[part]
        tokens = pad([*batch, [0] * longest], device)[:-1]  # the same distances in every batch
        hooks = HabitHooks(model, tokens, torch.tensor([len(sequence) for sequence in batch], device=device))
        show_patterns(model, tokens, hooks)
        mass, even = mass + torch.cat(hooks.sums, dim=1), even + torch.cat(hooks.evens, dim=1)
        rows = rows + hooks.eligible[:, None]
        sizes = sizes + torch.cat(hooks.sizes, dim=1)
        n_first, n_other = n_first + len(batch), n_other + sum(map(len, batch)) - len(batch)
    first, others = sizes[0] / n_first, sizes[1] / max(n_other, 1)
    rows = rows.clamp(min=1)
    return mass / rows, even / rows, (first / others.clamp(min=1e-30)).cpu()
