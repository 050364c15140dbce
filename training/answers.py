"""How many answers are right: the likeliest tokens up to the end token, as text the same as the answer."""

import numpy as np
import torch

from data import AnsweredPrompts, Tokenizer
from model import GPT, Sampling, generate
from storage.metrics import Row

ACCURACY = "answers/accuracy"
MEASURED, BATCH, SHOWN = 200, 50, 3  # prompts


def answer_all(model: GPT, prompts: list[torch.Tensor], most: int, end: int | None) -> list[list[int] | None]:
    """The likeliest tokens after each of ``prompts`` [p], up to the token ``end``; None where ``most`` have none."""
    tokens = list(generate(model.eval(), prompts, 1, most, Sampling(temperature=0), seed=0, end=end))
    rows = torch.stack(tokens, dim=1).tolist()
    return [row[: row.index(end)] if end in row else None for row in rows]


def measure_answers(answered: AnsweredPrompts, tokenizer: Tokenizer, seed: int, model: GPT) -> Row:
    """An ``Evaluation``: the share of right answers to MEASURED of the prompts, always the same, and some of them as
    "sample". Where the logits are not finite it says so instead.
    """
    which = np.random.default_rng(seed).permutation(answered.n)[:MEASURED].tolist()
    right, shown = 0, []
    for start in range(0, len(which), BATCH):
        batch = [answered.prompt_and_answer(i) for i in which[start : start + BATCH]]
        prompts = [torch.from_numpy(prompt).to(model.embed.weight.device) for prompt, _ in batch]
        try:
            written = answer_all(model, prompts, max(len(answer) for _, answer in batch), tokenizer.end)
        except FloatingPointError as error:
            return {"sample": f"(no answers: {error})"}
        for (prompt, answer), ids in zip(batch, written, strict=True):
            wanted, got = tokenizer.decode(answer), None if ids is None else tokenizer.decode(ids)
            right += wanted == got
            verdict = "right" if wanted == got else f"wrong, not {wanted.strip()}"
            shown.append(f"{tokenizer.decode(prompt)}{'...' if got is None else got}   ({verdict})")
    return {ACCURACY: right / len(which), "sample": "\n\n".join(shown[:SHOWN])}
