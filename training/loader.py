"""Batches on the device, the next one made while this one is used."""

import torch
from torch import Tensor

from data import Batches
from data.text.batches import MixedBatches


class Loader:
    """``next`` gives a global batch's share [sequences, block_size + 1]; ``fetch`` gets the following one ready.

    A CUDA device is not waited for: it copies as soon as it gets there. ``n_targets``: how many tokens of the global
    batch that ``next`` gave last are learned. Neither it nor ``state`` counts a batch that was only fetched.
    """

    def __init__(self, batches: Batches | MixedBatches, device: torch.device) -> None:
        self.batches, self.device = batches, device
        self.ahead: Tensor | None = None
        self.position, self.n_targets = batches.state(), batches.n_targets

    def next(self) -> Tensor:
        batch = self.fetch() if self.ahead is None else self.ahead
        self.ahead = None
        self.position, self.n_targets = self.batches.state(), self.batches.n_targets
        return batch

    def fetch(self) -> Tensor:
        """Reads the next batch, [sequences, T + 1], ahead of time."""
        ids = torch.from_numpy(self.batches.next())
        if self.device.type == "cuda":
            self.ahead = ids.pin_memory().to(self.device, non_blocking=True)
        else:  # MPS would copy memory that may be another batch's by then
            self.ahead = ids.to(self.device)
        return self.ahead

    def state(self) -> dict:
        """Where the next batch begins."""
        return self.position

    def load_state(self, state: dict) -> None:
        self.batches.load_state(state)
        self.position, self.ahead = state, None
