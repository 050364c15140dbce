"""A network's weights by name: out of it, into it, and from a run's checkpoint."""

from dataclasses import replace
from pathlib import Path

import torch

from common.errors import InputError
from data import Tokenizer
from model import GPT, GPTConfig
from storage import checkpoint
from storage.run import TOKENIZER, require_run


def get_parameters(model: GPT) -> dict[str, torch.Tensor]:
    """Parameters by name; a tied head is the embedding and appears once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@torch.no_grad()
def set_parameters(model: GPT, tensors: dict[str, torch.Tensor]) -> None:
    own = dict(model.named_parameters())
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise InputError("the checkpoint's weights do not have the shapes that its configuration says")
    for name, parameter in own.items():
        parameter.copy_(tensors[name])


def fit_block(model: GPT, block_size: int) -> GPT:
    """The same network for blocks of another length. Learned positions beyond it are left out, and there are none for
    longer blocks: raises InputError. Rotary ones go on for ever.
    """
    config = model.config
    if block_size == config.block_size:
        return model
    tensors = get_parameters(model)
    if config.position == "learned":
        if block_size > config.block_size:
            raise InputError(
                f"model.block_size={block_size}: init_from brings {config.block_size} learned positions; "
                f"give at most that"
            )
        tensors["position.weight"] = tensors["position.weight"][:block_size]
    fitted = GPT(replace(config, block_size=block_size))
    set_parameters(fitted, tensors)
    return fitted.to(model.embed.weight.device)


def load_model(folder: Path, which: str, device: torch.device, **changes: float) -> tuple[GPT, Tokenizer, dict]:
    """The model of one checkpoint ("latest", "best" or a step), ready to evaluate; its tokenizer; its state.

    ``changes``: what its configuration says otherwise, such as ``dropout=0.1``.
    """
    require_run(folder)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    state, (tensors,) = checkpoint.load(folder, which, names=("model.safetensors",))
    model = GPT(GPTConfig(**state["model"] | changes))
    set_parameters(model, tensors)
    return model.to(device).eval(), tokenizer, state
