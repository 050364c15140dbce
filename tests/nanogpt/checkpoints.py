"""Checkpoints as nanoGPT's training writes them, and what its network computes, said again in a few lines."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

ARGS = {"n_layer": 2, "n_head": 3, "n_embd": 24, "block_size": 16, "vocab_size": 11, "dropout": 0.2}


def random_tensors(args: dict, seed: int = 0) -> dict[str, Tensor]:
    """Weights by nanoGPT's names, large enough that every part of the network moves the logits."""
    generator = torch.Generator().manual_seed(seed)
    width, tensors = args["n_embd"], {}

    def draw(name: str, *shape: int, around: float = 0.0) -> None:
        tensors[f"transformer.{name}"] = around + 0.3 * torch.randn(shape, generator=generator)

    def draw_layer(name: str, *shape: int, around: float = 0.0) -> None:
        draw(f"{name}.weight", *shape, around=around)
        if args.get("bias", True):
            draw(f"{name}.bias", shape[0])

    draw("wte.weight", args["vocab_size"], width)
    draw("wpe.weight", args["block_size"], width)
    for i in range(args["n_layer"]):
        draw_layer(f"h.{i}.ln_1", width, around=1)
        draw_layer(f"h.{i}.attn.c_attn", 3 * width, width)
        draw_layer(f"h.{i}.attn.c_proj", width, width)
        draw_layer(f"h.{i}.ln_2", width, around=1)
        draw_layer(f"h.{i}.mlp.c_fc", 4 * width, width)
        draw_layer(f"h.{i}.mlp.c_proj", width, 4 * width)
    draw_layer("ln_f", width, around=1)
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    return tensors


def write_checkpoint(path: Path, args: dict, tensors: dict[str, Tensor], **other: object) -> None:
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95)}]}
    stored = {"model": tensors, "model_args": args, "optimizer": optimizer, "iter_num": 3}
    torch.save(stored | {"best_val_loss": torch.tensor(1.5), "config": {"dataset": "letters"}} | other, path)


def logits_of(tensors: dict[str, Tensor], args: dict, tokens: Tensor) -> Tensor:
    """The logits [B, T, V] of tokens [B, T]. Files without "bias" are from before nanoGPT had the exact GELU."""
    activation = partial(F.gelu, approximate="none" if "bias" in args else "tanh")
    get = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}.get
    heads, n = args["n_head"], tokens.size(1)

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, get(f"{name}.weight"), get(f"{name}.bias"))

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], get(f"{name}.weight"), get(f"{name}.bias"), 1e-5)

    x = get("wte.weight")[tokens] + get("wpe.weight")[:n]
    for i in range(args["n_layer"]):
        q, k, v = linear(f"h.{i}.attn.c_attn", norm(f"h.{i}.ln_1", x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + linear(f"h.{i}.attn.c_proj", z)
        x = x + linear(f"h.{i}.mlp.c_proj", activation(linear(f"h.{i}.mlp.c_fc", norm(f"h.{i}.ln_2", x))))
    return F.linear(norm("ln_f", x), get("wte.weight"))
