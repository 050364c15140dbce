"""Tokens a second near 1,024 tokens of context: nanoGPT's ``generate``, that of ``transformers`` and ours.

    python -m benchmarks.sampling PATH_TO_A_CLONE_OF_NANOGPT [--rounds 5] [--batches 1 16] [--new 64]

One process on the CPU, float32, nothing compiled. All have the same random weights in the shape of GPT-2 (11 M
parameters) and write the likeliest tokens after the same random prompts, in turns; the tokens must be the same.

*long* ends at 1,024 tokens, *short* begins with 16. nanoGPT keeps no cache and reads everything again for each token,
so it writes only ``--slow`` tokens, in the middle of the text, where they cost what they cost on average.
``transformers`` keeps a cache and gets its fastest of four settings (attention fused or not, cache growing or static),
chosen by a pilot for each job. Each rate is given with the reading of the prompt in the time, and after the first new
token. *first*: a prompt of 1,000 tokens and the time to the first new one.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.measuring import log, median_and_range, print_table, ratios
from benchmarks.peers import BLOCK, Shape, random_gpt2, save_for_transformers, their_tensors
from benchmarks.samplers import Lookback, NanoGPT, Sampler, Transformers, Written, count_reading
from common.errors import InputError
from common.one_line import run
from common.options import require_at_least

SHORT_PROMPT = 16
FIRST_ROOM = 24  # tokens that would still fit after the prompt whose first new token is timed
PILOT, PILOTS = 8, 2  # new tokens; tries, of which the faster counts
DEFAULTS = {"layers": 6, "heads": 6, "width": 384, "vocab": 128, "context": BLOCK, "new": 64, "slow": 16}
DEFAULTS |= {"short_new": 256, "rounds": 5}
LEAST = {"new": 2, "slow": 2, "short_new": 2}  # a rate after the first token needs a second one


@dataclass(frozen=True)
class Job:
    task: str
    batch: int
    prompt: int
    new: int


@dataclass(frozen=True)
class Part:
    """What one side does of a job: its prompts [B, T], and the tokens [B, n] that must follow."""

    sampler: Sampler
    prompts: Tensor
    expected: Tensor


@dataclass(frozen=True)
class Result:
    """Tokens a second of all texts, with the prompt's reading and after the first new token; seconds to that one."""

    whole: float
    after_first: float | None
    first: float


def measure(part: Part) -> Result:
    """Writes once; exits where the tokens are not the expected ones."""
    written = part.sampler.write(part.prompts, part.expected.size(1))
    check(part, written)
    batch, n = part.expected.shape
    first, last = written.seconds[0], written.seconds[-1]
    return Result(batch * n / last, batch * (n - 1) / (last - first) if n > 1 else None, first)


def check(part: Part, written: Written) -> None:
    name, expected = part.sampler.name, part.expected
    if written.tokens.shape != expected.shape or len(written.seconds) != expected.size(1):
        sys.exit(f"{name}: wrote {list(written.tokens.shape)} tokens, not {list(expected.shape)}")
    if different := (written.tokens != expected).nonzero().tolist():
        text, at = different[0]
        sys.exit(f"{name}: other tokens than Lookback's, first in text {text} at new token {at}; try another --seed")


def fastest(folder: Path, prompts: Tensor, expected: Tensor) -> Transformers:
    """The setting of ``transformers`` that would finish these texts first, judged by their first few tokens."""
    n = min(PILOT, expected.size(1))
    samplers = [Transformers(folder, *setting) for setting in Transformers.SETTINGS]
    taken = dict.fromkeys(samplers, math.inf)
    for _ in range(PILOTS):
        for sampler in samplers:
            seconds = sampler.write(prompts, n).seconds
            each = (seconds[-1] - seconds[0]) / max(1, n - 1)
            taken[sampler] = min(taken[sampler], seconds[0] + each * (expected.size(1) - 1))
    return min(taken, key=taken.__getitem__)


def plan(job: Job, ours: Lookback, nanogpt: NanoGPT, folder: Path, slow: int, seed: int) -> list[Part]:
    """Who writes what, each having written a little already: first use is slower."""
    generator = torch.Generator().manual_seed(seed)
    prompts = torch.randint(ours.model.config.vocab_size, (job.batch, job.prompt), generator=generator)
    tokens = ours.write(prompts, job.new).tokens
    kept = min(slow, job.new)
    skipped = (job.new - kept) // 2
    so_far = torch.cat((prompts, tokens[:, :skipped]), dim=1)
    nanogpt.write(so_far, 1)
    return [
        Part(nanogpt, so_far, tokens[:, skipped : skipped + kept]),
        Part(fastest(folder, prompts, tokens), prompts, tokens),
        Part(ours, prompts, tokens),
    ]


def rate_rows(job: Job, parts: Sequence[Part], results: Sequence[Sequence[Result]]) -> list[list[str]]:
    rows = []
    for part, runs in zip(parts, results, strict=True):
        cells = [f"{job.task}: {job.prompt} + {job.new}", str(job.batch), part.sampler.name]
        for key in ("whole", "after_first"):
            ours, rates = ([vars(run)[key] for run in each] for each in (results[-1], runs))
            cells += [median_and_range(rates, 1), "" if part is parts[-1] else ratios(ours, rates)]
        rows.append(cells)
    return rows


def first_rows(job: Job, parts: Sequence[Part], results: Sequence[Sequence[Result]]) -> list[list[str]]:
    rows = []
    for part, runs in zip(parts, results, strict=True):
        with count_reading(part.sampler) as lengths:
            part.sampler.write(part.prompts, 3)
        ours, seconds = ([run.first for run in each] for each in (results[-1], runs))
        times = "" if part is parts[-1] else ratios(seconds, ours)
        reads = ", ".join(f"{length:,}" for length in lengths)
        rows.append([part.sampler.name, median_and_range([1e3 * each for each in seconds], 0), times, reads])
    return rows


def race(parts: Sequence[Part], job: Job, rounds: int) -> list[list[Result]]:
    results = [[] for _ in parts]
    for number in range(rounds):
        for part, runs in zip(parts, results, strict=True):
            runs.append(measure(part))
            log(round=number, side=part.sampler.name, **vars(job), **vars(runs[-1]))
    return results


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampling", description=__doc__.splitlines()[0])
    parser.add_argument("nanogpt", type=Path, help="a clone of karpathy/nanoGPT")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--seed", type=int, default=0)
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    options = parser.parse_args(arguments)
    require_at_least(options, {name: LEAST.get(name, 1) for name in (*DEFAULTS, "batches")})
    if not options.new + FIRST_ROOM < options.context <= BLOCK:
        raise InputError(f"--context {options.context}: must be more than --new + {FIRST_ROOM} and at most {BLOCK}")
    if SHORT_PROMPT + options.short_new > options.context:
        raise InputError(
            f"--short-new {options.short_new}: with {SHORT_PROMPT} more must fit into --context {options.context}"
        )
    if not (options.nanogpt / "model.py").is_file():
        raise InputError(f"{options.nanogpt} holds no model.py; give the path of a clone of karpathy/nanoGPT")
    if find_spec("transformers") is None:
        raise InputError("needs transformers to race against: pip install -r tests/requirements.txt")
    return options


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> None:
    options = read_arguments(arguments)
    from transformers.utils import logging

    logging.disable_progress_bar()
    shape = Shape(options.layers, options.heads, options.width, options.vocab)
    jobs = [Job("long", batch, options.context - options.new, options.new) for batch in options.batches]
    jobs += [Job("short", batch, SHORT_PROMPT, options.short_new) for batch in options.batches]
    first = Job("first", 1, options.context - FIRST_ROOM, 1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = Lookback(random_gpt2(shape, options.seed))
        save_for_transformers(ours.model, folder)
        nanogpt = NanoGPT(options.nanogpt.resolve(), shape, their_tensors(ours.model))
        for job in [*jobs, first]:
            parts = plan(job, ours, nanogpt, folder, options.slow, options.seed)
            results = race(parts, job, options.rounds)
            rows.append((first_rows if job is first else rate_rows)(job, parts, results))
    print(f"\n{shape}, {ours.model.n_parameters():,} parameters, {torch.get_num_threads()} threads", end="; ")
    print(f"{options.rounds} rounds: median (lowest-highest). nanoGPT writes {options.slow} tokens of each text.")
    print("All wrote the same tokens.\n")
    rates = ("tokens/s, whole", "ours / theirs", "tokens/s after the first", "ours / theirs")
    print_table(("prompt + new", "batch", "", *rates), chain(*rows[:-1]))
    print()
    times = (f"prompt of {first.prompt:,} tokens", "ms to the first token", "theirs / ours")
    print_table((*times, "tokens read by each forward"), rows[-1])


if __name__ == "__main__":
    run(main)
