"""Which parameter is trained by what, and the optimizers' state as named tensors."""

from collections import ChainMap
from dataclasses import dataclass

from torch import Tensor, nn

from model import GPT
from storage.weights import copy_all
from training.adamw import AdamW
from training.config import OptimizerConfig
from training.muon import Muon
from training.schedule import learning_rate_scale, muon_momentum, weight_decay_scale
from training.world import ALONE, World


def parameter_groups(model: GPT) -> dict[str, list[nn.Parameter]]:
    """Every parameter in exactly one of: matrices (2-D, in blocks), embeddings, head, scalars (gains and biases).

    A matrix that is embedding and head is in *head*: with the rate of embeddings it learns worse (docs/log.md).
    """
    groups = {"matrices": [], "embeddings": [], "head": [], "scalars": []}
    for name, parameter in model.named_parameters():
        if name == "head.weight" or (name.startswith("embed.") and model.config.tie_embeddings):
            groups["head"].append(parameter)
        elif name.startswith(("embed.", "position.")):
            groups["embeddings"].append(parameter)
        elif parameter.ndim == 2:
            groups["matrices"].append(parameter)
        else:
            groups["scalars"].append(parameter)
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    return groups


@dataclass(frozen=True)
class Group:
    """Weights with one optimizer, and the highest values of their learning rate and weight decay."""

    optimizer: Muon | AdamW
    lr: float
    decay: float = 0.0


class Optimizers:
    """Muon and AdamW, or AdamW alone, stepped as one."""

    def __init__(self, model: GPT, config: OptimizerConfig, world: World = ALONE) -> None:
        self.config = config
        self.device_decides = model.embed.weight.is_cuda
        self.parameters = dict(model.named_parameters())
        rates = {"embeddings": config.embedding_lr, "head": config.head_lr, "scalars": config.scalar_lr}
        groups = parameter_groups(model)
        matrices = groups.pop("matrices")
        self.muon = Muon(matrices, world=world) if config.name == "muon" else None
        self.groups = {name: Group(AdamW(own, config.betas), rates[name]) for name, own in groups.items() if own}
        optimizer = self.muon or AdamW(matrices, config.betas)
        self.groups["matrices"] = Group(optimizer, config.matrix_lr, config.weight_decay)
        self.scale = 1.0  # of the learning rates in the latest step

    def step(self, fraction: float, after: float, step: int, finite: Tensor | None = None) -> None:
        """One update with the rates and the decay of these shares of the budget, before and after it; then forgets the
        gradients.

        Where ``finite`` [], on the model's device, is false, nothing changes. A CUDA device settles that by itself, so
        that the host need not wait for it; others need not know how.
        """
        self.scale = learning_rate_scale(self.config, fraction, after)
        decay = weight_decay_scale(self.config, fraction)
        if finite is not None and not self.device_decides:
            if not finite:
                self.zero_grad()
                return
            finite = None
        if self.muon:
            self.muon.momentum = muon_momentum(step)
        for group in self.groups.values():
            group.optimizer.step(group.lr * self.scale, group.decay * decay, finite)
        self.zero_grad()

    def zero_grad(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None

    def rates(self) -> dict[str, float]:
        """The learning rates of the latest step, as lr/GROUP."""
        return {f"lr/{name}": group.lr * self.scale for name, group in self.groups.items()}

    def state_tensors(self) -> dict[str, Tensor]:
        """All state under PARAMETER/KEY, which are the optimizers' own tensors."""
        states = ChainMap(*(group.optimizer.state for group in self.groups.values()))
        return {
            f"{name}/{key}": value
            for name, parameter in self.parameters.items()
            for key, value in states[parameter].items()
        }

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        copy_all(self.state_tensors(), tensors, "optimizer state does")
