"""Which parameter is trained by what, and the optimizers' state as named tensors."""

import torch
from torch import Tensor, nn

from model import GPT
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


class Optimizers:
    """Muon and AdamW, or AdamW alone, stepped as one."""

    def __init__(self, model: GPT, config: OptimizerConfig, world: World = ALONE) -> None:
        self.config = config
        self.device_decides = model.embed.weight.is_cuda
        self.names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
        groups = parameter_groups(model)
        rates = {"embeddings": config.embedding_lr, "head": config.head_lr, "scalars": config.scalar_lr}
        adamw = [
            {"name": name, "params": groups[name], "lr": lr, "weight_decay": 0.0}
            for name, lr in rates.items()
            if groups[name]
        ]
        matrices = {
            "name": "matrices",
            "params": groups["matrices"],
            "lr": config.matrix_lr,
            "weight_decay": config.weight_decay,
        }
        self.muon = None
        if config.name == "muon":
            self.muon = Muon([matrices], lr=config.matrix_lr, world=world)
        else:
            adamw.append(matrices)
        self.adamw = torch.optim.AdamW(adamw, betas=config.betas, eps=1e-10, fused=True)
        self.all = [optimizer for optimizer in (self.muon, self.adamw) if optimizer]
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["peak_lr"], group["peak_decay"] = group["lr"], group["weight_decay"]

    def step(self, fraction: float, step: int, finite: Tensor | None = None) -> None:
        """One update with the rates and the decay of this share of the budget; then forgets the gradients.

        Where ``finite`` [], on the model's device, is false, nothing changes. A CUDA device settles that by itself, so
        that the host need not wait for it; others need not know how.
        """
        scale, decay = learning_rate_scale(self.config, fraction), weight_decay_scale(self.config, fraction)
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"], group["weight_decay"] = group["peak_lr"] * scale, group["peak_decay"] * decay
        if finite is not None and not self.device_decides:
            if not finite:
                self.zero_grad()
                return
            finite = None
        if self.muon:
            self.muon.param_groups[0]["momentum"] = muon_momentum(step)
            self.muon.step(finite)
        self.adamw.found_inf = None if finite is None else (~finite).float()  # type: ignore[missing-attribute] GradScaler sets it so
        self.adamw.step()
        self.zero_grad()

    def zero_grad(self) -> None:
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)

    def rates(self) -> dict[str, float]:
        """The learning rates of the latest step, as lr/GROUP."""
        return {f"lr/{group['name']}": group["lr"] for optimizer in self.all for group in optimizer.param_groups}

    def state_tensors(self) -> dict[str, Tensor]:
        """All state under PARAMETER/KEY."""
        return {
            f"{self.names[parameter]}/{key}": value
            for optimizer in self.all
            for parameter, state in optimizer.state.items()
            for key, value in state.items()
        }

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        parameters = {name: parameter for parameter, name in self.names.items()}
        owners = {p: optimizer for optimizer in self.all for group in optimizer.param_groups for p in group["params"]}
        for name, value in tensors.items():
            parameter_name, key = name.rsplit("/", 1)
            parameter = parameters[parameter_name]
            state = owners[parameter].state[parameter]
            if key in state:
                state[key].copy_(value)
            else:
                state[key] = value.to(parameter.device)
