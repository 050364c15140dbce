"""The text that a probe measures heads in: the run's own validation text, or files that the user names."""

from dataclasses import dataclass, replace

from cli.probed import Probed
from cli.run_text import HeldOut, read_otherwise
from common.errors import InputError
from common.progress import Progress
from data.cases import mine
from data.languages import load_language
from data.mixture import only_stories
from probing import in_text
from probing.in_text import Windows, affordable, measure_text, windows_within
from probing.in_text.budget import Plan
from report.probe_terminal import progress_bar

STORY_TOKENS = 20_000  # of stories, that heads are measured in: their tasks say more of them, and come first


@dataclass(frozen=True)
class TextToRead:
    """A text, the windows of it that are read, and the plan that says how."""

    text: HeldOut
    plan: Plan
    windows: Windows

    @property
    def mined_in(self) -> str:
        """How much of the text references are mined in."""
        n = len(self.text.ids)
        return f"its first {mine.MOST_TOKENS:,} tokens" if n > mine.MOST_TOKENS else f"all of its {n:,} tokens"

    def measure(self, probed: Probed, progress: Progress) -> dict:
        """The profile of the heads in it, as heads.json has it."""
        model, tokenizer, command = probed.model, probed.tokenizer, probed.command
        profile = measure_text(
            model, tokenizer, self.windows, command.language, command.seed, progress, self.plan.ablations
        )
        return in_text.to_json(profile) | {"source": {"text_file": self.text.file}}


def read_text(probed: Probed) -> TextToRead | None:
    """The text to measure heads in: ``text_file``, or else the run's own validation text; if that cannot be had, None,
    and a note says why.
    """
    command, tokenizer, console = probed.command, probed.tokenizer, probed.console
    run_text, plan = probed.run_text, affordable(probed.model)
    if command.language is not None:
        load_language(command.language)  # which raises InputError for one that is unknown, before anything is read
    if command.text_file is not None:
        with progress_bar(console) as progress:
            text = run_text.of_file(command.text_file, tokenizer, progress)
        try:
            windows = windows_within(plan, text.ids, tokenizer, command.n_tokens)
        except InputError as error:
            raise InputError(f"text_file={command.text_file}: {error}") from None
    else:
        try:
            with progress_bar(console) as progress:
                text = run_text.validation(probed.state["dataset"], progress)
            if only_stories(run_text.corpora):
                plan = replace(plan, n_tokens=min(plan.n_tokens, STORY_TOKENS))
            windows = windows_within(plan, text.ids, tokenizer, command.n_tokens)
        except InputError as error:
            console.note(f"heads are not measured in the run's validation text: {error}")
            return None
    for sentence in text.notes:
        console.note(f"text_file: {sentence}")
    for sentence in read_otherwise(run_text.corpora, own=text.file is None):
        console.note(sentence)
    return TextToRead(text, plan, windows)
