"""Let a run write: ``python sample.py run=runs/NAME prompt="Once" [n=3]``; configs/sample.yaml has the keys."""

import codecs
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

import configs
from configs.schema import SampleCommand
from data import Tokenizer
from model import GPT, generate
from training import load_model, pick_device


def main(command: SampleCommand) -> None:
    run, device = Path(command.run), pick_device(command.device)
    model, tokenizer, state = load_model(run, command.checkpoint, device)
    ids = [tokenizer.end] if command.prompt is None else tokenizer.encode(command.prompt).tolist()
    prompt = command.prompt or ""
    samples = [[] for _ in range(command.n)]
    live = codecs.getincrementaldecoder("utf-8")("replace")  # a character may be spread over several tokens
    print(prompt, end="", flush=True)
    try:
        write(model, tokenizer, torch.tensor(ids, device=device), command, samples, live)
    finally:  # also what was written before Ctrl-C is kept
        texts = [tokenizer.decode(sample) for sample in samples]
        if any(texts):
            about = {"step": state["step"], **asdict(command), "run": run.name}
            keep(run / "samples", [{**about, "text": text} for text in texts])
        print(live.decode(b"", final=True))
        for text in texts[1:]:
            print(f"---\n{prompt}{text}")


def write(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: torch.Tensor,
    command: SampleCommand,
    samples: list[list[int]],
    live: codecs.IncrementalDecoder,
) -> None:
    """Adds tokens to ``samples`` until each has met the end token, and prints the first one as it grows."""
    ended = [False] * command.n
    for new in generate(model, prompt, command.n, command.max_new_tokens, command, command.seed):
        for i, token in enumerate(new.tolist()):
            ended[i] = ended[i] or token == tokenizer.end
            if not ended[i]:
                samples[i].append(token)
                if i == 0:
                    print(live.decode(tokenizer.pieces[token]), end="", flush=True)
        if all(ended):
            return


def keep(folder: Path, records: list[dict]) -> None:
    folder.mkdir(exist_ok=True)
    with open(folder / "samples.jsonl", "a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")
    configs.launch(main, "sample", SampleCommand)
