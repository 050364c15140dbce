"""Cross-entropy in chunks of tokens, which is there for memory: large vocabularies have more logits than weights.

Where the logits are few it would only cost time, and PyTorch's cross-entropy is used.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# Up to so many logits, all of them together are quicker (by 12 to 20 % on a CPU).
FEW_LOGITS = {"cpu": 1 << 21, "cuda": 1 << 26, "mps": 1 << 24}
# float32 numbers held at a time, of which a few copies are made
CHUNK_LOGITS = {"cpu": 1 << 19, "cuda": 1 << 26, "mps": 1 << 24}
NO_TARGET = -100  # in the position of a token that is read and not learned, as cross_entropy of PyTorch has it


def inputs_and_targets(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of ids [B, T + 1] as the tokens that are read and those that follow, [B, T] each.

    Ids that are not to be learned are in the rows as ``~id``, below 0: NO_TARGET among the targets.
    """
    marked = rows < 0
    return torch.where(marked, ~rows, rows)[:, :-1], rows.masked_fill(marked, NO_TARGET)[:, 1:]


def count_targets(targets: Tensor) -> Tensor:
    """How many of ``targets`` are to be learned, without waiting for a device."""
    return (targets != NO_TARGET).sum()


def cap(logits: Tensor, softcap: float) -> Tensor:
    """Softly limits logits to (-softcap, softcap) (Gemma Team 2024); 0 leaves them as they are."""
    return softcap * torch.tanh(logits / softcap) if softcap else logits


def head_loss(x: Tensor, weight: Tensor, targets: Tensor, softcap: float, bias: Tensor | None = None) -> Tensor:
    """Mean cross-entropy in nats of ``targets`` [N] under ``cap(x @ weight.T + bias)``; x [N, D], weight [V, D]. Where
    there is NO_TARGET nothing is counted.

    Where there are many logits, they are made for a few tokens at a time, and their gradients with them: memory is
    O(V D), not O(N V), and nothing is computed twice, nor gradients where none are wanted.
    """
    if bias is not None:  # one more column of weights, for which every token has a 1
        x, weight = F.pad(x, (0, 1), value=1.0), torch.cat((weight, bias[:, None]), dim=1)
    if len(x) * len(weight) <= FEW_LOGITS[x.device.type]:
        return F.cross_entropy(cap((x @ weight.T).float(), softcap), targets)
    if not torch.is_grad_enabled():
        weight = weight.detach()  # a Parameter counts as needing its gradient even here
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight = x.to(dtype), weight.to(dtype)
    return HeadLoss.apply(x, weight, targets, softcap)


def chunk_rows(weight: Tensor) -> int:
    """Tokens at a time: on a CPU what stays in its cache, but enough that adding up [V, D] gradients costs little."""
    return max(CHUNK_LOGITS[weight.device.type] // len(weight), 2 * weight.size(1))


def chunk_loss(logits: Tensor, targets: Tensor, softcap: float, wanted: bool) -> tuple[Tensor, Tensor | None]:
    """Summed loss of raw float32 logits [n, V], and its gradient by them, NO_TARGET as if it were token 0, where it is
    ``wanted``.
    """
    capped = cap(logits, softcap)
    log_p = capped.log_softmax(-1)
    none = targets[:, None] == NO_TARGET
    targets = targets[:, None].masked_fill(none, 0)
    loss = -log_p.gather(1, targets).masked_fill(none, 0).sum()
    if not wanted:
        return loss, None
    gradient = log_p.exp_().scatter_add_(1, targets, log_p.new_full((len(targets), 1), -1))
    if softcap:
        gradient = gradient * (1 - (capped / softcap).square())  # the derivative of tanh
    return loss, gradient


class HeadLoss(torch.autograd.Function):
    """Computes the gradients in the forward pass, while each chunk of logits is at hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, softcap: float) -> Tensor:
        n, wanted = count_targets(targets), any(ctx.needs_input_grad)
        # Of gradients: none where there is no target.
        divisors = torch.where(targets == NO_TARGET, math.inf, n)[:, None]
        rows = chunk_rows(weight)
        total = x.new_zeros((), dtype=torch.float32)
        x_parts, weight_gradient = [], torch.zeros_like(weight if wanted else weight[:0], dtype=torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            parts = (tensor.split(rows) for tensor in (x, targets, divisors))
            for part, target, divisor in zip(*parts, strict=True):
                loss, gradient = chunk_loss((part @ weight.T).float(), target, softcap, wanted)
                total = total + loss
                if gradient is not None:
                    gradient = gradient.div_(divisor).to(x.dtype)
                    x_parts.append(gradient @ weight)
                    weight_gradient += gradient.T @ part
        if wanted:
            ctx.save_for_backward(torch.cat(x_parts), weight_gradient.to(weight.dtype))
        return total / n

    @staticmethod
    def backward(ctx: Any, by_loss: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x_gradient, weight_gradient = ctx.saved_tensors
        return x_gradient * by_loss, weight_gradient * by_loss, None, None
