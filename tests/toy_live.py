"""The page in which a model runs, of a tiny model with random weights that reads whole words."""

from pathlib import Path

import numpy as np
import torch
from toys import TOKENIZER, toy_cases

from data import Tokenizer
from data.text.tokenizers import WORD_PATTERN, BpeTokenizer
from model import GPT, GPTConfig
from probing import Findings, write_files
from probing.in_text import cut_windows
from report.live_page import live_parts, live_parts_of, write_live_page
from report.pages import pack
from report.probe_page import write_probe_page

WORDS = "the cat left mat dog was tired wide because it and saw a bird sat on old red . ,".split()
TEXT, OTHER = "the cat left the mat because it was tired", "the cat left the mat because it was wide"
STARTS = [
    {"group": "Sentences", "name": "tired", "text": TEXT, "other": OTHER, "head": "1.1", "words": ["cat", "mat"]},
    {"group": "Sentences", "name": "wide", "text": OTHER, "other": TEXT, "head": None, "words": ["mat", "cat"]},
    {"group": "Sentences", "name": "bird", "text": "a bird sat", "other": None, "head": None, "words": ["red", "old"]},
    {"group": "Held-out text", "name": "dog", "text": "a dog sat", "other": None, "head": None, "words": None},
]
TOUR = [
    {"title": "Where it looks", "says": "Head 0.1 looks back.", "state": "text=the+dog+saw+the+cat&head=0.1"},
    {"title": "Switch it off", "says": "<b>Without</b> it.", "state": "text=the+dog+saw+the+cat&head=0.1&off=0.1"},
]
ROLES = {"0.1": {"text": "agreement, sense", "short": "agreement", "colour": "#2f7ed8"}}


def word_tokenizer() -> BpeTokenizer:
    """Bytes, and each word after a space, ids from 256 on in the order of WORDS; documents begin with a space."""
    pieces = [bytes([byte]) for byte in range(256)] + [f" {word}".encode() for word in WORDS]
    return BpeTokenizer("bpe", {piece: i for i, piece in enumerate(pieces)}, WORD_PATTERN, " ")


def noisy_model(tokenizer: Tokenizer, **changes: object) -> GPT:
    """Random weights, all so large that every head matters; words are likelier than bytes and than the end."""
    shape = {"block_size": 48, "n_layer": 2, "n_head": 3, "n_embd": 24} | changes
    model = GPT(GPTConfig(tokenizer.vocab_size, tie_embeddings=False, softcap=0.0, **shape)).eval()
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draws) * 0.5)
        model.head.weight[:256] *= 0.05
        model.head.weight[-1] *= 0.05
    return model


def live_page_parts(means: bool = False, **changes: object) -> dict[str, bytes]:
    """``means``: whether heads' mean outputs over some text are there."""
    tokenizer = word_tokenizer()
    text = np.concatenate([tokenizer.encode_document(TEXT)] * 20)
    windows = cut_windows(text, tokenizer, 48) if means else None
    return live_parts(noisy_model(tokenizer, **changes), tokenizer, STARTS, windows, TOUR, ROLES)


def write_toy_live(folder: Path, means: bool = False, **changes: object) -> Path:
    write_live_page(folder, "a toy", live_page_parts(means, **changes))
    return folder / "live.html"


def write_damaged(folder: Path, name: str, damage: str) -> Path:
    """The page with one of its parts cut in half, with other bytes in it, or gone."""
    parts = {part: pack(content) for part, content in live_page_parts().items()}
    whole = parts[name]
    parts[name] = {"half": whole[: len(whole) // 8 * 4], "other bytes": "AAAA" + whole[4:], "empty": ""}[damage]
    write_live_page(folder, "a toy", parts)
    return folder / "live.html"


def write_probe_that_runs(findings: Findings, folder: Path) -> Path:
    """The page of a probe of the hand-set model, with the model in it."""
    write_files(findings, folder)
    write_probe_page(findings, TOKENIZER, folder, live=live_parts_of(findings, TOKENIZER, toy_cases("report", 4)))
    return folder / "report.html"
