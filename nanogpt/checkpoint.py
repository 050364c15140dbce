"""A checkpoint of nanoGPT, ``ckpt.pt``: its weights by our names, and which tokens they are of.

PyTorch reads it with ``weights_only``, which builds tensors and plain values and runs nothing.
"""

import os
import reprlib
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.errors import InputError
from common.folders import NANOGPT_SCHEME
from data.text.characters import META, TEXT, characters_of_text, read_characters
from data.text.tokenizers import N_GPT2, CharacterTokenizer
from huggingface import gpt2
from huggingface.architecture import OTHER, Architecture, rows_left_out, without_prefix
from model import GPTConfig
from storage.origin import Origin

COMPILED = "_orig_mod."  # before every name where the model was compiled
MOST_PADDING, PADDED_TO = 64, 8  # rows that no character has: fewer than so many, to a multiple of so many
MOST_ROWS = 51200  # where those of GPT-2's tokens are padded, by 1024 at most
SIZES = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")
NANOGPT = Architecture(
    name="nanoGPT",
    rows=partial(gpt2.rows, turned=False),
    switches={
        "norm": "layernorm",
        "position": "learned",
        "qk_norm": False,
        "softcap": 0.0,
        "tie_embeddings": True,
    },
    buffers=(".attn.bias",),  # the causal mask, kept where PyTorch had no fused attention
    shape_from="model_args",
)


def read(name: str) -> Origin:
    """The checkpoint called ``name``, "nanogpt:" and its file. Raises InputError for what ours cannot be."""
    path = Path(name.removeprefix(NANOGPT_SCHEME))
    stored = read_file(path, name)
    config = config_of(stored.get("model_args"), name)
    tensors = stored.get("model")
    if not isinstance(tensors, dict) or not all(isinstance(key, str) and is_dense(tensors[key]) for key in tensors):
        raise InputError(f"{name}: has no weights under 'model', as nanoGPT writes them")
    tensors = {key: tensors[whole] for key, whole in without_prefix(tensors, COMPILED, name).items()}
    characters, notes = find_characters(path, stored.get("config"), config, name)
    n_rows, n_tokens = config.vocab_size, len(characters) if characters else N_GPT2
    if n_rows > n_tokens:
        notes.append(rows_left_out(name, n_rows, n_tokens))
    config = replace(config, vocab_size=n_tokens)
    parameters = NANOGPT.from_tensors(config, n_rows, tensors, tensors.__getitem__, name)
    tokenizer = CharacterTokenizer(characters) if characters else None
    return Origin(NANOGPT.name, config, tokenizer, tuple(notes), lambda: parameters)  # on disk until they are copied


def read_file(path: Path, name: str) -> dict:
    if not os.path.isfile(path):  # Path.is_file raises OSError for a name that is too long
        raise InputError(f"{name}: there is no such file; give the ckpt.pt that nanoGPT's training wrote")
    unusable = InputError(
        f"{name}: is no checkpoint of nanoGPT, or damaged, or holds more than weights and plain values; give the "
        "ckpt.pt that nanoGPT's training wrote"
    )
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # PyTorch does not look at the checksums
        stored = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (PermissionError, MemoryError):
        raise
    except Exception:  # a damaged file may make the reader trip over anything
        # Not what PyTorch says: it advises to run whatever the file holds.
        raise unusable from None
    if damaged is not None:
        raise unusable
    if not isinstance(stored, dict):
        raise InputError(f"{name}: is no checkpoint of nanoGPT, which holds 'model' and 'model_args'")
    return stored


def is_dense(value: Any) -> bool:
    """Whether this is a tensor whose numbers all stand in the file."""
    return isinstance(value, Tensor) and value.layout is torch.strided and not value.is_meta


def config_of(args: Any, name: str) -> GPTConfig:
    """The shape that ``model_args`` describe, without dropout."""
    if not isinstance(args, dict):
        raise InputError(f"{name}: has no 'model_args', as nanoGPT writes them")
    if unknown := args.keys() - {*SIZES, "bias", "dropout"}:
        raise InputError(
            f"{name}: model_args has {reprlib.repr(min(unknown, key=str))}, which nanoGPT has not; {OTHER}"
        )
    # Its first files have no "bias"; all of them are of its first activation, the approximation by tanh.
    bias, mlp = args.get("bias", True), "gelu_exact" if "bias" in args else "gelu"
    shape: dict[str, Any] = {key: args.get(key) for key in SIZES}
    try:
        return GPTConfig(**shape, bias=bias, mlp=mlp, **NANOGPT.switches)
    except ValueError as error:
        raise InputError(f"{name}: model_args describe no network ({error})") from None


def find_characters(path: Path, config: Any, shape: GPTConfig, name: str) -> tuple[list[str] | None, list[str]]:
    """The characters that the model knows, from meta.pkl or the text, beside the checkpoint or where nanoGPT's data
    lies; None where it has GPT-2's tokens; and notes. Raises InputError where neither is known.

    A text says nothing of a model of GPT-2's tokens: nanoGPT's own ``data/shakespeare`` has one.
    """
    dataset = config.get("dataset") if isinstance(config, dict) else None
    dataset = Path(dataset).name if isinstance(dataset, str) else "NAME"
    misfits = []
    for folder in (path.parent, path.absolute().parent.parent / "data" / dataset):
        for file, read_from in ((META, read_characters), (TEXT, characters_of_text)):
            if not os.path.isfile(folder / file) or (file == TEXT and shape.vocab_size >= N_GPT2):
                continue
            characters = read_from(folder / file)
            n = len(characters)
            padded = file == META and shape.vocab_size % PADDED_TO == 0 and 0 < shape.vocab_size - n < MOST_PADDING
            if n == shape.vocab_size or padded:
                return characters, [f"characters from {folder / file}"]
            misfits.append(f"{folder / file}: has {n} characters; {name} knows {shape.vocab_size}")
    if misfits:
        raise InputError(f"{misfits[0]}: give the file of its data")
    if N_GPT2 <= shape.vocab_size <= MOST_ROWS:
        return None, []
    raise InputError(
        f"{name}: has {shape.vocab_size} tokens and does not say which; copy the {META} or {TEXT} of "
        f"data/{dataset[:80]} into {path.parent}"
    )
