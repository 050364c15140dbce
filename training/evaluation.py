"""How good a model is: loss over all validation text, and on annotated cases the loss that only reference can lower."""

import math
from collections.abc import Mapping, Sequence

import torch

from data import EncodedCase
from data.cases import answer_columns, by_family
from data.shards import Tokens
from model import GPT
from model.score import in_batches, score_answers
from training.device import readable_out_of_memory, sequences_at_once
from training.world import ALONE, World

# What is told of stories at the end of a run: heading -> key of the metrics row, for a family.
STORY_COLUMNS = {
    "right": "report/{}/accuracy",
    "loss": "report/{}/loss",
    "worth": "report/{}/worth",
    "new frames": "frames/{}/accuracy",
    "longer gaps": "gaps/{}/accuracy",
    "new words": "names/{}/accuracy",
    "over the foil": "names/{}/preference",
}


def families_of(row: Mapping[str, float], prefix: str) -> list[str]:
    """The families that a metrics row has numbers of under PREFIX/FAMILY/..."""
    keys = [key.split("/") for key in row]
    return [key[1] for key in keys if key[0] == prefix and key[-1] == "accuracy"]


def validation_windows(tokens: Tokens, block_size: int) -> list[tuple[int, int]]:
    """(start, length) of consecutive windows in which every token but the very first is a target exactly once."""
    last = len(tokens) - 1
    return [(start, min(block_size, last - start)) for start in range(0, last, block_size)]


@torch.inference_mode()
def validation_loss(model: GPT, tokens: Tokens, tokens_at_once: int | None = None, world: World = ALONE) -> float:
    """Mean cross-entropy, in nats per token, of the whole validation set in order; deterministic.

    Several processes share the windows and all return the same number.
    """
    model.eval()
    device, block_size = model.embed.weight.device, model.config.block_size
    windows = validation_windows(tokens, block_size)
    full = [window for window in windows if window[1] == block_size]
    at_once = sequences_at_once(block_size, tokens_at_once, device)
    batches = [full[part] for part in in_batches(len(full), at_once)]
    batches += [[window] for window in windows if window[1] != block_size]
    total = torch.zeros((), dtype=torch.float64)
    with readable_out_of_memory(at_once, block_size):
        for batch in batches[world.rank :: world.size]:
            ids = torch.stack([torch.from_numpy(tokens.read(start, length + 1)) for start, length in batch]).to(device)
            total += model.loss(ids[:, :-1], ids[:, 1:]).item() * ids[:, 1:].numel()
    world.sum_([total])
    return total.item() / (len(tokens) - 1)


def bits_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    """A loss in nats per token over ``n_tokens`` tokens as bits for each of the text's ``n_bytes`` bytes."""
    return loss * n_tokens / (math.log(2) * n_bytes)


def referential_metrics(model: GPT, cases: Sequence[EncodedCase], prefix: str = "referential") -> dict[str, float]:
    """What resolving references brought, per family, as PREFIX/FAMILY/NAME.

    ``loss``: mean loss on the answer in nats, which stays at ``worth`` or above where references are not resolved;
    ``accuracy``: the share of answers that were the likeliest of all tokens; ``preference``: likelier than the foil.
    """
    metrics = {}
    for family, members in by_family(cases).items():
        scores = score_answers(model.eval(), *answer_columns(members))
        metrics[f"{prefix}/{family}/loss"] = -float(scores.answer.mean())
        metrics[f"{prefix}/{family}/accuracy"] = float(scores.right.float().mean())
        metrics[f"{prefix}/{family}/preference"] = float((scores.log_odds > 0).float().mean())
        known = [case.case.worth for case in members if case.case.worth is not None]
        if known:
            metrics[f"{prefix}/{family}/worth"] = sum(known) / len(known)
    return metrics
