"""Muon: momentum whose matrices are made orthogonal before they are applied (Jordan et al. 2024).

Equal to ``torch.optim.Muon``, which takes one matrix at a time; here all matrices of one shape go through Newton-Schulz
together, because a small GPT is many small matrices. Several processes orthogonalize a part of them each.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from training.world import ALONE, World

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
EPS = 1e-7


def orthogonalize(matrices: Tensor) -> Tensor:
    """[N, a, b] with a <= b -> matrices with the same singular vectors and singular values between about 0.7 and 1.2.

    A quintic Newton-Schulz iteration; bfloat16 on GPUs that have it, float32 elsewhere.
    """
    a, b, c = NEWTON_SCHULZ
    is_fast = matrices.is_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    x = matrices.bfloat16() if is_fast else matrices.float()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=EPS)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.type_as(matrices)


class Muon:
    """For 2-D weights only. The update of an m x n matrix is scaled by sqrt(max(1, m / n)).

    Weight decay is cautious (Liang et al. 2024): it acts on those weights that the update makes smaller anyway.
    """

    def __init__(self, weights: Iterable[nn.Parameter], momentum: float = 0.95, world: World = ALONE) -> None:
        self.momentum, self.world = momentum, world
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        same_shape = defaultdict(list)
        for weight in sorted(weights, key=is_tall):
            same_shape[tuple(sorted(weight.shape))].append(weight)
        # The momentum of all matrices of one shape is one tensor [N, a, b], of which each weight's state is a part.
        self.stacks = [(same, self.new_momentum(same)) for same in same_shape.values()]

    def new_momentum(self, weights: list[nn.Parameter]) -> Tensor:
        stacked = torch.zeros_like(flat_stack(weights))
        self.state |= {weight: {"momentum": part} for weight, part in zip(weights, stacked, strict=True)}
        return stacked

    @torch.no_grad()
    def step(self, lr: float, weight_decay: float, finite: Tensor | None = None) -> None:
        """One update; none at all, momentum included, where ``finite`` [] is given and false."""
        for weights, buffer in self.stacks:
            updates = self.updates(weights, buffer, finite)
            n_wide = sum(not is_tall(weight) for weight in weights)
            for some, chosen in ((weights[:n_wide], updates[:n_wide]), (weights[n_wide:], updates[n_wide:].mT)):
                if some:
                    apply(tuple(some), chosen.contiguous(), lr, weight_decay)

    def updates(self, weights: list[nn.Parameter], buffer: Tensor, finite: Tensor | None) -> Tensor:
        """[N, a, b], of weights that have one shape up to transposition; moves their momentum ``buffer``."""
        gradient = flat_stack([weight.grad for weight in weights if weight.grad is not None])
        if finite is not None:
            gradient = torch.where(finite, gradient, buffer)
        buffer.add_(gradient - buffer, alpha=1 - self.momentum)  # in this form, exactly nothing where both are equal
        gradient.add_(buffer - gradient, alpha=self.momentum)  # Nesterov looks ahead
        updates = self.world.share(orthogonalize, gradient)
        return updates if finite is None else updates * finite


def apply(weights: tuple[Tensor, ...], updates: Tensor, lr: float, decay: float) -> None:
    """Moves all weights [m, n] by ``updates`` [N, m, n] in a few operations, however many they are."""
    if decay:
        shrinks = updates * torch.stack(weights) > 0
        torch._foreach_mul_(weights, (1 - lr * decay * shrinks).unbind())
    scale = max(1.0, updates.size(1) / updates.size(2)) ** 0.5
    torch._foreach_add_(weights, updates.unbind(), alpha=-lr * scale)


def is_tall(matrix: Tensor) -> bool:
    return matrix.size(0) > matrix.size(1)


def flat_stack(matrices: Sequence[Tensor]) -> Tensor:
    """[m, n] or [n, m] each, m <= n -> [N, m, n], the tall ones transposed."""
    return torch.stack([matrix.mT if is_tall(matrix) else matrix for matrix in matrices])
