"""Muon: momentum whose matrices are made orthogonal before they are applied (Jordan et al. 2024).

Equal to ``torch.optim.Muon``, which takes one matrix at a time; here all matrices of one shape go through Newton-Schulz
together, because a small GPT is many small matrices.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
EPS = 1e-7


def orthogonalize(matrices: Tensor) -> Tensor:
    """[N, a, b] with a <= b -> matrices with the same singular vectors and singular values between about 0.7 and 1.2.

    A quintic Newton-Schulz iteration; bfloat16 on GPUs, where it is fast, float32 elsewhere.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=EPS)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.type_as(matrices)


class Muon(torch.optim.Optimizer):
    """For 2-D weights only. The update of an m x n matrix is scaled by sqrt(max(1, m / n)).

    Weight decay is cautious (Liang et al. 2024): it acts on those weights that the update makes smaller anyway.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            same_shape = defaultdict(list)
            for weight in group["params"]:
                same_shape[tuple(sorted(weight.shape))].append(weight)
            for weights in same_shape.values():
                self.step_together(weights, group)

    def step_together(self, weights: list[nn.Parameter], group: dict) -> None:
        """One update of weights that have one shape, up to transposition."""
        momentum = group["momentum"]
        gradients = [weight.grad for weight in weights]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        buffers = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        looked_ahead = torch._foreach_lerp(gradients, buffers, momentum)  # Nesterov
        tall = [weight.size(0) > weight.size(1) for weight in weights]
        updates = orthogonalize(torch.stack([u.mT if t else u for u, t in zip(looked_ahead, tall, strict=True)]))
        for weight, update, transpose in zip(weights, updates, tall, strict=True):
            update = update.mT if transpose else update
            if group["weight_decay"]:
                shrinks = update * weight > 0
                weight.mul_(1 - group["lr"] * group["weight_decay"] * shrinks)
            scale = max(1.0, weight.size(0) / weight.size(1)) ** 0.5
            weight.add_(update, alpha=-group["lr"] * scale)
