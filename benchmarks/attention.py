"""Time and memory of one attention layer, forward and backward, against the length of the text, for every type.

    python -m benchmarks.attention [--lengths 256 512 ... 16384] [--types FWSLR] [--rounds 5] [--device cuda]

One sequence, two heads of 64, rotary positions. *explicit* is the definition written down, with its T x T matrix of
weights; *F* is the same function by PyTorch's fused kernel. W sees 256 tokens, S every 64th, and once every sqrt(T)-th.
A layer's memory is what it adds at its peak to what is there before it: input, weights and angles.

Seconds: one process, the variants in turns at each length, medians of rounds. Memory: one process for each variant and
length, peak resident set less the one before (Linux), or what PyTorch allocated at its peak on a GPU. Exponents: least
squares on logarithms over the upper half of the lengths, all rounds, with a 95 % interval out of the residuals.
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from scipy.stats import linregress
from scipy.stats import t as student
from torch import Tensor, nn

from benchmarks import measuring
from benchmarks.attention_figure import draw_scaling
from benchmarks.measuring import forget_peak, log, median_and_range, print_table, resident_memory, synchronized
from common.atomic import require_writable
from common.errors import InputError
from common.one_line import OUT_OF_MEMORY, run
from common.options import require_at_least
from model.attention import CausalSelfAttention, attention_weights, rotary_table
from model.gpt import ATTENTION, GPTConfig
from report.figures.canvas import UNDATED
from training import pick_device

LENGTHS = [2**i for i in range(8, 15)]
N_HEAD, HEAD_DIM = 2, 64
WINDOW, STRIDE = 256, 64
COMPARED = 8192  # the length at which W's memory is held against the definition's
BURST, SLOW = 0.05, 1.0  # seconds: what one timing should last at least; a first step that needs no second warm-up
MIB, PAGE = 2**20, 2**12
WORDS = {
    "F": "F, full, fused kernel",
    "W": f"W, window of {WINDOW}",
    "S": f"S, every {STRIDE}th",
    "L": "L, linear",
    "R": "R, recurrent",
}


class ExplicitAttention(CausalSelfAttention):
    """Vaswani et al. 2017, equation 1, as it is written, with all of its weights in memory."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, documents: Tensor | None = None) -> Tensor:
        past = torch.ones(q.size(2), q.size(2), dtype=torch.bool, device=q.device).tril()
        return attention_weights(q, k, past, self.scale) @ v


@dataclass(frozen=True)
class Variant:
    """A layer to be measured. ``stride`` of None is the square root of the length."""

    name: str
    words: str
    attention_type: str
    stride: int | None = STRIDE

    def layer(self, length: int) -> nn.Module:
        stride = self.stride or math.isqrt(length)
        config = GPTConfig(
            1, block_size=length, n_layer=1, n_head=N_HEAD, n_embd=N_HEAD * HEAD_DIM, window=WINDOW, stride=stride
        )
        torch.manual_seed(0)
        return (ExplicitAttention if self.name == "explicit" else ATTENTION[self.attention_type])(config, layer=0)


def variants(types: str) -> list[Variant]:
    """The definition first, then every type; S twice."""
    listed = [Variant("explicit", "explicit T × T matrix", "F")]
    for attention_type in types:
        listed += [Variant(attention_type, WORDS[attention_type], attention_type)]
        if attention_type == "S":
            listed += [Variant("S, √T", "S, every √T-th", "S", stride=None)]
    return listed


def make_step(variant: Variant, length: int, device: torch.device) -> Callable[[], None]:
    """One forward and backward pass on random input, of which nothing stays."""
    layer = variant.layer(length).to(device)
    rotary = rotary_table(length, HEAD_DIM).to(device)
    x = torch.randn(1, length, N_HEAD * HEAD_DIM, device=device, requires_grad=True)
    gradient = torch.randn_like(x)

    def step() -> None:
        layer(x, rotary).backward(gradient)
        x.grad = None
        layer.zero_grad()

    return step


def seconds_of(step: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Of one step."""
    started = synchronized(device)
    for _ in range(repeats):
        step()
    return (synchronized(device) - started) / repeats


def race(chosen: Sequence[Variant], length: int, rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each variant in each round."""
    steps = {variant.name: make_step(variant, length, device) for variant in chosen}
    repeats = {}
    for name, step in steps.items():
        first = seconds_of(step, 1, device)  # longer than those after it
        repeats[name] = 1 if first > SLOW else max(1, math.ceil(BURST / seconds_of(step, 1, device)))
    seconds = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            seconds[name].append(seconds_of(step, repeats[name], device))
    return seconds


def added_memory(variant: Variant, length: int, device: torch.device) -> int:
    """Bytes that a step adds at its peak; a small step before it has loaded what every step needs."""
    make_step(variant, WINDOW // 2, device)()
    step = make_step(variant, length, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    forget_peak()
    before = resident_memory("VmRSS")
    step()
    return max(PAGE, resident_memory() - before)  # what is smaller cannot be seen


def in_own_process(variant: Variant, length: int, device: torch.device) -> int | None:
    """``added_memory`` by a process of its own; None where the system killed it, which it does for want of memory."""
    # Freed tensors go back to the system immediately: else the peak would count what only the allocator holds.
    thresholds = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**16))
    done = measuring.in_own_process("benchmarks.attention", [asdict(variant), length, str(device)], **thresholds)
    if done.returncode == -9 or OUT_OF_MEMORY.search(done.stderr):
        return None
    return int(measuring.last_line(done, f"{variant.name} at {length}"))


def available_memory(device: torch.device) -> int:
    """Bytes that could be had."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return measuring.bytes_of("MemAvailable", Path("/proc/meminfo"))


@dataclass(frozen=True)
class Fit:
    """seconds or bytes ~ T^exponent over ``lengths``; ``margin``: half of the 95 % interval, None for two points."""

    exponent: float
    margin: float | None
    lengths: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.exponent:.2f}" + ("" if self.margin is None else f" ± {self.margin:.2f}")


def fit(values: Mapping[int, Sequence[float]]) -> Fit | None:
    """Over the upper half of the lengths that were measured, each of them once or more; None for a single one."""
    lengths = sorted(values)
    upper = lengths[len(lengths) // 2 :] if len(lengths) > 2 else lengths
    points = [(math.log(length), math.log(value)) for length in upper for value in values[length]]
    if len(upper) < 2:
        return None
    line, freedom = linregress(*zip(*points, strict=True)), len(points) - 2
    return Fit(line.slope, student.ppf(0.975, freedom) * line.stderr if freedom else None, tuple(upper))


def measure_memory(
    chosen: Sequence[Variant], lengths: Sequence[int], device: torch.device
) -> dict[str, dict[int, int]]:
    """Bytes by variant and length. A length is left out, with a note, where it would not fit."""
    sizes = {variant.name: {} for variant in chosen}
    for length in sorted(lengths):
        for variant in chosen:
            name, known = variant.name, sizes[variant.name]
            available = available_memory(device)
            needed = max((size * (length / shorter) ** 2 for shorter, size in known.items()), default=0)
            if known and max(known) < length and needed > available:
                print(f"{name} at {length:,}: left out; it may need {needed / MIB:,.0f} MiB of {available / MIB:,.0f}")
            elif (added := in_own_process(variant, length, device)) is None:
                print(f"{name} at {length:,}: left out; {available / MIB:,.0f} MiB of memory were not enough")
            else:
                known[length] = added
                log(variant=name, length=length, bytes=added)
    return sizes


def measure_time(
    chosen: Sequence[Variant], fitting: dict[str, dict[int, int]], rounds: int, device: torch.device
) -> dict[str, dict[int, list[float]]]:
    """Seconds by variant and length, one number a round, for what fits into memory."""
    times = {variant.name: {} for variant in chosen}
    for length in sorted(set().union(*fitting.values())):
        taking_turns = [variant for variant in chosen if length in fitting[variant.name]]
        for name, seconds in race(taking_turns, length, rounds, device).items():
            times[name][length] = seconds
            log(variant=name, length=length, seconds=seconds)
    return times


def table(title: str, cells: dict[str, dict[int, str]], fits: dict[str, Fit | None]) -> None:
    """A row a length, a column a variant, and the exponents at the bottom."""
    lengths = sorted(set().union(*cells.values()))
    rows = [[f"{length:,}", *(column.get(length, "-") for column in cells.values())] for length in lengths]
    print()
    print_table((title, *cells), [*rows, ["exponent", *(fits[name] or "-" for name in cells)]])


def report(
    chosen: Sequence[Variant],
    seconds: dict[str, dict[int, list[float]]],
    memory: dict[str, dict[int, int]],
    path: Path | None,
) -> None:
    times = {name: fit(column) for name, column in seconds.items()}
    sizes = {name: fit({n: [size] for n, size in column.items()}) for name, column in memory.items()}
    shown = {
        name: {
            n: median_and_range([1e3 * s for s in runs], 1 if median(runs) < 0.1 else 0) for n, runs in column.items()
        }
        for name, column in seconds.items()
    }
    table("ms, forward and backward", shown, times)
    mib = {name: {n: size / MIB for n, size in column.items()} for name, column in memory.items()}
    shown = {name: {n: f"{size:,.1f}" for n, size in column.items()} for name, column in mib.items()}
    table("MiB added at the peak", shown, sizes)
    for lengths in dict.fromkeys(line.lengths for line in times.values() if line):
        names = [name for name, line in times.items() if line and line.lengths == lengths]
        print(f"exponents of {'; '.join(names)}: over lengths {', '.join(f'{n:,}' for n in lengths)}")
    small, large = (memory.get(name, {}).get(COMPARED) for name in ("W", "explicit"))
    if small and large:
        print(f"\nmemory of W, window {WINDOW}, at {COMPARED:,}: {small / large:.1%} of the definition's")
    if path:
        ms = {name: {n: 1e3 * median(runs) for n, runs in column.items()} for name, column in seconds.items()}
        legends = [{each.name: f"{each.words}: {fits[each.name] or '-'}" for each in chosen} for fits in (times, sizes)]
        draw_scaling([ms, mib], legends, path)
        print(f"wrote {path}")


def require_picture(path: Path) -> None:
    """Raises InputError for a figure that could not be drawn in the end."""
    if path.suffix not in UNDATED:
        raise InputError(f"--figure {path}: must end in {', '.join(UNDATED)}")
    if not path.parent.is_dir():
        raise InputError(f"--figure {path}: there is no folder {path.parent}; make it first")
    require_writable(path.parent)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attention", description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--types", default="".join(ATTENTION))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--figure", type=Path, help="where to draw, such as docs/attention_scaling.png")
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        variant, length, device = options.work
        print(added_memory(Variant(**variant), length, torch.device(device)))
        return
    require_at_least(options, {"rounds": 1, "lengths": 1})
    if unknown := set(options.types) - ATTENTION.keys():
        raise InputError(f"--types {options.types}: {', '.join(sorted(unknown))} is none of {''.join(ATTENTION)}")
    if options.figure:
        require_picture(options.figure)
    device = pick_device(options.device)
    if device.type == "cpu":
        measuring.require_peak_memory("; or give --device cuda")
    chosen = variants(options.types)
    memory = measure_memory(chosen, options.lengths, device)
    seconds = measure_time(chosen, memory, options.rounds, device)
    threads = f"{torch.get_num_threads()} threads" if device.type == "cpu" else torch.cuda.get_device_name(device)
    print(f"\none sequence, {N_HEAD} heads of {HEAD_DIM}, float32, {threads}", end="; ")
    print(f"{options.rounds} rounds: median (lowest-highest)")
    report(chosen, seconds, memory, options.figure)


if __name__ == "__main__":
    run(main)
