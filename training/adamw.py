"""Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class AdamW:
    """``torch.optim.AdamW(fused=True)``, by the same kernel.

    Torch's own imports its compiler when it is made, for which runs that compile nothing would wait two seconds.
    """

    def __init__(self, weights: Iterable[nn.Parameter], betas: tuple[float, float], eps: float = 1e-10) -> None:
        self.betas, self.eps = betas, eps
        self.state: dict[Tensor, dict[str, Tensor]] = {
            weight: {
                "step": torch.zeros((), device=weight.device),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": torch.zeros_like(weight),
            }
            for weight in weights
        }

    @torch.no_grad()
    def step(self, lr: float, weight_decay: float, finite: Tensor | None = None) -> None:
        """One update; none at all, state included, where ``finite`` [] is given and false."""
        gradients = {weight: weight.grad for weight in self.state if weight.grad is not None}
        if not gradients:
            return
        states = [self.state[weight] for weight in gradients]
        steps, means, squares = ([state[key] for state in states] for key in ("step", "exp_avg", "exp_avg_sq"))
        skipped = None if finite is None else (~finite).float()
        torch._foreach_add_(steps, 1.0)
        torch._fused_adamw_(
            list(gradients),
            list(gradients.values()),
            means,
            squares,
            [],
            steps,
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=weight_decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
            found_inf=skipped,
        )
        if skipped is not None:
            torch._foreach_sub_(steps, [skipped] * len(steps))
