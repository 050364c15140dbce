"""What train.py measures beside the loss: samples or answers, references in stories, and what the heads do."""

from dataclasses import dataclass
from functools import cache, partial

from cli.run_text import read_otherwise
from cli.schema import TrainCommand
from common.errors import InputError
from data import Dataset, EncodedCase, encode_case
from data.mixture import only_stories, stories_of
from data.stories import GENERALISATION, Stories, cases
from data.text.held_out import first_tokens
from model import GPT
from probing import encode_tasks, quick_probe
from probing.dynamics import quick_probe_metrics
from probing.in_text.budget import affordable
from probing.in_text.language import language_of
from probing.in_text.quick import quick_cost_metrics, quick_costs, quick_text
from probing.scoring import referential_metrics
from probing.splits import Tasks
from report.training_console import Console
from training.answers import measure_answers
from training.loop import Evaluation
from training.samples import write_sample

# Annotated stories a task: at every evaluation, and of each split at the end.
CASES, LAST_CASES = 100, 200
LANGUAGE_TOKENS = 8_192  # by which the text is known to be in English
PROBE_CASES = 40  # a task and split, whenever ``probe_every`` asks for the heads


@dataclass(frozen=True)
class Evaluations:
    """What a run's ``Trainer`` measures; stories that it needs are drawn when they are first measured."""

    command: TrainCommand
    dataset: Dataset
    console: Console

    @property
    def stories(self) -> Stories | None:
        """Those that the run is trained on, if it is trained on any."""
        return stories_of(self.command.corpora)

    def always(self) -> list[Evaluation]:
        """At every evaluation."""
        if stories := self.stories:
            return [self.sample(), self.referential(stories, "select", CASES, "referential")]
        return [self.sample()]

    def last(self) -> list[Evaluation]:
        """After those, at the last one: what training has come to."""
        stories = self.stories
        if stories is None or self.command.max_steps == 0:
            return []
        return [self.referential(stories, split, LAST_CASES, split) for split in ("report", *GENERALISATION)]

    def probes(self, model: GPT) -> list[Evaluation]:
        """Every ``probe_every`` steps: a look at the heads, in stories and in other text, whichever there is."""
        if not self.command.probe_every:
            return []
        looks = []
        if stories := self.stories:
            looks.append(self.heads_in_stories(stories))
        if not only_stories(self.command.corpora):
            looks.append(self.heads_in_text(model))
        return looks

    def sample(self) -> Evaluation:
        """A text that the model writes; of prompts with answers, how many it answers right."""
        tokenizer, seed = self.dataset.tokenizer, self.command.seed
        if answers := self.dataset.answers:
            return partial(measure_answers, answers[1], tokenizer, seed)
        return partial(write_sample, tokenizer, seed, one_document=self.command.data.document_mask)

    def referential(self, stories: Stories, split: str, n: int, prefix: str) -> Evaluation:
        """Referential loss and accuracy on ``n`` annotated stories of each task; a note says how many of all do not fit
        into the block and are left out.
        """

        @cache
        def fitting() -> list[EncodedCase]:
            drawn = cases(split, n, self.command.seed, stories.posed)
            encoded = [encode_case(case, self.dataset.tokenizer) for case in drawn]
            short = [case for case in encoded if len(case.tokens) <= self.command.model.block_size]
            if left_out := len(encoded) - len(short):
                self.console.note(f"{left_out} of {len(encoded)} {split} stories exceed model.block_size")
            return short

        return lambda model: referential_metrics(model, fitting(), prefix)

    def heads_in_stories(self, stories: Stories) -> Evaluation:
        """Which head of each task looks best at this moment, and what it costs to change it; notes say which tasks are
        not measured.
        """
        seed, block_size = self.command.seed, self.command.model.block_size

        @cache
        def tasks() -> Tasks:
            select, report = (cases(split, PROBE_CASES, seed, stories.posed) for split in ("select", "report"))
            measured, too_few = encode_tasks(self.dataset.tokenizer, select, report, block_size, seed)
            for sentence in too_few:
                self.console.note(f"probe_every={self.command.probe_every}: {sentence}")
            return measured

        return lambda model: quick_probe_metrics(quick_probe(model, tasks()))

    def heads_in_text(self, model: GPT) -> Evaluation:
        """What each head costs in as much of the validation text as is read quickly with ``model``; raises InputError
        where that is too short. Notes say where it is read in another way than in training, or is not in English.
        """
        asked = f"probe_every={self.command.probe_every}"
        tokenizer, ids = self.dataset.tokenizer, first_tokens(self.dataset.val)
        english = language_of(ids[None, :LANGUAGE_TOKENS], tokenizer, "en")
        try:
            text = quick_text(affordable(model), ids, tokenizer, english)
        except InputError as error:
            raise InputError(f"{asked}: of the validation text, {error}") from None
        if english is None and tokenizer.has_text:
            self.console.note(f"{asked}: few words of the validation text are English, so pronouns are not counted")
        for sentence in read_otherwise(self.command.corpora):
            self.console.note(f"{asked}: {sentence}")
        return lambda model: quick_cost_metrics(quick_costs(model, text))
