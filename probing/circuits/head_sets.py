"""What a model still knows without some of its heads: sets of them are taken away, or kept alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from model import GPT
from probing.heads import head_names
from probing.interventions import measure, single_heads, without_sets
from probing.splits import Split


@dataclass(frozen=True)
class HeadSets:
    """Sets of the K heads of a model, as masks [V, K]. What is taken away puts out its mean: ``means`` [layers, H, d].

    Results are log P(answer) - log P(foil), in nats, of the cases of a split.
    """

    model: GPT
    means: Tensor

    @cached_property
    def names(self) -> tuple[str, ...]:
        return head_names(self.model)

    @cached_property
    def each(self) -> np.ndarray:
        """Each head as a set of its own: [K, K]."""
        return np.eye(len(self.names), dtype=bool)

    def without(self, split: Split, sets: np.ndarray) -> Tensor:
        """Log-odds [V, N] without each of the sets."""
        return self.without_and_clean(split, sets)[0]

    def keeping(self, split: Split, kept: np.ndarray) -> np.ndarray:
        """Log-odds [V, N] with each of the sets alone: all other heads are taken away.

        A set is measured once, however often it is asked for; that of all heads is the clean model itself.
        """
        distinct, which = torch.from_numpy(kept).unique(dim=0, return_inverse=True)
        odds, clean = self.without_and_clean(split, ~distinct.numpy())
        return torch.where(distinct.all(1)[:, None], clean, odds)[which].double().numpy()

    def without_and_clean(self, split: Split, sets: np.ndarray) -> tuple[Tensor, Tensor]:
        """Log-odds without each of the sets [V, N], and without any change [1, N]."""
        masks = torch.from_numpy(sets).float()
        by_layer = torch.einsum("vk,klh->vlh", masks, single_heads(self.model).float()).bool()
        measured = measure(self.model, split.cases, {"sets": without_sets(by_layer, self.means)})
        return measured["sets"], measured["clean"]
