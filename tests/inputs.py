"""Inputs like the real ones, made here, so that a clone without those tests the same code.

GPT-2's two files as tiktoken keeps them, with as many tokens but other merges; a play; templates like Winogender's.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import pytest

from data.stories import write
from data.text.download import WebFile
from data.text.tokenizers import END, GPT2_URL, GPT2_VOCABULARY, N_BYTES, byte_of_symbol, train_bpe

REAL = Path(os.environ.get("LOOKBACK_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
KINDS = ("made", "real") if REAL.is_dir() else ("made",)
MERGES = 50_000
PLAY, TEMPLATES_FILE = "tinyshakespeare.txt", "winogender_templates.tsv"
# What is told apart at the pronoun, as data.cases.winogender calls it, and two sentences of it.
TEMPLATES = {
    "same": (
        "The $OCCUPATION thanked the $PARTICIPANT because $NOM_PRONOUN was kind.",
        "The $OCCUPATION thanked the $PARTICIPANT because $NOM_PRONOUN was grateful.",
    ),
    "form": (
        "The $OCCUPATION met the $PARTICIPANT before $NOM_PRONOUN was ready.",
        "The $OCCUPATION met the $PARTICIPANT before $POSS_PRONOUN lunch was ready.",
    ),
    "order": (
        "The $OCCUPATION handed a plate to the $PARTICIPANT and $NOM_PRONOUN was glad.",
        "The $PARTICIPANT handed a plate to the $OCCUPATION and $NOM_PRONOUN was glad.",
    ),
    "words": (
        "The $OCCUPATION asked the $PARTICIPANT a question and $NOM_PRONOUN waited.",
        "The $OCCUPATION asked the $PARTICIPANT a question but $NOM_PRONOUN was silent.",
    ),
}
PAIRS = dict.fromkeys(TEMPLATES, 2)  # of sentences; each half of the cases has one of each kind
OCCUPATIONS = ("pilot", "cook", "nurse", "clerk"), ("driver", "doctor", "singer", "painter")


def gpt2_files(folder: Path) -> tuple[Path, Path]:
    """Where tiktoken keeps GPT-2's vocab.bpe and encoder.json below ``folder``."""
    urls = GPT2_URL.replace("encoder.json", "vocab.bpe"), GPT2_URL
    merges, vocabulary = (folder / "tiktoken" / hashlib.sha1(url.encode()).hexdigest() for url in urls)
    return merges, vocabulary


def make(folder: Path) -> Path:
    """Fills ``folder`` with files of the names that the folder of real inputs has."""
    (folder / "tiktoken").mkdir()
    text = "\n\n".join(write("train", 2_000, seed=0)) + "\nGrüße, 日本語 😀\r\n\n  O don't!\n"
    (folder / PLAY).write_text(text, encoding="utf-8")
    write_gpt2(folder, text)
    rows = [
        "\t".join((name, "guest", str(answer), sentence))
        for first, names in enumerate(OCCUPATIONS)  # the second time with the answers exchanged
        for name, sentences in zip(names, TEMPLATES.values(), strict=True)
        for answer, sentence in zip((first, 1 - first), sentences, strict=True)
    ]
    (folder / TEMPLATES_FILE).write_text("\n".join(("occupation(0)\tother\tanswer\tsentence", *rows)))
    return folder


def write_gpt2(folder: Path, text: str) -> None:
    """Merges learned from ``text``, and pairs of bytes up to GPT-2's number; ids are ranks, single bytes first."""
    symbols = {byte: symbol for symbol, byte in byte_of_symbol().items()}
    learned = train_bpe([text], 1_000)
    ranks = {piece: rank for rank, piece in enumerate(learned.pieces[:-1])}
    merges = {piece: halves(piece, ranks) for piece in learned.pieces[N_BYTES:-1]}
    for pair in product((bytes([byte]) for byte in range(N_BYTES)), repeat=2):
        if len(merges) < MERGES:
            merges.setdefault(b"".join(pair), pair)

    def visible(piece: bytes) -> str:
        return "".join(symbols[byte] for byte in piece)

    names = [*symbols.values(), *map(visible, merges), END]
    lines = (f"{visible(first)} {visible(second)}" for first, second in merges.values())
    merges_file, vocabulary_file = gpt2_files(folder)
    merges_file.write_text("\n".join(("#version: 0.2", *lines, "")), encoding="utf-8")
    vocabulary_file.write_text(json.dumps({name: rank for rank, name in enumerate(names)}))


def halves(piece: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens that byte pair encoding joins to ``piece`` last, lowest rank first."""
    parts = [bytes([byte]) for byte in piece]
    while len(parts) > 2:
        ranked = [ranks.get(first + second, len(ranks)) for first, second in pairwise(parts)]
        i = ranked.index(min(ranked))
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts[0], parts[1]


def expect(file: WebFile, made: Path) -> WebFile:
    """``file``, as if what was ``made`` were its content."""
    content = made.read_bytes()
    return replace(file, size=len(content), sha256=hashlib.sha256(content).hexdigest())


@contextmanager
def gpt2_from(folder: Path) -> Iterator[None]:
    """GPT-2's tokenizer is what lies in ``folder``, made or real; nothing is downloaded."""
    _, vocabulary = gpt2_files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(folder / "tiktoken"))
        if folder != REAL:
            patch.setattr("data.text.tokenizers.GPT2_VOCABULARY", expect(GPT2_VOCABULARY, vocabulary))
        yield
