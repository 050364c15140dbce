"""Whole folders: a model with its tokenizer, written so that ``transformers`` loads it, and read as it writes them.

Nothing is ever unpickled.
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from common import atomic
from common.atomic import (
    is_free,
    new_folder,
    parents_made,
    replace_folder,
    require_outside,
    require_writable,
    write_durably,
)
from common.errors import InputError
from common.folders import ABOUT, EXPORT, HF_SCHEME, MODEL_CONFIG, WEIGHTS
from data import Tokenizer
from data.text.tokenizers import CHARACTERS, N_GPT2, BpeTokenizer
from huggingface import tokenizer_json
from huggingface.architecture import Architecture, rows_left_out
from huggingface.gpt2 import GPT2
from huggingface.hub import INDEX, locate
from huggingface.nanochat import NANOCHAT
from model import GPT, GPTConfig
from storage.origin import Origin
from storage.run import is_run
from storage.weights import get_parameters

KIND = "export"
ARCHITECTURES = (GPT2, NANOCHAT)
OWN = {*EXPORT, "generation_config.json", tokenizer_json.FILE, tokenizer_json.CONFIG}


def architecture_of(config: GPTConfig, source: str) -> Architecture:
    """The architecture that computes the same; raises InputError naming the settings that stand in the way."""
    wrong = {architecture.name: architecture.unmatched(config) for architecture in ARCHITECTURES}
    nearest = min(ARCHITECTURES, key=lambda architecture: len(wrong[architecture.name]))
    if settings := wrong[nearest.name]:
        raise InputError(
            f"{source}: {' and '.join(settings)} {'is' if len(settings) == 1 else 'are'} not supported by "
            f"{nearest.name}, the nearest architecture of transformers; nothing was written"
        )
    return nearest


def export(
    model: GPT, tokenizer: Tokenizer, folder: Path, about: dict, overwrite: bool, source: str | None = None
) -> Architecture:
    """Writes ``folder``, as a whole or not at all; ``about`` is kept beside the model, which errors call ``source``."""
    config, source = model.config, source or f"run={about['run']}"
    if not isinstance(tokenizer, BpeTokenizer):
        kind = "characters" if tokenizer.kind == CHARACTERS else "ids with names"
        raise InputError(f"{source}: its tokens are {kind}, which no tokenizer of transformers has")
    architecture = architecture_of(config, source)
    check_free(folder, overwrite)
    ends = {"bos_token_id": tokenizer.end, "eos_token_id": tokenizer.end}
    contents = {
        ABOUT: {**about, "architecture": architecture.name},
        MODEL_CONFIG: {
            **architecture.to_config(config),
            "vocab_size": config.vocab_size,
            **ends,
            "pad_token_id": None,
        },
        "generation_config.json": ends,
        **tokenizer_json.files(tokenizer, config.block_size),
    }
    require_writable(folder.parent, "to")
    with parents_made(folder), new_folder(folder) as building:
        for name, content in contents.items():
            write_durably(
                building / name, json.dumps(content, indent=1, ensure_ascii=False).encode(errors="backslashreplace")
            )
        tensors = architecture.to_tensors(
            config, {name: tensor.cpu() for name, tensor in get_parameters(model).items()}
        )
        write_durably(building / WEIGHTS, safetensors.torch.save(tensors, metadata={"format": "pt"}))
        replace_folder(folder, building, KIND, overwrite)
    return architecture


def check_free(folder: Path, overwrite: bool) -> None:
    """Raises InputError where ``folder`` holds something that an export must not replace, or not without
    ``overwrite``.
    """
    require_outside(folder, "to", "to=NAME")
    atomic.bring_back(folder, KIND)
    if is_free(folder):
        return
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in OWN) if folder.is_dir() else []
    if not (folder / ABOUT).is_file() or foreign:
        what = f"holds {foreign[0]}, which no export makes" if foreign else "exists and is no export"
        raise InputError(f"to={folder}: {what}; give another name")
    if not overwrite:
        raise InputError(f"to={folder}: exists; overwrite=true replaces it")


def read(name: str) -> Origin:
    """The model called ``name``, "hf:" and a folder or a name on the Hub, its weights still unread. Raises InputError
    for what ours cannot be.
    """
    path = name.removeprefix(HF_SCHEME)
    given = Path(path)
    if given.is_file():
        raise InputError(f"{name}: is a file; give the folder that has config.json and model.safetensors")
    if is_run(given):
        raise InputError(f"{name}: is a run of this project; give init_from={given}, without {HF_SCHEME}")
    folder = locate(path)
    if not (folder / MODEL_CONFIG).is_file():
        raise InputError(f"{name}: has no config.json; give a folder as save_pretrained of transformers writes it")
    values = tokenizer_json.require_json(folder / MODEL_CONFIG)
    architectures = {architecture.model_type: architecture for architecture in ARCHITECTURES}
    if str(values.get("model_type")) not in architectures:
        raise InputError(
            f"{name}: model_type={values.get('model_type')} cannot be read; {' and '.join(architectures)} can"
        )
    architecture = architectures[values["model_type"]]
    config, tokenizer = architecture.from_config(values, name), tokenizer_json.read(folder)
    rows, n_tokens = config.vocab_size, tokenizer.vocab_size if tokenizer else N_GPT2
    notes = []
    if tokenizer is None:
        if rows != n_tokens:
            raise InputError(f"{name}: has no tokenizer files, and vocab_size={rows} is not GPT-2's {n_tokens}")
        notes.append(f"{name} has no tokenizer files; its {rows:,} tokens are taken to be GPT-2's")
    if rows < n_tokens:
        raise InputError(f"{name}: vocab_size={rows}, but its tokenizer has {n_tokens} tokens")
    if rows > n_tokens:
        notes.append(rows_left_out(name, rows, n_tokens))
    config = replace(config, vocab_size=n_tokens)
    read_parameters = partial(parameters_of, architecture, config, rows, folder, name)
    return Origin(architecture.name, config, tokenizer, tuple(notes), read_parameters)


def parameters_of(
    architecture: Architecture, config: GPTConfig, rows: int, folder: Path, source: str
) -> dict[str, Tensor]:
    """Our parameters out of the folder's weights; ``rows``: of its vocabulary, those without a token too."""
    files = weight_files(folder, source)

    def get(name: str) -> Tensor:
        with safe_open(files[name], framework="pt") as file:
            return file.get_tensor(name)

    try:
        return architecture.from_tensors(config, rows, files, get, source)
    except SafetensorError as error:
        raise InputError(f"{source}: its weights cannot be read ({error})") from None


def weight_files(folder: Path, source: str) -> dict[str, Path]:
    """Every tensor's name and the file that holds it."""
    if not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():  # in the order of transformers
        index = tokenizer_json.require_json(folder / INDEX).get("weight_map")
        if not isinstance(index, dict) or not all(isinstance(name, str) for name in index.values()):
            raise InputError(f"{folder / INDEX} is damaged: its weight_map names no files")
        paths = sorted({folder / name for name in index.values()})
    else:
        paths = [folder / WEIGHTS]
    files = {}
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise InputError(f"{source}: safetensors opens only paths that are UTF-8; rename the folder") from None
    for path in paths:
        if not path.is_file():
            raise InputError(f"{source}: {path.name} is missing; only safetensors files are read")
        try:
            with safe_open(path, framework="pt") as file:
                files |= dict.fromkeys(file.keys(), path)
        except SafetensorError as error:
            raise InputError(f"{path} is damaged ({error})") from None
    return files
