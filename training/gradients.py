"""The gradients of several processes, summed while backward still computes others."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch import distributed as dist

from training.world import World

BUCKET_BYTES = 1 << 22  # of gradients that are sent together


class GradientSum:
    """Sums the gradients of a ``model`` over all processes of a ``world``, and the loss with them.

    Backward reaches the last parameters first. As soon as all gradients of a bucket are there they are sent, in the
    same order by all processes. A compiled network hands over all its gradients together, at the end of backward.
    """

    def __init__(self, model: nn.Module, world: World) -> None:
        self.parameters, self.world = list(model.parameters()), world
        self.buckets = in_buckets(self.parameters[::-1], BUCKET_BYTES) if world.size > 1 else []
        self.missing: list[int] = []  # of each bucket's gradients; empty before the step's last backward
        self.sent = 0  # how many buckets were
        self.exchanges: list[dist.Work] = []
        for i, bucket in enumerate(self.buckets):
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(partial(self.arrived, i))

    def begin(self, loss: Tensor) -> None:
        """To be called before the last backward of a step. ``loss`` [] is this process's part of it."""
        if self.buckets:
            self.exchanges = [self.world.begin_sum(loss)]
            self.missing, self.sent = [len(bucket) for bucket in self.buckets], 0

    def arrived(self, bucket: int, parameter: nn.Parameter) -> None:
        if not self.missing:  # of an earlier micro-batch
            return
        self.missing[bucket] -= 1
        while self.sent < len(self.buckets) and not self.missing[self.sent]:
            self.send()

    def send(self) -> None:
        """Begins to sum the next bucket; from now on its gradients are views of the tensor that is sent."""
        bucket = self.buckets[self.sent]
        ready = [(parameter, parameter.grad) for parameter in bucket if parameter.grad is not None]
        self.sent += 1
        if not ready:
            return
        together = torch.cat([gradient.flatten() for _, gradient in ready])
        parts = together.split([gradient.numel() for _, gradient in ready])
        for (parameter, gradient), part in zip(ready, parts, strict=True):
            parameter.grad = part.view_as(gradient)
        self.exchanges.append(self.world.begin_sum(together))

    def finish(self) -> list[Tensor]:
        """Waits for all sums, the loss's too, and returns the gradients there are."""
        while self.sent < len(self.buckets):  # some parameter took no part
            self.send()
        for exchange in self.exchanges:
            exchange.wait()
        self.missing, self.exchanges = [], []
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]


def in_buckets(parameters: Iterable[nn.Parameter], bucket_bytes: int) -> list[list[nn.Parameter]]:
    """``parameters`` in their order, cut after each that fills up ``bucket_bytes``."""
    buckets: list[list[nn.Parameter]] = [[]]
    size = 0
    for parameter in parameters:
        if size >= bucket_bytes:
            buckets, size = [*buckets, []], 0
        buckets[-1].append(parameter)
        size += parameter.nbytes
    return buckets
