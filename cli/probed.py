"""A run that is probed, as all parts of the command see it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cli.run_text import RunText
from cli.schema import ProbeCommand
from data import Tokenizer
from model import GPT
from report.terminal import Output
from storage.weights import source_of


@dataclass(frozen=True)
class Probed:
    """The model that a probe measures, its tokenizer and its ``state``, with what was asked and where to print."""

    command: ProbeCommand
    model: GPT
    tokenizer: Tokenizer
    state: dict
    console: Output

    @property
    def run(self) -> Path:
        return Path(self.command.run)

    @cached_property
    def run_text(self) -> RunText:
        return RunText(self.run)

    @property
    def source(self) -> dict:
        """Where the model is from, for what is written of it."""
        return source_of(self.run, self.command.checkpoint, self.state)
