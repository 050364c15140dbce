"""A model of somebody else, which a run may begin with, in our words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from data import Tokenizer, TokenizerConfig
from data.text.tokenizers import gpt2_tokenizer
from model import GPT, GPTConfig
from storage.weights import network_of


@dataclass(frozen=True)
class Origin:
    """``name``: of its architecture. ``tokenizer``: None for GPT-2's, which may have to be downloaded. ``notes``: what
    should be known. ``read_parameters``: gives its weights by our names, and may read them only when it is called.
    """

    name: str
    config: GPTConfig
    tokenizer: Tokenizer | None
    notes: tuple[str, ...]
    read_parameters: Callable[[], Mapping[str, Tensor]]

    @property
    def tokenizer_config(self) -> TokenizerConfig:
        """The tokenizer as a run's configuration has it."""
        return TokenizerConfig(self.tokenizer.kind if self.tokenizer else "gpt2", self.config.vocab_size)

    def get_tokenizer(self, cache: Path) -> Tokenizer:
        return self.tokenizer or gpt2_tokenizer(cache)

    def load(self, device: torch.device, dropout: float) -> GPT:
        """The network with its weights."""
        return network_of(replace(self.config, dropout=dropout), self.read_parameters(), device)
