"""Let a run write: ``python sample.py run=runs/NAME prompt="Once" [n=3]``; configs/sample.yaml has the keys."""

import codecs
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

import configs
from configs.schema import SampleCommand
from model import generate
from training import load_model, pick_device


def main(command: SampleCommand) -> None:
    run, device = Path(command.run), pick_device(command.device)
    model, tokenizer, state = load_model(run, command.checkpoint, device)
    ids = [tokenizer.end] if command.prompt is None else tokenizer.encode(command.prompt).tolist()
    prompt = command.prompt or ""
    samples = [[] for _ in range(command.n)]
    live = codecs.getincrementaldecoder("utf-8")("replace")  # a character may be spread over several tokens
    print(prompt, end="", flush=True)
    ended = [False] * command.n
    start = torch.tensor(ids, device=device)
    for new in generate(model, start, command.n, command.max_new_tokens, command, command.seed):
        for i, token in enumerate(new.tolist()):
            ended[i] = ended[i] or token == tokenizer.end
            if not ended[i]:
                samples[i].append(token)
                if i == 0:
                    print(live.decode(tokenizer.pieces[token]), end="", flush=True)
        if all(ended):
            break
    print(live.decode(b"", final=True))
    texts = [tokenizer.decode(sample) for sample in samples]
    for text in texts[1:]:
        print(f"---\n{prompt}{text}")
    folder = run / "samples"
    folder.mkdir(exist_ok=True)
    with open(folder / "samples.jsonl", "a") as file:
        for text in texts:
            file.write(json.dumps({"step": state["step"], **asdict(command), "run": run.name, "text": text}) + "\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")
    configs.launch(main, "sample", SampleCommand)
