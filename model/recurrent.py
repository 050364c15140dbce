"""The recurrent network that attention replaced (R), called as attention is: everything goes through one state."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from model.cache import Cache
from model.config import GPTConfig
from model.documents import first_tokens
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
        self,
        x: Tensor,
        rotary: Tensor | None,
        hooks: Hooks | None = None,
        cache: Cache | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]. The state [B, h] begins as ``cache`` has it, or as zeros: once, or in each of
        ``documents`` [B, T].
        """
        state = None if cache is None else cache.tensors[0][None]
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.o.weight.dtype)
            if documents is not None:
                return self.o(self.apart(x, first_tokens(documents)))
            z, state = self.gru(x, state)
        if cache is not None:
            cache.tensors = (state[0],)
        return self.o(z)

    def apart(self, x: Tensor, begins: Tensor) -> Tensor:
        """States [B, T, h] of documents as sequences of their own; ``begins`` [B, T] marks the first token of each."""
        starts = begins.flatten().nonzero()[:, 0].tolist()
        lengths = [after - start for start, after in pairwise((*starts, begins.numel()))]
        packed = pack_sequence([*x.flatten(0, 1).split(lengths)], enforce_sorted=False)
        return torch.cat(unpack_sequence(self.gru(packed)[0])).unflatten(0, begins.shape)

    def new_cache(self, batch: int, capacity: int) -> Cache:
        return Cache(self.o.weight.new_zeros(batch, self.gru.hidden_size))

    def mask(self, distance: Tensor) -> Tensor:
        """Whether anything of the token that far back can be in the state."""
        return distance >= 0

    def flops_per_token(self, length: int) -> int:
        """None besides those of its weights."""
        return 0
