"""The cases that a probe measures heads on: the user's own, or stories, and references that are mined in a text."""

from pathlib import Path

from cli.probed import Probed
from cli.probed_text import TextToRead
from cli.schema import ProbeCommand
from common.errors import InputError
from common.progress import Progress
from data import Case, read_cases, split_cases
from data.cases import mine
from data.cases.fit import explain_fit, measurable_pairs
from data.cases.splits import OWN_SPLITS
from data.languages import load_language
from data.mixture import only_stories, stories_of
from data.stories import TASKS, cases
from probing import resolved_tasks
from report.probe_terminal import progress_bar

BEHAVIOUR_CASES = 40  # of each task, which show whether a model that was trained on other text resolves it


def read_cases_to_measure(probed: Probed, text: TextToRead | None) -> tuple[list[Case], list[Case]]:
    """The cases to select and those to report: of ``cases=`` if it is given, else stories and mined references.

    Where ``tasks=`` names tasks of stories, these alone. Otherwise a run that was trained on stories gets all of their
    tasks, any other those that it resolves, perhaps none; and for one that was trained on other text, references are
    mined from ``text``. None where tokens stand for no text.
    """
    command, tokenizer = probed.command, probed.tokenizer
    if command.cases is not None:
        own = read_cases(Path(command.cases))
        for sentence in explain_fit(own, tokenizer, probed.model.config.block_size):
            probed.console.note(sentence)
        try:
            return split_cases(own)
        except InputError as error:
            raise InputError(f"cases={command.cases}: {error}") from None
    if not tokenizer.has_text:
        if command.tasks:
            raise InputError(
                f"tasks=[{','.join(command.tasks)}]: are of text, and the tokens of this model stand for none"
            )
        return [], []
    corpora, tasks, mined = probed.run_text.corpora, command.tasks, []
    if tasks is None:
        with progress_bar(probed.console) as progress:
            if stories_of(corpora):
                tasks = tuple(TASKS)
            else:
                few = cases("select", BEHAVIOUR_CASES, command.seed, tuple(TASKS))
                tasks = tuple(resolved_tasks(probed.model, tokenizer, few, progress))
            if text is not None and not only_stories(corpora):
                mined = mined_cases(probed, text, progress)
    stories = [cases(split, command.n_cases, command.seed, tasks) if tasks else [] for split in OWN_SPLITS]
    select, report = (
        [*stories[i], *(case for case in mined if case.split == split)] for i, split in enumerate(OWN_SPLITS)
    )
    return select, report


def mined_cases(probed: Probed, text: TextToRead, progress: Progress) -> list[Case]:
    """References in the text that heads are measured in."""
    command, tokenizer = probed.command, probed.tokenizer
    if len(text.text.ids) > mine.MOST_TOKENS:
        probed.console.note(f"references in the text are mined in {text.mined_in}")
    if command.language is not None and not load_language(command.language).people.foils:
        probed.console.note(
            f"language={command.language}: it has no pronouns under she and he, so the only references that are "
            "mined are names and words that come again"
        )
    progress(f"references in {min(len(text.text.ids), mine.MOST_TOKENS):,} tokens", 0, None)
    block, most = probed.model.config.block_size, command.n_cases // 2
    found = mine.mine_tokens(text.text.ids, tokenizer, block, command.language, most)
    return measurable_pairs(found.cases, tokenizer)


def about_cases(command: ProbeCommand, report: list[Case], text: TextToRead | None) -> dict:
    """Where the cases come from, how much text references were mined in, and which tasks of stories were asked for, if
    only some.
    """
    if command.cases is not None or not report:
        return {"cases": command.cases}
    present = {case.task for case in report}
    tasks = [name for name in TASKS if name in present]
    about = {"cases": " and ".join(["stories"] * bool(tasks) + ["text"] * (len(present) > len(tasks)))}
    if text is not None and len(present) > len(tasks):
        about["mined_in"] = text.mined_in
    return about | ({"tasks": tasks} if 0 < len(tasks) < len(TASKS) else {})
