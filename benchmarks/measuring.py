"""What benchmarks share: several numbers in one cell, tables, memory, a process of their own."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import torch

from common.errors import InputError
from common.markdown import table_row

ROOT = Path(__file__).resolve().parents[1]
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def median_and_range(numbers: Sequence[float], digits: int) -> str:
    return f"{median(numbers):.{digits}f} ({min(numbers):.{digits}f}-{max(numbers):.{digits}f})"


def synchronized(device: torch.device) -> float:
    """The clock, once the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def ratios(numbers: Sequence[float], others: Sequence[float]) -> str:
    """``median_and_range`` of quotients, round by round."""
    quotients = [one / other for one, other in zip(numbers, others, strict=True)]
    return median_and_range(quotients, 2 if max(quotients) < 10 else 1)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """In Markdown; a row appears as soon as it is there."""
    print(f"{table_row(columns)}\n{'|---' * len(columns)}|")
    for row in rows:
        print(table_row(row), flush=True)


def log(**values: object) -> None:
    """One measurement, as a line of JSON."""
    print(json.dumps(values, ensure_ascii=False), flush=True)


def resident_memory(key: str = "VmHWM") -> int:
    """Bytes of this process: VmHWM, the most since its start or since ``forget_peak``, or VmRSS, now. Linux only."""
    return bytes_of(key, STATUS)


def bytes_of(key: str, file: Path) -> int:
    """What a file of /proc says of ``key`` in kB. Raises ValueError where it says nothing."""
    match = re.search(rf"{key}:\s+(\d+) kB", file.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{file} has no {key}")
    return int(match[1]) * 1024


def forget_peak() -> None:
    CLEAR.write_text("5", encoding="utf-8")


def require_peak_memory(instead: str = "") -> None:
    """Raises InputError where the peak of a process cannot be read anew."""
    if not os.access(CLEAR, os.W_OK):
        raise InputError(f"peak memory on a CPU is read from /proc/self, which only Linux has{instead}")


def in_own_process(module: str, request: object, **environment: str) -> subprocess.CompletedProcess:
    """``python -m MODULE --work REQUEST`` (as JSON), what it prints caught."""
    command = [sys.executable, "-m", module, "--work", json.dumps(request)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, encoding="utf-8")


def last_line(done: subprocess.CompletedProcess, what: object) -> str:
    """Of what a process printed; exits with the end of its errors where it failed."""
    if done.returncode:
        sys.exit(f"{what} failed:\n{done.stderr[-2000:]}")
    return (done.stdout.splitlines() or [""])[-1]
