"""See what the heads of a run do: ``python probe.py run=runs/NAME [text="..."]``; configs/probe.yaml has the keys.

With ``text`` nothing is measured: the model reads that sentence.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from rich.console import Console

import cli
from cli.composing import written
from cli.lines import for_each_text
from cli.run_text import HeldOut, corpora_of_run, text_of_file, trained_stories, validation_text
from cli.schema import ProbeCommand
from common.atomic import require_writable
from common.errors import InputError
from common.progress import Progress
from common.visible import visible_text
from data import Case, EncodedCase, Tokenizer, read_cases, split_cases
from data.cases import mine
from data.cases.fit import explain_fit, measurable_pairs
from data.cases.minimal_pairs import read_pairs
from data.cases.splits import OWN_SPLITS
from data.languages import load_language
from data.mixture import only_stories, stories_of
from data.stories import TASKS, cases
from data.text.tokenizers import IDS
from model import GPT
from probing import Findings, dynamics_at, encode_tasks, in_text, probe, resolved_tasks, write_files
from probing.in_text import Windows, affordable, measure_text, windows_within
from probing.in_text.budget import Plan
from probing.in_text.quick import costs_at, quick_text
from probing.known_sentences import read_known_sentences
from probing.pairs import score_pairs, write_pairs
from probing.splits import Split
from report.live_page import live_parts_of
from report.probe_page import PAGE, write_probe_page
from report.probe_terminal import print_findings, print_pairs, progress_bar
from report.sentence import new_printer
from report.terminal import open_console
from report.training_page import write_training_page
from storage import snapshots
from storage.run import is_run
from storage.weights import load_model, source_of
from training import pick_device

DYNAMICS_CASES = 100  # of each task and split
STORY_TOKENS = 20_000  # of stories, that heads are measured in: their tasks say more of them, and come first
BEHAVIOUR_CASES = 40  # of each task, which show whether a model that was trained on other text resolves it


def main(command: ProbeCommand) -> None:
    console = open_console(only_output=command.text is not None)
    run, device = Path(command.run), pick_device(command.device)
    model, tokenizer, state = load_model(run, command.checkpoint, device)
    if command.text is not None:
        trained = trained_stories(run, state["dataset"])
        for_each_text("text", command.text, new_printer(run, state["step"], model, tokenizer, trained, console).show)
        return
    from report.figures import draw_figures, remove_figures  # slow to import, and a sentence does without

    folder = run / "probe" if command.to is None else Path(command.to)
    require_writable(run)  # where the run's own page is written, too
    require_writable(folder, None if command.to is None else "to")
    if command.to is not None:
        require_own(folder)
    source = source_of(run, command.checkpoint, state)
    if command.pairs is not None:
        compare(command.pairs, model, tokenizer, source, folder, console)
        return
    if not model.config.layers_with_heads:
        raise InputError(f"run={run}: attention={model.config.attention} has no heads to probe")
    if command.dynamics and not snapshots.saved(run):
        raise InputError(f"dynamics=true: {run} has no snapshots; train with snapshots=2")
    text = read_text(command, model, tokenizer, state, console)
    select, report = read_cases_to_measure(command, model, tokenizer, text, console)
    if not report and text is None:
        raise InputError(f"run={run}: there is nothing to measure its heads on; give cases=FILE or text_file=PATH")
    console.print(f"run {visible_text(str(run))}, step {state['step']:,}; {describe(select, report, text)}")
    asked = {"cases": command.cases, "tasks": command.tasks, "n_cases": command.n_cases}
    note_what_is_replaced(folder, command, asked, console)
    source |= about_cases(command, report, text) | {"seed": command.seed, "asked": asked}
    with progress_bar(console) as progress:
        findings = probe(model, tokenizer, select, report, command.seed, source, progress, command.circuits)
        if command.cases is None and stories_of(corpora_of_run(run)):
            sentences, left_out = read_known_sentences(model, tokenizer, findings.tasks)
            findings = replace(findings, sentences=sentences, too_few=[*findings.too_few, *left_out])
        if command.cases is not None and not findings.tasks:
            why = "; ".join(findings.too_few) or "give others"
            raise InputError(f"cases={command.cases}: none of its tasks can be measured; {why}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PAGE).unlink(missing_ok=True)  # of an earlier time
        remove_figures(folder)
        if text is not None:
            if report:  # first, so that whatever comes after costs nothing
                write_files(findings, folder)
            findings = replace(findings, text=text.measure(model, tokenizer, command, progress))
        files = write_files(findings, folder)
    print_findings(findings, console)
    if command.circuits and not any(result.resolved for result in findings.tasks):
        console.print("note   circuits=true: the model resolves no task, so no sets of heads are measured")
    windows = None if text is None else text.windows
    window = None if windows is None else windows.tokens[0, :-1].tolist()
    live = live_parts_of(findings, tokenizer, report, windows)
    if command.dynamics:
        write_probe_page(findings, tokenizer, folder, window, live)
        with progress_bar(console) as progress:
            moments = saved_moments(findings, run, device, progress)
            findings = with_dynamics(findings, moments, tokenizer, select, report, text, command)
        files = write_files(findings, folder)
    written = [
        *files,
        *write_probe_page(findings, tokenizer, folder, window, live),
        *draw_figures(findings, tokenizer, folder, command.figures),
        *write_training_page(run),  # which shows the dynamics, too, or no longer does
    ]
    console.print(visible_text(f"written: {', '.join(map(str, written))}"))


@dataclass(frozen=True)
class TextToRead:
    """A text, the windows of it that are read, and the plan that says how."""

    text: HeldOut
    plan: Plan
    windows: Windows

    @property
    def plan_as_read(self) -> Plan:
        """The plan with windows as long as those of this text."""
        return replace(self.plan, length=self.windows.length)

    @property
    def mined_in(self) -> str:
        """How much of the text references are mined in."""
        n = len(self.text.ids)
        return f"its first {mine.MOST_TOKENS:,} tokens" if n > mine.MOST_TOKENS else f"all of its {n:,} tokens"

    def measure(self, model: GPT, tokenizer: Tokenizer, command: ProbeCommand, progress: Progress) -> dict:
        """The profile of the heads in it, as heads.json has it."""
        profile = measure_text(
            model, tokenizer, self.windows, command.language, command.seed, progress, self.plan.ablations
        )
        return in_text.to_json(profile) | {"source": {"text_file": self.text.file}}


def require_own(folder: Path) -> None:
    """Raises InputError where ``folder`` holds other things than an earlier probe's, which a probe might replace."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if is_run(folder) or (names and not names & {"heads.json", "pairs.json"}):
        raise InputError(f"to={folder}: holds something else than a probe's files; give a new folder")


def note_what_is_replaced(folder: Path, command: ProbeCommand, asked: dict, console: Console) -> None:
    """Says so where the folder has what another probe found: of other cases or text, or with more."""
    try:
        heads = json.loads((folder / "heads.json").read_bytes())
        before = heads["model"]["asked"] | {
            "checkpoint": heads["model"]["checkpoint"],
            "text_file": ((heads["text"] or {}).get("source") or {}).get("text_file"),
            "dynamics": bool(heads["dynamics"]),
            "circuits": any(task["sufficient"] for task in heads["tasks"].values()),
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    now = asked | {key: vars(command)[key] for key in ("checkpoint", "text_file", "dynamics", "circuits")}
    if before != json.loads(json.dumps(now)):
        given = ", ".join(f"{key}={written(value)}" for key, value in before.items() if value not in (None, False))
        console.print(
            visible_text(
                f"note   {folder} has what a probe with {given} found, which is replaced; to=FOLDER keeps both"
            )
        )


def read_text(
    command: ProbeCommand, model: GPT, tokenizer: Tokenizer, state: dict, console: Console
) -> TextToRead | None:
    """The text to measure heads in: ``text_file``, or else the run's own validation text; if that cannot be had, None,
    and a note says why.
    """
    run, plan = Path(command.run), affordable(model)
    if command.language is not None:
        load_language(command.language)  # which raises InputError for one that is unknown, before anything is read
    if command.text_file is not None:
        with progress_bar(console) as progress:
            text = text_of_file(run, command.text_file, tokenizer, progress)
        try:
            windows = windows_within(plan, text.ids, tokenizer, command.n_tokens)
        except InputError as error:
            raise InputError(f"text_file={command.text_file}: {error}") from None
    else:
        try:
            with progress_bar(console) as progress:
                text = validation_text(run, state["dataset"], progress)
            if only_stories(corpora_of_run(run)):
                plan = replace(plan, n_tokens=min(plan.n_tokens, STORY_TOKENS))
            windows = windows_within(plan, text.ids, tokenizer, command.n_tokens)
        except InputError as error:
            console.print(f"note   heads are not measured in the run's validation text: {error}")
            return None
    for sentence in text.notes:
        console.print(f"note   text_file: {sentence}")
    if any(corpus.document_mask for _, corpus in corpora_of_run(run).values()):
        console.print(
            "note   data.document_mask=true: in the text that heads are measured in, documents see each other, as they "
            "did not in training; if they are short, these numbers mislead"
        )
    return TextToRead(text, plan, windows)


def describe(select: list[Case], report: list[Case], text: TextToRead | None) -> str:
    """What is going to be measured."""
    parts = [f"{len(select)} cases to select, {len(report)} to report"] if report else []
    if text is not None:
        where = "its own validation text" if text.text.file is None else text.text.file
        parts.append(f"{len(text.windows)} windows of {text.windows.length} tokens of {where}")
    return "; ".join(parts)


def compare(path: str, model: GPT, tokenizer: Tokenizer, source: dict, folder: Path, console: Console) -> None:
    """Minimal pairs instead of heads."""
    pairs = read_pairs(Path(path))
    console.print(f"run {visible_text(source['run'])}, step {source['step']:,}; {len(pairs):,} pairs of sentences")
    scored = score_pairs(model, tokenizer, pairs)
    print_pairs(scored, console)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_pairs(scored, folder, source | {"pairs": path})
    console.print(visible_text(f"written: {', '.join(map(str, written))}"))


def read_cases_to_measure(
    command: ProbeCommand, model: GPT, tokenizer: Tokenizer, text: TextToRead | None, console: Console
) -> tuple[list[Case], list[Case]]:
    """The cases to select and those to report: of ``cases=`` if it is given, else stories and mined references.

    Where ``tasks=`` names tasks of stories, these alone. Otherwise a run that was trained on stories gets all of their
    tasks, any other those that it resolves, perhaps none; and for one that was trained on other text, references are
    mined from ``text``. None where tokens stand for no text.
    """
    if command.cases is not None:
        own = read_cases(Path(command.cases))
        for sentence in explain_fit(own, tokenizer, model.config.block_size):
            console.print(f"note   {sentence}")
        try:
            return split_cases(own)
        except InputError as error:
            raise InputError(f"cases={command.cases}: {error}") from None
    if tokenizer.kind == IDS:
        if command.tasks:
            raise InputError(
                f"tasks=[{','.join(command.tasks)}]: are of text, and the tokens of this model stand for none"
            )
        return [], []
    corpora, tasks, mined = corpora_of_run(Path(command.run)), command.tasks, []
    if tasks is None:
        with progress_bar(console) as progress:
            if stories_of(corpora):
                tasks = tuple(TASKS)
            else:
                few = cases("select", BEHAVIOUR_CASES, command.seed, tuple(TASKS))
                tasks = tuple(resolved_tasks(model, tokenizer, few, progress))
            if text is not None and not only_stories(corpora):
                mined = mined_cases(command, model, tokenizer, text, console, progress)
    stories = [cases(split, command.n_cases, command.seed, tasks) if tasks else [] for split in OWN_SPLITS]
    select, report = (
        [*stories[i], *(case for case in mined if case.split == split)] for i, split in enumerate(OWN_SPLITS)
    )
    return select, report


def mined_cases(
    command: ProbeCommand, model: GPT, tokenizer: Tokenizer, text: TextToRead, console: Console, progress: Progress
) -> list[Case]:
    """References in the text that heads are measured in."""
    if len(text.text.ids) > mine.MOST_TOKENS:
        console.print(f"note   references in the text are mined in {text.mined_in}")
    if command.language is not None and not load_language(command.language).people.foils:
        console.print(
            f"note   language={command.language}: it has no pronouns under she and he, so the only references that are "
            "mined are names and words that come again"
        )
    progress(f"references in {min(len(text.text.ids), mine.MOST_TOKENS):,} tokens", 0, None)
    block, most = model.config.block_size, command.n_cases // 2
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


def saved_moments(
    findings: Findings, run: Path, device: torch.device, progress: Progress
) -> Iterator[tuple[dict, GPT]]:
    """The model at each snapshot of the run, and as it is probed; with its step and tokens."""
    now = {key: findings.source[key] for key in ("step", "tokens")}
    n = len(snapshots.saved(run)) + 1
    for i, (moment, model) in enumerate(chain(snapshots.load_all(run, device), [(now, findings.model)])):
        progress(f"training dynamics, step {moment['step']:,}", i, n)
        yield moment, model


def with_dynamics(
    findings: Findings,
    moments: Iterable[tuple[dict, GPT]],
    tokenizer: Tokenizer,
    select: list[Case],
    report: list[Case],
    text: TextToRead | None,
    command: ProbeCommand,
) -> Findings:
    """The findings with what their best heads did at each of some moments, and what each head costs in the text."""
    tasks, of_tasks, of_text, quick = {}, [], [], None
    if findings.tasks:
        both, _ = encode_tasks(tokenizer, select, report, findings.model.config.block_size, command.seed)
        tasks = {name: (some(own[0]), some(own[1])) for name, own in both.items()}
    if text is not None:
        quick = quick_text(text.plan_as_read, text.text.ids, tokenizer, command.language)
    chosen = {result.name: (result.best, result.quotes[result.best].site) for result in findings.tasks}
    for moment, model in moments:
        if tasks:
            of_tasks.append(dynamics_at(moment, model, tasks, chosen))
        if quick is not None:
            of_text.append(costs_at(moment, model, quick))
    if tasks:
        findings = replace(findings, dynamics=in_order(of_tasks))
    if findings.text is not None:
        findings = replace(findings, text={**findings.text, "dynamics": in_order(of_text)})
    return findings


def some(cases: Sequence[EncodedCase]) -> Sequence[EncodedCase]:
    """As many of them as training dynamics are measured on."""
    return Split(cases).part(DYNAMICS_CASES).cases


def in_order(moments: list[dict]) -> list[dict]:
    """By step, each once: the checkpoint that is probed may be one of the snapshots."""
    by_step = {moment["step"]: moment for moment in moments}
    return [by_step[step] for step in sorted(by_step)]


if __name__ == "__main__":
    cli.launch(main, "probe", ProbeCommand)
