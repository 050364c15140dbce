"""What a machine can do: device, precision, and how much of a step fits into memory."""

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from common.errors import InputError, first_line
from common.one_line import OUT_OF_MEMORY
from training.config import TrainConfig
from training.world import processes

MICRO_BATCH_TOKENS = {"cpu": 16_384, "cuda": 32_768, "mps": 16_384}
# By the name that CUDA gives the device, whole: a card that is nearly called the same is not nearly as fast.
PEAK_FLOPS = {
    "NVIDIA B200": 2_250e12,
    "NVIDIA H200": 989e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H100 NVL": 835e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA L4": 121e12,
    "NVIDIA A10G": 70e12,
    "NVIDIA GeForce RTX 4090": 165e12,
    "NVIDIA GeForce RTX 3090": 71e12,
}


def pick_device(name: str) -> torch.device:
    """``auto`` is this process's CUDA device (the first, without torchrun), else Apple's GPU, else the CPU."""
    if torch.cuda.is_available() and name in ("auto", "cuda"):
        name = f"cuda:{processes()[2]}"
    if name == "auto":
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name.partition(":")[0] not in MICRO_BATCH_TOKENS:
        raise InputError(f"device={name}: must be auto, {', '.join(MICRO_BATCH_TOKENS)}, or one of several, as cuda:1")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device={name}: {first_line(error)}") from None
    return device


def why_not_compiled(device: torch.device) -> str | None:
    """The reason, in a line, for which torch.compile fails on this machine; None where it works.

    Compiles a small function, since much can be missing: a C++ compiler, Python's headers, Triton, a cache to write to.
    """
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(2, device=device))
    except Exception as error:  # a trial: whatever a compiler, a linker or a cache raises, the run goes on without
        return first_line(error)
    return None


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """bfloat16 where asked for, or by itself on CUDA devices that have it; float32 elsewhere."""
    has_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return config.precision == "bf16" or (config.precision == "auto" and has_it)


def autocast(config: TrainConfig, device: torch.device) -> AbstractContextManager:
    return torch.autocast(device.type, dtype=torch.bfloat16) if uses_bf16(config, device) else nullcontext()


def peak_flops(config: TrainConfig, device: torch.device) -> float | None:
    """Dense bfloat16 operations a second by the maker's data sheet; None for other devices and precisions."""
    if device.type != "cuda" or not uses_bf16(config, device):
        return None
    return PEAK_FLOPS.get(torch.cuda.get_device_name(device))


def sequences_per_batch(block_size: int, micro_batch: int | None, device: torch.device) -> int:
    """How many whole blocks go through the model together: ``micro_batch``, or what usually fits; one at least."""
    return max(1, (micro_batch or MICRO_BATCH_TOKENS[device.type]) // block_size)


def require_memory(needed: int, device: torch.device, what: str) -> None:
    """Raises InputError where the device has less memory than the ``needed`` bytes; ``what`` names their use."""
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
    else:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
    if needed > there:
        raise InputError(
            f"{what} needs at least {needed / 1e9:,.0f} GB of memory; this device has {there / 1e9:,.0f} GB"
        )


@contextmanager
def readable_out_of_memory(sequences: int, block_size: int) -> Iterator[None]:
    """Says which knob to turn when so many sequences together were too many."""
    try:
        yield
    except RuntimeError as error:
        if not OUT_OF_MEMORY.search(str(error)):
            raise
        fewer = f"micro_batch={sequences // 2 * block_size} (the steps stay what they are), "
        raise InputError(
            f"out of memory with {sequences} x {block_size} tokens going through the model together; give "
            f"{fewer if sequences > 1 else ''}a shorter model.block_size or a smaller model"
        ) from None
