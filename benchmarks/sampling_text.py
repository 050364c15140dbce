"""Tokens a second after the beginnings of real text, by a trained run: ``transformers``, ours, and ours speculating.

    python -m benchmarks.sampling_text RUN [--prompts 6] [--rounds 3] [--speculate 4 16]

One process on the CPU, float32, one text at a time. Prompts are equally spaced pieces of the run's validation text, a
quarter of the block each; the rest of the block is written, in turns: the likeliest tokens (temperature 0), by
``transformers`` too, from the run's export and with its fastest setting, and at temperature 0.8. At each temperature
the tokens must be the same. Rates are with the reading of the prompt; *tokens a step*: written by each forward.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import huggingface
from benchmarks.measuring import log, median_and_range, print_table, ratios
from benchmarks.samplers import GREEDY, Lookback, Transformers, count_reading
from benchmarks.sampling import Part, fastest, measure
from cli.run_text import RunText
from common.errors import InputError
from common.one_line import run
from common.options import require_at_least
from common.progress import silent
from model import GPT, Sampling
from storage.weights import load_model

DEFAULTS = {"prompts": 6, "rounds": 3}


def prompts_of(ids: Tensor, block: int, n: int) -> list[Tensor]:
    """n pieces [1, block / 4] of the text ``ids`` [N], equally spaced."""
    return [ids[None, i * len(ids) // n :][:, : block // 4] for i in range(n)]


def text_of(run: Path, key: str | None) -> np.ndarray:
    """The ids of the run's validation text [N]; raises InputError where it cannot be had."""
    try:
        with redirect_stdout(sys.stderr):
            return RunText(run).validation(key, silent).ids
    except InputError as error:
        raise InputError(
            f"run={run}: no prompts can be taken from its validation text: {error}; give a run whose text is there"
        ) from None


def race(sides: Sequence[Lookback | Transformers], prompts: Sequence[Tensor], new: int, rounds: int) -> list[list]:
    """A row of the table for each of ``sides``; they must write the tokens of the one of ours that guesses nothing."""
    plain = next(side for side in sides if isinstance(side, Lookback) and not side.speculate)
    temperature = plain.sampling.temperature
    rates, steps = {side: [] for side in sides}, dict.fromkeys(sides, 0)
    for i, prompt in enumerate(prompts):
        expected = plain.write(prompt, new).tokens
        for side in sides:
            with count_reading(side) as lengths:
                side.write(prompt, new)
            steps[side] += len(lengths)
        for number in range(rounds):
            for side in sides:
                rates[side].append(measure(Part(side, prompt, expected)).whole)
                log(prompt=i, round=number, side=side.name, temperature=temperature, rate=rates[side][-1])
    first, written = rates[sides[0]], new * len(prompts)
    return [
        [temperature, side.name, median_and_range(rate, 1), ratios(rate, first), f"{written / steps[side]:.2f}"]
        for side, rate in rates.items()
    ]


def ours(model: GPT, speculate: Sequence[int], sampling: Sampling) -> list[Lookback]:
    return [Lookback(model, most, sampling) for most in (0, *speculate)]


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampling_text", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder of a run with attention F")
    parser.add_argument("--speculate", type=int, nargs="+", default=[4, 16])
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(arguments)
    require_at_least(options, dict.fromkeys((*DEFAULTS, "speculate"), 1))
    if find_spec("transformers") is None:
        raise InputError("needs transformers to race against: pip install -r tests/requirements.txt")
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, tokenizer, state = load_model(options.run, "best", torch.device("cpu"))
    ids = torch.from_numpy(text_of(options.run, state["dataset"]))
    block = model.config.block_size
    prompts = prompts_of(ids, block, options.prompts)
    new = block - prompts[0].size(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "export"
        huggingface.export(model, tokenizer, folder, {"run": options.run.name}, overwrite=False)
        theirs = fastest(folder, prompts[0], Lookback(model).write(prompts[0], new).tokens)
        rows = race([theirs, *ours(model, options.speculate, GREEDY)], prompts, new, options.rounds)
        rows += race(ours(model, options.speculate, Sampling(temperature=0.8)), prompts, new, options.rounds)
    print(f"\n{options.run.name}, {model.n_parameters():,} parameters, {torch.get_num_threads()} threads; ", end="")
    print(f"{len(prompts)} prompts of {block - new} tokens, {new} new ones, {options.rounds} rounds: median", end=" ")
    print("(lowest-highest). The same tokens at each temperature.\n")
    print_table(("temperature", "", "tokens/s", "times the first side", "tokens a step"), rows)


if __name__ == "__main__":
    run(main)
