"""What else a head does: simple habits that most heads of small models have, each a share of attention in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model import GPT, Watch
from model.score import in_batches, pad
from probing.heads import BATCH

HABITS = ("previous_token", "first_token", "same_word")
# Between them, habits share one row's attention; a head that gives a habit this much does mostly that.
HABIT_THRESHOLD = 0.4
# What a head that looks in these families is called; families of other names give their own.
FAMILY_ROLES = {
    **dict.fromkeys(("agreement", "verb_bias", "cue", "roles", "chains", "facts", "reasons"), "pronoun"),
    "copying": "induction",
    "sense": "word_sense",
    "translation": "alignment",
}


class HabitWatch(Watch):
    """Sums, for each habit, a layer's attention over the rows where the habit could show."""

    def __init__(self, tokens: Tensor, lengths: Tensor) -> None:
        super().__init__()
        n = tokens.size(1)
        place = torch.arange(n, device=tokens.device)
        row, key = place[:, None], place[None, :]
        real = (place < lengths[:, None])[:, :, None]  # [B, T, 1]
        habits = {
            "previous_token": (key == row - 1) & (key > 0),
            "first_token": (key == 0) & (row > 1),
            "same_word": (tokens[:, :, None] == tokens[:, None, :]) & (key < row) & (key > 0),
        }
        self.targets = {name: (target & real).float() for name, target in habits.items()}  # [B, T, T]
        self.eligible = {name: target.any(-1).float() for name, target in self.targets.items()}
        self.sums: list[list[Tensor]] = []

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        self.sums.append([(pattern * target[:, None]).sum((0, 2, 3)) for target in self.targets.values()])
        return pattern


@torch.inference_mode()
def habits(model: GPT, texts: Sequence[Sequence[int]]) -> Tensor:
    """Mean attention mass [habits, K] that each head gives to each of HABITS, over the rows where it is possible."""
    device = model.embed.weight.device
    mass = torch.zeros(len(HABITS), model.config.n_layer * model.config.n_head, device=device)
    rows = torch.zeros(len(HABITS), 1, device=device)
    for part in in_batches(len(texts), BATCH):
        batch = texts[part]
        tokens = pad(batch, device)
        watch = HabitWatch(tokens, torch.tensor([len(sequence) for sequence in batch], device=device))
        model(tokens, rows=tokens.new_zeros(len(batch), 1), watch=watch)
        mass += torch.stack([torch.cat(layers) for layers in zip(*watch.sums, strict=True)])
        rows += torch.stack([eligible.sum() for eligible in watch.eligible.values()])[:, None]
    return (mass / rows.clamp(min=1)).cpu()
