"""What a machine can do: device, precision, and how much of a step fits at once."""

from contextlib import AbstractContextManager, nullcontext

import torch

from data import InputError
from training.config import TrainConfig

MICRO_BATCH_TOKENS = {"cpu": 16_384, "cuda": 65_536, "mps": 16_384}
MICRO_BATCH_LOGITS = 1 << 26  # float32 numbers: 256 MiB a copy, of which a step makes a few


def pick_device(name: str) -> torch.device:
    """``auto`` is the first CUDA device, else Apple's GPU, else the CPU."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device={name}: {str(error).splitlines()[0]}") from None
    return device


def autocast(config: TrainConfig, device: torch.device) -> AbstractContextManager:
    """bfloat16 where asked for, or by itself on CUDA devices that have it; float32 elsewhere."""
    has_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if config.precision == "bf16" or (config.precision == "auto" and has_it):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def sequences_at_once(block_size: int, vocab_size: int, device: torch.device) -> int:
    """How many whole blocks go through the model at once: as many as leave memory for their logits."""
    tokens = min(MICRO_BATCH_TOKENS.get(device.type, 16_384), MICRO_BATCH_LOGITS // vocab_size)
    return max(1, tokens // block_size)


def micro_batch(sequences: int, block_size: int, vocab_size: int, device: torch.device) -> int:
    """How many of a batch of ``sequences`` go through the model at once; the last part may be smaller."""
    return min(sequences, sequences_at_once(block_size, vocab_size, device))
