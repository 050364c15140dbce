"""What the model writes while it is trained: text at every evaluation, in the record and as files."""

from itertools import pairwise
from pathlib import Path

import torch

from common.atomic import replace_durably
from data import Tokenizer
from model import GPT, Sampling, generate
from storage.metrics import Row

SAMPLE_TOKENS = 100


def write_sample(tokenizer: Tokenizer, seed: int, model: GPT, one_document: bool = False) -> Row:
    """An ``Evaluation``: the beginning of a new document, and of those after it, a line each, under "sample". Without
    an end token, what follows the first token of the vocabulary. ``one_document``: nothing after its end token, where
    the model has never seen one document after another.

    Where the logits are not finite it says so instead: training goes on, to recover or to stop for a reason of its own.
    """
    prompt = torch.tensor(tokenizer.beginning or [0], device=model.embed.weight.device)
    end = tokenizer.end if one_document else None
    written = generate(model.eval(), prompt, 1, SAMPLE_TOKENS, Sampling(temperature=0.8), seed, end=end)
    try:
        tokens = [int(token) for token in written]
    except FloatingPointError as error:
        return {"sample": f"(no text: {error})"}
    cuts = [-1, *(i for i, token in enumerate(tokens) if token == tokenizer.end), len(tokens)]
    texts = [tokenizer.decode(tokens[before + 1 : after]) for before, after in pairwise(cuts)]
    return {"sample": "\n".join(text.removeprefix(tokenizer.start) for text in texts[: 1 if one_document else None])}


def save_sample(run: Path, row: Row) -> None:
    """For one ``run`` a sink of ``storage.metrics``: RUN/samples/step_000500.txt."""
    if "sample" in row:
        folder = run / "samples"
        folder.mkdir(exist_ok=True)
        replace_durably(folder / f"step_{row['step']:06d}.txt", (row["sample"] + "\n").encode())
