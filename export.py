"""Hand a run to ``transformers``: ``python export.py run=runs/NAME to=DIR``; configs/export.yaml has the keys."""

from pathlib import Path

import torch

import cli
import huggingface
from cli.schema import ExportCommand
from storage.weights import load_model, source_of


def main(command: ExportCommand) -> None:
    run, folder = Path(command.run), Path(command.to)
    model, tokenizer, state = load_model(run, command.checkpoint, torch.device("cpu"))
    about = source_of(run, command.checkpoint, state)
    architecture = huggingface.export(model, tokenizer, folder, about, command.overwrite, f"run={run}")
    print(f"written: {folder}, step {state['step']:,} of {run} as {architecture.name}")


if __name__ == "__main__":
    cli.launch(main, "export", ExportCommand)
