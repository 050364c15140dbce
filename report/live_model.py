"""A model as parts of a page, in which it runs: its shape and tokenizer as JSON, its weights as float16."""

import base64
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from common.atomic import json_text
from common.errors import InputError
from data import Tokenizer
from model import GPT
from storage.weights import get_parameters

MOST_WEIGHTS = 40_000_000  # that a page may hold: 107 MB of text
LARGEST = float(np.finfo(np.float16).max)


def packed_model(model: GPT, tokenizer: Tokenizer, means: Mapping[int, Tensor] | None = None) -> dict[str, bytes]:
    """The parts "model.json" and "weights" of a page.

    ``means``: by layer, each head's mean output [H, d], for mean ablation. The weights are all tensors as little-endian
    float16, one after the other, at the starts that "model.json" says; means are called "means.LAYER".
    Raises InputError where a weight is not finite or too large for float16.
    """
    tensors = get_parameters(model) | {f"means.{layer}": mean for layer, mean in (means or {}).items()}
    arrays = {name: float16(name, tensor) for name, tensor in tensors.items()}
    starts = np.cumsum([0, *(array.size for array in arrays.values())])
    described = [
        {"name": name, "shape": array.shape, "start": int(start)}
        for (name, array), start in zip(arrays.items(), starts, strict=False)
    ]
    config = model.config
    derived = {"attention_types": config.attention_types, "kv_heads": config.kv_heads, "head_dim": config.head_dim}
    about = {"config": asdict(config) | derived, "tokenizer": tokenizer_json(tokenizer), "tensors": described}
    return {"model.json": json_text(about).encode(), "weights": b"".join(map(np.ndarray.tobytes, arrays.values()))}


def float16(name: str, tensor: Tensor) -> np.ndarray:
    """A tensor in half precision; raises InputError where that cannot hold it."""
    numbers = tensor.detach().float().cpu().numpy()
    if not (np.abs(numbers) <= LARGEST).all():
        raise InputError(f"{name} has weights that are not finite or above {LARGEST:,.0f}, which float16 cannot hold")
    return numbers.astype("<f2")


def tokenizer_json(tokenizer: Tokenizer) -> dict:
    """``tokens``: the bytes of each, in base64."""
    tokens = [base64.b64encode(piece).decode() for piece in tokenizer.pieces]
    return {"kind": tokenizer.kind, "start": tokenizer.start, "tokens": tokens, "end": tokenizer.end}


@torch.no_grad()
def rounded(model: GPT) -> GPT:
    """The network that a page computes: a copy whose weights are rounded to float16."""
    copy = deepcopy(model)
    for parameter in copy.parameters():
        parameter.copy_(parameter.half())
    return copy
