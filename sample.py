"""Let a run write: ``python sample.py run=runs/NAME prompt="Once" [show=1.2]``; configs/sample.yaml has the keys.

``prompt=-``: one prompt after the other, typed or piped, with the model loaded once.
"""

import codecs
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from errno import ENOSPC
from pathlib import Path

import torch
from torch import Tensor

import cli
from cli.lines import for_each_text
from cli.run_text import RunText
from cli.schema import SampleCommand
from common.errors import InputError
from common.output import print_note
from common.visible import visible_text
from data import Tokenizer
from model import GPT, generate
from model.generate import contexts_per_pass
from model.int8 import to_int8
from model.speculation import require_speculation
from probing.sentence import require_head
from report.terminal import open_console
from report.tinted_text import legend, show_choice
from storage.weights import load_model
from training import pick_device
from training.device import require_memory

LOGITS = 4  # that a step holds of each text: plain, filtered, sorted, as probabilities
READING = 12  # numbers for each of the width that a pass over contexts holds of a token, measured


def main(command: SampleCommand) -> None:
    run, device = Path(command.run), pick_device(command.device)
    model, tokenizer, state = load_model(run, command.checkpoint, device)
    if command.show is not None:
        require_head(command.show, model, "show")
    if command.speculate:
        with refusing(f"speculate={command.speculate}"):
            require_speculation(model, command.n)
    if command.weights == "int8":
        with refusing("weights=int8"):
            to_int8(model)
    run_text = RunText(run)

    def go_on(prompt: str) -> None:
        continue_prompt(model, tokenizer, state["step"], replace(command, prompt=run_text.as_prompt(prompt)))

    if command.prompt is None:
        continue_prompt(model, tokenizer, state["step"], command)
    else:
        for_each_text("prompt", command.prompt, go_on)


@contextmanager
def refusing(setting: str) -> Iterator[None]:
    """Makes of a ValueError, of what this model or device cannot do, an InputError that names the setting."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{setting}: {error}; leave it out") from None


def continue_prompt(model: GPT, tokenizer: Tokenizer, step: int, command: SampleCommand) -> None:
    """Prints and keeps what the model, as it was at ``step``, writes after the prompt of ``command``."""
    run, device, prompt = Path(command.run), model.embed.weight.device, command.prompt or ""
    ids = tokenizer.encode_document(prompt).tolist()
    if not ids:
        raise InputError(f"run={run}: it has no end token to begin a text with; give prompt=...")
    require_memory_for_texts(model, len(ids), command, device)
    if not tokenizer.has_text:  # by their names, also where ids were given
        prompt = tokenizer.decode(ids).removeprefix(tokenizer.start)
    samples: list[list[int]] = [[] for _ in range(command.n)]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may be spread over several tokens
    say(prompt)
    try:
        for i, token in new_tokens(model, torch.tensor(ids, device=device), command, tokenizer.end):
            samples[i].append(token)
            if i == 0:  # printed as it grows
                begins_document = command.prompt is None and len(samples[0]) == 1
                say(decoder.decode(tokenizer.pieces[token]).removeprefix(tokenizer.start if begins_document else ""))
    except FloatingPointError as error:
        raise InputError(f"run={run}, step {step}: {error}; give another checkpoint=STEP") from None
    finally:  # also what was written before Ctrl-C is kept
        texts = [tokenizer.decode(sample).removeprefix("" if prompt else tokenizer.start) for sample in samples]
        try:
            say(decoder.decode(b"", final=True) + "\n")
            for text in texts[1:]:
                say(f"---\n{prompt}{text}\n")
        finally:
            if any(texts):
                about = {"step": step, **asdict(command), "run": run.resolve().name}
                append_records(run / "samples", [{**about, "text": text} for text in texts])
    if command.show is not None:
        show_choices(model, tokenizer, command.show, ids, samples)


def require_memory_for_texts(model: GPT, n_prompt: int, command: SampleCommand, device: torch.device) -> None:
    """Raises InputError where so many texts at a time need more memory than there is: their caches, their logits, and
    the contexts that are read together when they move on.
    """
    capacity, config = min(model.config.block_size, n_prompt + command.max_new_tokens), model.config
    caches = sum(tensor.nbytes for cache in model.new_context(1, capacity).caches for tensor in cache.tensors)
    texts = command.n * (caches + 4 * LOGITS * config.vocab_size)
    together = min(command.n, contexts_per_pass(capacity)) * (caches + 4 * READING * config.n_embd * capacity)
    require_memory(texts + together, device, f"n={command.n}: writing so many texts")


def new_tokens(model: GPT, prompt: Tensor, command: SampleCommand, end: int | None) -> Iterator[tuple[int, int]]:
    """The number of a sample and its next token, step by step; of each sample up to its ``end`` token."""
    n, most, ended = command.n, command.max_new_tokens, set()
    for step in generate(
        model, prompt, n, most, sampling=command, seed=command.seed, speculate=command.speculate, end=end
    ):
        for i, token in enumerate(step.tolist()):
            if token == end:
                ended.add(i)
            elif i not in ended:
                yield i, token


def say(text: str) -> None:
    """Prints immediately; to a terminal, with marks for characters that would act on it instead of being shown."""
    try:
        print(visible_text(text, keep="\n\t") if sys.stdout.isatty() else text, end="", flush=True)
    except OSError as error:
        error.filename = "stdout"
        raise


def show_choices(model: GPT, tokenizer: Tokenizer, head: str, prompt: list[int], samples: list[list[int]]) -> None:
    """Prints, for each sample, what ``head`` looked at when its last token was chosen."""
    console = open_console(only_output=True)
    console.print(f"\nhead {head} when the last word was chosen ({legend(console, chosen=True)})")
    for number, sample in enumerate(samples, start=1):
        if len(samples) > 1:
            console.print(f"sample {number}:")
        if sample:
            show_choice(model, tokenizer, head, prompt + sample, console)
        else:
            console.print("  the text ended immediately: no word was chosen")


def append_records(folder: Path, records: list[dict]) -> None:
    """Adds the records to FOLDER/samples.jsonl, all of them or, with a line on stderr, none: they have been printed."""
    path = folder / "samples.jsonl"
    try:
        folder.mkdir(exist_ok=True)
        with open(path, "ab", buffering=0) as file:
            before = file.tell()
            lines = "".join(json.dumps(record) + "\n" for record in records).encode()
            if file.write(lines) < len(lines):  # the disk is full
                file.truncate(before)
                raise OSError(ENOSPC, os.strerror(ENOSPC))
    except OSError as error:
        print_note(f"no copy was kept: {path} cannot be written ({error.strerror})")


if __name__ == "__main__":
    cli.launch(main, "sample", SampleCommand)
