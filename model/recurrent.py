"""The recurrent network that attention replaced (R), in attention's place: everything read goes through one state."""

import torch
from torch import Tensor, nn

from model.cache import Cache
from model.config import GPTConfig
from model.hooks import Hooks


class Recurrent(nn.Module):
    """Type R: a gated recurrent unit (Cho et al. 2014), PyTorch's own, and a projection back. It has no heads.

    With 2/3 of the width as its state h it has as many parameters as attention: 3 h D + 3 h^2 + h D = 4 D^2.
    """

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        width = max(1, round(config.n_embd * 2 / 3))
        self.gru = nn.GRU(config.n_embd, width, batch_first=True)
        self.o = nn.Linear(width, config.n_embd, bias=config.bias)

    def forward(
        self, x: Tensor, rotary: Tensor | None, hooks: Hooks | None = None, cache: Cache | None = None
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]. The state [B, h] begins as ``cache`` has it, or as zeros."""
        state = None if cache is None else cache.tensors[0][None]
        with torch.autocast(x.device.type, enabled=False):
            z, state = self.gru(x.to(self.o.weight.dtype), state)
        if cache is not None:
            cache.tensors = (state[0],)
        return self.o(z)

    def new_cache(self, batch: int, capacity: int) -> Cache:
        return Cache(self.o.weight.new_zeros(batch, self.gru.hidden_size))

    def mask(self, distance: Tensor) -> Tensor:
        """Whether anything of the token that far back can be in the state."""
        return distance >= 0

    def flops_per_token(self, length: int) -> int:
        """None besides those of its weights."""
        return 0
