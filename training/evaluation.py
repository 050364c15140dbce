"""How good a model is: its loss over all validation text; and which of its numbers on stories are shown."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from data import AnsweredPrompts
from data.text.dataset import Part
from data.text.shards import Tokens
from model import GPT, documents_of
from model.loss import count_targets, inputs_and_targets
from training.device import readable_out_of_memory, sequences_per_batch
from training.world import ALONE, World

PART_PREFIX = "val_loss/"  # begins the key of a part's loss in a metrics row


def tasks_of(row: Mapping[str, float], prefix: str) -> list[str]:
    """The tasks that a metrics row has numbers of under PREFIX/TASK/..."""
    keys = [key.split("/") for key in row]
    return [key[1] for key in keys if key[0] == prefix and key[-1] == "accuracy"]


def validation_windows(tokens: Tokens, block_size: int) -> list[tuple[int, int]]:
    """(start, length) of consecutive windows in which every token but the very first is a target exactly once."""
    last = len(tokens) - 1
    return [(start, min(block_size, last - start)) for start in range(0, last, block_size)]


def validation_batches(tokens: Tokens, block_size: int, most: int, world: World) -> Iterator[np.ndarray]:
    """This process's share of the batches of all validation text: ``most`` rows of ``inputs_and_targets`` at most."""
    if isinstance(tokens, AnsweredPrompts):
        by_length = np.argsort(tokens.lengths, kind="stable").tolist()
        for start in range(0, len(by_length), most)[world.rank :: world.size]:
            yield tokens.rows(by_length[start : start + most])
        return
    windows = validation_windows(tokens, block_size)
    full = [window for window in windows if window[1] == block_size]
    batches = [full[start : start + most] for start in range(0, len(full), most)]
    batches += [[window] for window in windows if window[1] != block_size]
    for batch in batches[world.rank :: world.size]:
        yield np.stack([tokens.read(start, length + 1) for start, length in batch])


@torch.inference_mode()
def validation_loss(
    model: GPT, tokens: Tokens, micro_batch: int | None = None, world: World = ALONE, end: int | None = None
) -> float:
    """Mean cross-entropy, in nats per token, of the whole validation set in order; deterministic. Of answers, where
    these alone are learned.

    ``end``: the token that ends documents, where these are not to see each other. Several processes share the windows
    and all return the same number.
    """
    model.eval()
    device, block_size = model.embed.weight.device, model.config.block_size
    at_once = min(sequences_per_batch(block_size, limit, device) for limit in (micro_batch, None))
    total = torch.zeros((), dtype=torch.float64)
    with readable_out_of_memory(at_once, block_size):
        for rows in validation_batches(tokens, block_size, at_once, world):
            inputs, targets = inputs_and_targets(torch.from_numpy(rows).to(device))
            loss = model(inputs, targets, documents=documents_of(inputs, end))
            total += loss.item() * count_targets(targets).item()
    world.sum_(total)
    return total.item() / tokens.n_targets


def bits_per_byte(loss: float, n_tokens: int, n_bytes: float) -> float:
    """A loss in nats per token over ``n_tokens`` tokens as bits for each of the text's ``n_bytes`` bytes."""
    return loss * n_tokens / (math.log(2) * n_bytes)


def validation_row(parts: Sequence[Part], losses: Sequence[float]) -> dict[str, float]:
    """The losses of all parts of a dataset as ``val_loss`` and ``val_bpb``, and of a mixture for each part, too.

    A mixture's loss is the mean by the parts' shares, as in training: nats per token of the mixture. Its bits per byte
    are those nats by the bytes that a token of the mixture stands for.
    """
    row = {"val_loss": sum(part.share * loss for part, loss in zip(parts, losses, strict=True))}
    n_targets = [own.val.n_targets for _, _, own in parts]
    n_bytes = [own.val_bytes or 0 for _, _, own in parts]  # ids stand for none
    if any(n_bytes):
        ratios = zip(parts, n_bytes, n_targets, strict=True)
        of_mixture = sum(part.share * bytes_ * n_targets[0] / n for part, bytes_, n in ratios)
        row["val_bpb"] = bits_per_byte(row["val_loss"], n_targets[0], of_mixture)
    for (name, _, _), n, size, loss in zip(parts, n_targets, n_bytes, losses, strict=True):
        if name:
            row |= {f"{PART_PREFIX}{name}": loss, f"val_bpb/{name}": bits_per_byte(loss, n, size)}
    return row


def part_losses(row: Mapping[str, float]) -> dict[str, float]:
    """The validation loss of each part of a mixture that a metrics row has, by name."""
    return {key.removeprefix(PART_PREFIX): loss for key, loss in row.items() if key.startswith(PART_PREFIX)}
