"""A network's weights by name: out of it, into it, from a run's checkpoint, and as a run of their own."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
import yaml

from common.errors import InputError
from common.folders import TOKENIZER
from data import Tokenizer
from model import GPT, GPTConfig
from storage import checkpoint
from storage.not_a_run import require_run
from storage.run import make


def get_parameters(model: GPT) -> dict[str, torch.Tensor]:
    """Parameters by name; a tied head is the embedding and appears once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def set_parameters(model: GPT, tensors: Mapping[str, torch.Tensor]) -> None:
    copy_all(dict(model.named_parameters()), tensors, "weights do")


@torch.no_grad()
def copy_all(own: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor], what: str) -> None:
    """Copies ``tensors`` into ``own``; raises InputError where names or shapes differ, of ``what`` in a checkpoint."""
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise InputError(f"the checkpoint's {what} not have the shapes that its configuration says")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def network_of(config: GPTConfig, parameters: Mapping[str, torch.Tensor], device: torch.device) -> GPT:
    """The network with these weights."""
    model = GPT(config, seed=None)
    set_parameters(model, parameters)
    return model.to(device)


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
    return network_of(replace(config, block_size=block_size), tensors, model.embed.weight.device)


def load_model(folder: Path, which: str, device: torch.device, **changes: float) -> tuple[GPT, Tokenizer, dict]:
    """The model of one checkpoint ("latest", "best" or a step), ready to evaluate; its tokenizer; its state.

    ``changes``: what its configuration says otherwise, such as ``dropout=0.1``.
    """
    require_run(folder)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    state, (tensors,) = checkpoint.load(folder, which, names=(checkpoint.MODEL,))
    config = GPTConfig(**state["model"] | changes)
    if tokenizer.vocab_size != config.vocab_size:
        raise InputError(
            f"{folder / TOKENIZER} has {tokenizer.vocab_size:,} tokens, and the model {config.vocab_size:,}: it is of "
            "another run; put its own back"
        )
    return network_of(config, tensors, device).eval(), tokenizer, state


def source_of(run: Path, checkpoint: str, state: dict) -> dict:
    """Where a loaded model is from, for what is made of it: the run's name, its step and tokens, and ``checkpoint``."""
    return {"run": run.resolve().name, "step": state["step"], "tokens": state["tokens"], "checkpoint": checkpoint}


def save_run(
    folder: str | Path,
    model: GPT,
    tokenizer: Tokenizer,
    overwrite: bool = False,
    init_from: str | None = None,
    template: str | None = None,
) -> None:
    """Makes a run of a network, whole or not at all: to sample from and to probe, without a corpus. ``init_from``: what
    its weights are from, for the record. ``template``: that of the prompts with answers that it was trained on.

    Raises InputError where ``folder`` exists and is no run, or is one and not to be overwritten, and where the network
    has another vocabulary than the tokenizer, or weights that are not finite.
    """
    folder, parameters = Path(folder), get_parameters(model)
    if tokenizer.vocab_size != model.config.vocab_size:
        raise InputError(
            f"run={folder}: the tokenizer has {tokenizer.vocab_size:,} tokens, and the model's vocab_size is "
            f"{model.config.vocab_size:,}; they must be equal"
        )
    if name := checkpoint.not_finite(parameters):
        raise InputError(f"run={folder}: {name} is not finite; nothing was written")
    shape = {key: value for key, value in asdict(model.config).items() if key != "vocab_size"}
    kind = {"kind": tokenizer.kind, "vocab_size": tokenizer.vocab_size}
    config = {
        "data": None,
        "tokenizer": kind,
        "model": shape,
        "init_from": init_from,
        "template": template,
        "cache": str(Path("cache").resolve()),
    }
    state = {"step": 0, "tokens": 0, "best_step": 0, "best_loss": None, "dataset": None, "model": asdict(model.config)}

    def fill(building: Path) -> None:
        checkpoint.save(building, {name: tensor.cpu() for name, tensor in parameters.items()}, {}, state)

    make(folder, overwrite, yaml.safe_dump(config, sort_keys=False), tokenizer, fill)
