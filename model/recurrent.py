"""The recurrent network that attention replaced (R), in attention's place: everything read goes through one state."""

import torch
from torch import Tensor, nn

from model.cache import Cache, Place
from model.config import GPTConfig
from model.watch import Watch


class Recurrent(nn.Module):
    """Letter R: a gated recurrent unit (Cho et al. 2014), PyTorch's own, and a projection back. It has no heads.

    With 2/3 of the width as its state h it has as many parameters as attention: 3 h D + 3 h^2 + h D = 4 D^2.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width = max(1, round(config.n_embd * 2 / 3))
        self.gru = nn.GRU(config.n_embd, width, batch_first=True)
        self.o = nn.Linear(width, config.n_embd, bias=config.bias)

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, watch: Watch | None = None, layer: int = 0
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]; positions are what the state makes of them."""
        if watch is not None:
            watch.no_pattern(layer)
        return self.run(x, None)[0]

    def step(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: Cache, place: Place) -> Tensor:
        """The same for tokens [B, T, D] that follow those whose state is in ``cache``."""
        z, state = self.run(x, cache.tensors[0])
        cache.tensors = (state,)
        return z

    def run(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the network makes of x, and the state [B, h] it ends in; it begins in ``state``, or in zeros."""
        with torch.autocast(x.device.type, enabled=False):
            z, last = self.gru(x.to(self.o.weight.dtype), None if state is None else state[None])
        return self.o(z), last[0]

    def new_cache(self, batch: int, capacity: int) -> Cache:
        return Cache(self.o.weight.new_zeros(batch, self.gru.hidden_size))

    def sees(self, distance: Tensor) -> Tensor:
        """Whether anything of the token so far back can be in the state."""
        return distance >= 0

    def flops_per_token(self, length: int) -> int:
        """None besides those of its weights."""
        return 0
