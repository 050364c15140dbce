"""How good a model is: its loss over all validation text; and which of its numbers on stories are shown."""

import math
from collections.abc import Mapping

import torch

from data.text.shards import Tokens
from model import GPT, documents_of
from training.device import readable_out_of_memory, sequences_per_batch
from training.world import ALONE, World


def tasks_of(row: Mapping[str, float], prefix: str) -> list[str]:
    """The tasks that a metrics row has numbers of under PREFIX/TASK/..."""
    keys = [key.split("/") for key in row]
    return [key[1] for key in keys if key[0] == prefix and key[-1] == "accuracy"]


def validation_windows(tokens: Tokens, block_size: int) -> list[tuple[int, int]]:
    """(start, length) of consecutive windows in which every token but the very first is a target exactly once."""
    last = len(tokens) - 1
    return [(start, min(block_size, last - start)) for start in range(0, last, block_size)]


@torch.inference_mode()
def validation_loss(
    model: GPT, tokens: Tokens, micro_batch: int | None = None, world: World = ALONE, end: int | None = None
) -> float:
    """Mean cross-entropy, in nats per token, of the whole validation set in order; deterministic.

    ``end``: the token that ends documents, where these are not to see each other. Several processes share the windows
    and all return the same number.
    """
    model.eval()
    device, block_size = model.embed.weight.device, model.config.block_size
    windows = validation_windows(tokens, block_size)
    full = [window for window in windows if window[1] == block_size]
    at_once = min(sequences_per_batch(block_size, limit, device) for limit in (micro_batch, None))
    batches = [full[start : start + at_once] for start in range(0, len(full), at_once)]
    batches += [[window] for window in windows if window[1] != block_size]
    total = torch.zeros((), dtype=torch.float64)
    with readable_out_of_memory(at_once, block_size):
        for batch in batches[world.rank :: world.size]:
            ids = torch.stack([torch.from_numpy(tokens.read(start, length + 1)) for start, length in batch]).to(device)
            read, targets = ids[:, :-1], ids[:, 1:]
            total += model(read, targets, documents=documents_of(read, end)).item() * targets.numel()
    world.sum_([total])
    return total.item() / (len(tokens) - 1)


def bits_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    """A loss in nats per token over ``n_tokens`` tokens as bits for each of the text's ``n_bytes`` bytes."""
    return loss * n_tokens / (math.log(2) * n_bytes)
