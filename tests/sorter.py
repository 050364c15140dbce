"""A public trained network, minGPT's demonstration: it reads six letters out of three, and writes them in order.

Its weights, and what another implementation computed with them, are not part of the project: they are those of
github.com/bbycroft/llm-viz.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import inputs
import torch
from conftest import GPT2_SHAPE
from torch import Tensor

from data import Case
from data.cases.case import Span, Spans
from huggingface import gpt2
from model import GPT, GPTConfig
from storage.weights import set_parameters

FOLDER = inputs.REAL / "llm-viz"
N_LETTERS, LENGTH = 3, 6


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The float32 tensors that a file of llm-viz holds in base64."""
    stored = json.loads(path.read_text())
    return {
        name: torch.frombuffer(bytearray(base64.b64decode(part["data"])), dtype=torch.float32).view(part["shape"])
        for name, part in stored.items()
        if name != "config"
    }


def load_sorter() -> GPT:
    """The sorter; its tensors have GPT-2's names, with weights as ``torch.nn.Linear`` has them."""
    tensors = tensors_of(FOLDER / "gpt-nano-sort-model.json")
    shape = GPT2_SHAPE | {"tie_embeddings": False}
    model = GPT(GPTConfig(N_LETTERS, 2 * LENGTH - 1, n_layer=3, n_head=3, n_embd=48, **shape)).eval()
    parts = (row.part(tensors[row.theirs]) for row in gpt2.rows(model.config, turned=False))
    set_parameters(model, dict(pair for part in parts for pair in part))
    return model


def cases_of_sorting() -> list[Case]:
    """Which letter comes next in what it has written? Pairs in which one letter to sort differs, and with it the next.

    Gold are the letters to sort that are the answer, distractors those that are the foil.
    """
    return [
        case
        for number, letters in enumerate(product(range(N_LETTERS), repeat=LENGTH))
        for case in pairs(number, letters)
    ]


def pairs(number: int, letters: tuple[int, ...]) -> Iterator[Case]:
    """For the letter i of these that is the first of its kind, the pair in which the letter before i in the alphabet is
    one more, and i one less.
    """
    for at, letter in enumerate(letters):
        fewer = (*letters[:at], letter - 1, *letters[at + 1 :])
        if letter == 0 or letter in letters[:at] or Counter(letters)[letter] < 2 or letter - 1 not in letters:
            continue
        written = sorted(letters)[: letters.count(letter - 1) + sum(x < letter - 1 for x in letters)]
        yield sorting_case(f"{number}-{at}a", f"{number}-{at}b", letters, written, letter, letter - 1)
        yield sorting_case(f"{number}-{at}b", f"{number}-{at}a", fewer, written, letter - 1, letter)


def sorting_case(
    id: str, counterfactual: str, letters: tuple[int, ...], written: list[int], answer: int, foil: int
) -> Case:
    def where(letter: int) -> tuple[Span, ...]:
        return tuple((i, i + 1) for i, own in enumerate(letters) if own == letter)

    tokens = (*letters, *written, answer)
    return Case(
        id=id,
        text="",
        tokens=tokens,
        task="sorting",
        template=f"{''.join(map(str, written))}, {min(answer, foil)} or {max(answer, foil)}",
        split="",
        spans=Spans(gold=where(answer), distractors=where(foil), answer=(len(tokens) - 1, len(tokens))),
        foil=(foil,),
        counterfactual=counterfactual,
        counterfactual_kind="cue",
    )
