"""Probing side by side with TransformerLens: patterns of chosen rows, ablation of every head, memory for long texts.

    python -m benchmarks.probing [--tasks capture ablation rows all] [--vocab 1177] [--repeats 3]

Both have the same random weights in the shape of GPT-2 and do the same jobs in turn, each time in a process of its own,
after a warm-up on two short texts: seconds leave out imports and loading, and the memory added is the job's own peak
less what the process held before it. Every run is checked against the first one's numbers. Linux only.

The jobs: *capture*, the patterns of five rows of each of 1,000 short texts; *ablation*, for every head in turn, its
output replaced by its mean at all positions: the change of log P(answer) - log P(foil); *rows* and *all*, the patterns
of five rows and of every row of four texts of 1,024 tokens.

TransformerLens runs twice: by its manual (``run_with_cache`` with a ``names_filter``, whole logits), and tuned by what
its sources allow (a hook that keeps only the rows, logits only where they are read, no cache of keys). Where batches
matter it gets its fastest of several, chosen before the race.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks import measuring
from benchmarks.measuring import median_and_range
from benchmarks.peers import BLOCK, Lens, Lookback, Shape, TunedLens, random_gpt2, save_for_transformers
from common import one_line
from common.errors import InputError
from common.options import require_at_least
from data.cases.case import SITES, Case, EncodedCase, Spans
from model import Hooks
from probing.heads import BATCH
from probing.scoring import in_batches, pad

THREADS = 2
LONG_TEXTS = 4
LENGTHS = 24, 40
BATCHES = 16, 64, 128, 256
PILOT_HEADS = 2  # enough to choose a batch size by
TOLERANCE = {"patterns": 1e-4, "changes": 1e-3}  # float32 in four layers, on any processor; a mistake is far above
SIDES = {"lens": "TransformerLens", "tuned": "TransformerLens, tuned", "lookback": "Lookback"}
DEFAULTS = {"layers": 4, "heads": 4, "width": 128, "vocab": 1177, "cases": 1000, "repeats": 3}
SHORT, LONG = ("capture", "ablation"), ("rows", "all")


@dataclass(frozen=True)
class Job:
    """What one process does. ``heads``: how many of them are ablated."""

    task: str
    side: str
    batch: int
    cases: int
    heads: int


@dataclass(frozen=True)
class Result:
    """Seconds, and MiB: the peak of the whole process, and what the job added to what was there before."""

    seconds: float
    added: float
    peak: float


def random_cases(n: int, lengths: tuple[int, int], vocab_size: int) -> list[EncodedCase]:
    """Random tokens with all five sites, the short texts first; the same ones in every process."""
    draw = random.Random(0)
    cases = []
    for i, length in enumerate(sorted(draw.randint(*lengths) for _ in range(n))):
        tokens = tuple(draw.randrange(vocab_size) for _ in range(length))
        positions = [*sorted(draw.sample(range(2, length - 2), 3)), length - 2, length - 1]
        nothing = Case(str(i), "", "random", "random", "test", Spans((), (), (0, 0)), "")
        sites = dict(zip(SITES, positions, strict=True))
        cases.append(EncodedCase(nothing, tokens, ((0, 1),), ((1, 2),), sites, tokens[-1], draw.randrange(vocab_size)))
    return cases


def site_rows(cases: Sequence[EncodedCase]) -> Tensor:
    return torch.tensor([list(case.sites.values()) for case in cases])


def make(folder: Path, shape: Shape, n_cases: int) -> None:
    """Saves weights for TransformerLens, and each head's mean output over all tokens of the short texts, [L, H, d]."""
    model = random_gpt2(shape)
    save_for_transformers(model, folder)
    cases = random_cases(n_cases, LENGTHS, shape.vocab_size)
    total = torch.zeros(shape.n_layer, shape.n_head, shape.n_embd // shape.n_head)

    class Sum(Hooks):
        def z(self, layer: int, z: Tensor) -> Tensor:
            total[layer] += z.sum(dim=(0, 2))
            return z

    nothing = torch.zeros(1, 1, dtype=torch.long)
    for case in cases:
        model(torch.tensor([case.tokens]), rows=nothing, hooks=Sum(nothing))
    means = total / sum(len(case.tokens) for case in cases)
    save_file({"means": means}, folder / "means.safetensors")


def work(folder: Path, shape: Shape, job: Job) -> Result:
    """Loads, warms up, does the job once and checks its numbers; exits where they are not the first run's."""
    side = {"lookback": Lookback, "lens": Lens, "tuned": TunedLens}[job.side](folder, shape)
    cases = random_cases(job.cases, LENGTHS if job.task in SHORT else (BLOCK, BLOCK), shape.vocab_size)
    means = load_file(folder / "means.safetensors")["means"]

    def run(cases: Sequence[EncodedCase], heads: int) -> dict[str, Tensor]:
        if job.task == "ablation":
            return {"changes": side.ablation(cases, means, heads, job.batch)}
        parts = {}
        for part in in_batches(len(cases), job.batch):
            tokens = pad([case.tokens for case in cases[part]], torch.device("cpu"))
            rows = None if job.task == "all" else site_rows(cases[part])
            for layer, pattern in enumerate(side.patterns(tokens, rows)):
                for i, one in enumerate(pattern, start=part.start):
                    parts[f"patterns/{layer}/{i}"] = one[..., : len(cases[i].tokens)]  # without the batch's padding
        return parts

    run(random_cases(2, (8, 8), shape.vocab_size), 1)
    measuring.forget_peak()  # else a peak while loading would hide the job's
    before, started = measuring.resident_memory(), time.perf_counter()
    numbers = run(cases, job.heads)
    seconds, peak = time.perf_counter() - started, measuring.resident_memory()
    check(numbers, folder / f"{job.task}-{job.cases}-{job.heads}", job)
    return Result(seconds, (peak - before) / 2**20, peak / 2**20)


def check(numbers: dict[str, Tensor], first: Path, job: Job) -> None:
    """The first of equal jobs leaves its numbers in the file ``first``, against which the others are held."""
    if not first.exists():
        save_file({name: tensor.contiguous() for name, tensor in numbers.items()}, first)
        return
    expected = load_file(first)
    if numbers.keys() != expected.keys():
        sys.exit(f"{job}: other results than the first run's")
    for name, tensor in numbers.items():
        limit = TOLERANCE[name.split("/")[0]]
        if not (error := (tensor - expected[name]).abs().max().item()) <= limit:
            sys.exit(f"{job}: {name} differs by {error:.1e} from the first run's; at most {limit:.0e} is allowed")


def in_own_process(*request: object) -> str:
    """The last line that a worker prints."""
    done = measuring.in_own_process("benchmarks.probing", request, HF_HUB_OFFLINE="1")
    return measuring.last_line(done, request)


@torch.inference_mode()
def worker(folder: str, shape: dict, job: dict | int) -> None:
    """The other end of ``in_own_process``: makes the weights, given a number of texts, or does a job."""
    torch.set_num_threads(THREADS)
    if isinstance(job, int):
        make(Path(folder), Shape(**shape), job)
    else:
        print(json.dumps(asdict(work(Path(folder), Shape(**shape), Job(**job)))))


def plan(task: str, cases: int, shape: Shape, measure: Callable[[Job], Result]) -> list[Job]:
    """The jobs that take turns, TransformerLens's batches of short texts chosen by a pilot of fewer texts and heads."""
    heads = shape.n_layer * shape.n_head
    if task in LONG:
        return [Job(task, side, batch, LONG_TEXTS, heads) for batch in (LONG_TEXTS, 1) for side in SIDES]
    jobs = []
    for side in SIDES:
        best = BATCH
        if side != "lookback":
            sizes = [batch for batch in BATCHES if batch <= cases] or [cases]
            pilots = [Job(task, side, batch, min(cases, max(BATCHES)), PILOT_HEADS) for batch in sizes]
            best = min(pilots, key=lambda job: measure(job).seconds).batch
        jobs.append(Job(task, side, best, cases, heads))
    return jobs


def table(results: dict[Job, list[Result]]) -> None:
    """One row a job; the ratios are to our run of the same repeat, in batches of the same size where there is one."""
    ours = {(job.task, job.batch): runs for job, runs in results.items() if job.side == "lookback"}
    rows = []
    for job, runs in results.items():
        reference = ours.get((job.task, job.batch)) or ours[job.task, BATCH]
        seconds, added, peak, our_seconds, our_added = (
            [getattr(run, key) for run in each]
            for each, key in (
                *((runs, key) for key in ("seconds", "added", "peak")),
                *((reference, key) for key in ("seconds", "added")),
            )
        )
        times = [median_and_range(seconds, 2), measuring.ratios(seconds, our_seconds)]
        added_times = measuring.ratios(added, our_added) if all(our_added) else "-"
        memory = [median_and_range(added, 0), added_times, median_and_range(peak, 0)]
        rows.append([job.task, SIDES[job.side], job.batch, *times, *memory])
    columns = ("job", "", "batch", "seconds", "times ours", "added, MiB", "times ours", "whole process, MiB")
    measuring.print_table(columns, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probing", description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=SHORT + LONG, default=SHORT + LONG)
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        worker(*options.work)
        return
    require_at_least(options, dict.fromkeys(DEFAULTS, 1))
    shape = Shape(options.layers, options.heads, options.width, options.vocab)
    shape.config()  # what is wrong with it is said here, not by a process of its own
    measuring.require_peak_memory()
    if find_spec("transformer_lens") is None:
        raise InputError("needs TransformerLens to race against: pip install transformer-lens==4.3.0")
    results: dict[Job, list[Result]] = {}
    with tempfile.TemporaryDirectory() as folder:
        in_own_process(folder, asdict(shape), options.cases)

        def measure(job: Job) -> Result:
            result = Result(**json.loads(in_own_process(folder, asdict(shape), asdict(job))))
            measuring.log(**vars(job), **vars(result))
            return result

        for task in options.tasks:
            jobs = plan(task, options.cases, shape, measure)
            for _ in range(options.repeats):
                for job in jobs:
                    results.setdefault(job, []).append(measure(job))
    print(f"\n{shape}, {options.cases} texts, {THREADS} threads, {options.repeats} repeats: median (lowest-highest)\n")
    table(results)


if __name__ == "__main__":
    one_line.run(main)
