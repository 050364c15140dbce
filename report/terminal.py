"""The terminal: its console, its progress bar, and background colours of words that stay readable on it."""

import os
import sys
from errno import EPIPE
from typing import Any

from rich.color import Color, ColorSystem
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.style import Style

from common.output import BestEffortOutput, note_line
from report.colours import GREY, blend, ink_on

# Of the sixteen colours, whose shades every terminal chooses itself, those that are dark in all of them.
DARK_OF_SIXTEEN = frozenset((0, 1, 4, 5, 8))
SYSTEMS = {"standard": ColorSystem.STANDARD, "windows": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT}


class Output(Console):
    """A console that raises OSError where it cannot print, also where its reader has gone away."""

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError as error:
            error.filename = "stdout"
            raise

    def note(self, sentence: str) -> None:
        self.print(note_line(sentence))

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(EPIPE, os.strerror(EPIPE))


def open_console(quiet: bool = False, only_output: bool = False) -> Output:
    """stdout, on which text is shown as it is. A reader that has gone away, or a full disk, ends nothing, except where
    what is printed is the ``only_output`` of the work: then printing raises OSError.
    """
    stdout: Any = sys.stdout if only_output else BestEffortOutput(sys.stdout)  # which has the methods of a stream
    return Output(highlight=False, soft_wrap=True, markup=False, emoji=False, quiet=quiet, file=stdout)


def new_bar(console: Console, *columns: ProgressColumn) -> Progress:
    """A progress bar that shows itself on a terminal alone, and is gone when it is done."""
    text = TextColumn("{task.description}", markup=False)
    return Progress(text, BarColumn(), *columns, console=console, transient=True, disable=not console.is_terminal)


def chip(colour: str, strength: float, console: Console) -> Style:
    """Words on a ground of ``colour``, the greyer the weaker, as near as the console can come to it."""
    channels = (round(255 * channel) for channel in blend(colour, strength, GREY))
    ground = Color.from_rgb(*channels).downgrade(SYSTEMS.get(console.color_system or "", ColorSystem.TRUECOLOR))
    if console.color_system in ("standard", "windows"):
        return Style(color="bright_white" if ground.number in DARK_OF_SIXTEEN else "black", bgcolor=ground)
    red, green, blue = (channel / 255 for channel in ground.get_truecolor())
    return Style(color=ink_on((red, green, blue), "#000000", "#FFFFFF"), bgcolor=ground)


def is_plain(console: Console) -> bool:
    """Whether the console shows no colours: a pipe, a dumb terminal, or one whose user asked for none."""
    return console.no_color or console.color_system is None
