"""See what the heads of a run do: ``python probe.py run=runs/NAME [text="..."]``; configs/probe.yaml has the keys.

With ``text`` nothing is measured: the model reads that sentence.
"""

import json
from dataclasses import replace
from pathlib import Path

import cli
from cli.composing import written
from cli.lines import for_each_text
from cli.probed import Probed
from cli.probed_cases import about_cases, read_cases_to_measure
from cli.probed_dynamics import with_dynamics
from cli.probed_text import TextToRead, read_text
from cli.schema import ProbeCommand
from common.atomic import require_writable
from common.errors import InputError
from common.progress import Progress
from common.visible import visible_text
from data import Case
from data.cases.minimal_pairs import read_pairs
from data.mixture import stories_of
from probing import Findings, probe, write_files
from probing.heads import require_heads
from probing.known_sentences import read_known_sentences
from probing.lists import TASK as LISTS
from probing.pairs import score_pairs, write_pairs
from report.live_page import live_parts_of
from report.pairs_terminal import print_pairs
from report.probe_page import PAGE, write_probe_page
from report.probe_terminal import print_findings, progress_bar
from report.sentence import new_printer
from report.terminal import Output, open_console
from report.training_page import write_training_page
from storage import snapshots
from storage.probe_folder import HEADS, asked_before, pairs_before, require_own
from storage.weights import load_model
from training import pick_device


def main(command: ProbeCommand) -> None:
    console = open_console(only_output=command.text is not None)
    run = Path(command.run)
    model, tokenizer, state = load_model(run, command.checkpoint, pick_device(command.device))
    probed = Probed(command, model, tokenizer, state, console)
    if command.text is not None:
        trained = probed.run_text.trained_stories(state["dataset"])
        for_each_text("text", command.text, new_printer(run, state["step"], model, tokenizer, trained, console).show)
        return
    from report.figures import draw_figures  # slow to import, and a sentence does without

    folder = folder_to_write(run, command.to)
    if command.pairs is not None:
        compare(probed, command.pairs, folder)
        return
    require_measurable(probed)
    text = read_text(probed)
    select, report = read_cases_to_measure(probed, text)
    if not report and text is None:
        raise InputError(f"run={run}: there is nothing to measure its heads on; give cases=FILE or text_file=PATH")
    console.print(f"run {visible_text(str(run))}, step {state['step']:,}; {what_is_measured(select, report, text)}")
    asked = {"cases": command.cases, "tasks": command.tasks, "n_cases": command.n_cases}
    note_what_is_replaced(probed, folder, asked)
    source = probed.source | about_cases(command, report, text) | {"seed": command.seed, "asked": asked}
    with progress_bar(console) as progress:
        findings = measure_cases(probed, select, report, source, progress)
        if text is not None:
            if report and not (folder / HEADS).exists():  # first, so that whatever comes after costs nothing
                write_anew(findings, folder)
            findings = replace(findings, text=text.measure(probed, progress))
        files = write_anew(findings, folder)
    print_findings(findings, console)
    if command.circuits and not any(result.resolved for result in findings.tasks):
        console.note("circuits=true: the model resolves no task, so no sets of heads are measured")
    windows = None if text is None else text.windows
    window = None if windows is None else windows.tokens[0, :-1].tolist()
    live = live_parts_of(findings, tokenizer, report, windows)
    if command.dynamics:
        write_probe_page(findings, tokenizer, folder, window, live)
        findings = with_dynamics(probed, findings, select, report, text)
        files = write_files(findings, folder)
    files += [
        *write_probe_page(findings, tokenizer, folder, window, live),
        *draw_figures(findings, tokenizer, folder, command.figures),
        *(write_training_page(run) if command.to is None else ()),  # which shows the dynamics, too, or no longer does
    ]
    print_written(files, console)


def folder_to_write(run: Path, to: str | None) -> Path:
    """The folder for what is found; raises InputError where it cannot be written, or has other things."""
    folder = run / "probe" if to is None else Path(to)
    if to is None:
        require_writable(run)  # where the run's own page is written, too
        require_writable(folder)
    else:
        require_writable(folder, "to")
        require_own(folder)
    return folder


def write_anew(findings: Findings, folder: Path) -> list[Path]:
    """``write_files``, in place of what an earlier probe has written: its page and figures would show other numbers."""
    from report.figures import remove_figures

    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).unlink(missing_ok=True)
    remove_figures(folder)
    return write_files(findings, folder)


def compare(probed: Probed, path: str, folder: Path) -> None:
    """Minimal pairs instead of heads."""
    console, source = probed.console, probed.source
    pairs, asked = read_pairs(Path(path)), source | {"pairs": path}
    before = pairs_before(folder)
    if before is not None and before != asked:
        given = ", ".join(f"{key}={written(before.get(key))}" for key in ("pairs", "step"))
        console.note(f"{folder} has what a comparison with {given} found, which is replaced; to=FOLDER keeps both")
    console.print(f"run {visible_text(source['run'])}, step {source['step']:,}; {len(pairs):,} pairs of sentences")
    scored = score_pairs(probed.model, probed.tokenizer, pairs)
    print_pairs(scored, console)
    folder.mkdir(parents=True, exist_ok=True)
    print_written(write_pairs(scored, folder, asked), console)


def require_measurable(probed: Probed) -> None:
    """Raises InputError for a model without heads, and where there are no snapshots for ``dynamics``."""
    require_heads(probed.model.config, probed.run)
    if probed.command.dynamics and not snapshots.saved(probed.run):
        raise InputError(f"dynamics=true: {probed.run} has no snapshots; train with snapshots=2")


def what_is_measured(select: list[Case], report: list[Case], text: TextToRead | None) -> str:
    parts = [f"{len(select)} cases to select, {len(report)} to report"] if report else []
    if text is not None:
        where = "its own validation text" if text.text.file is None else text.text.file
        parts.append(f"{len(text.windows)} windows of {text.windows.length} tokens of {where}")
    return "; ".join(parts)


def note_what_is_replaced(probed: Probed, folder: Path, asked: dict) -> None:
    """Says so where the folder has what another probe found: of other cases or text, or with more."""
    before = asked_before(folder)
    now = asked | {key: vars(probed.command)[key] for key in ("checkpoint", "text_file", "dynamics", "circuits")}
    if before is not None and before != json.loads(json.dumps(now)):
        given = ", ".join(f"{key}={written(value)}" for key, value in before.items() if value not in (None, False))
        probed.console.note(f"{folder} has what a probe with {given} found, which is replaced; to=FOLDER keeps both")


def measure_cases(probed: Probed, select: list[Case], report: list[Case], source: dict, progress: Progress) -> Findings:
    """The findings on the cases and, of a run on stories, on the sentences that articles use."""
    command, model, tokenizer = probed.command, probed.model, probed.tokenizer
    findings = probe(model, tokenizer, select, report, command.seed, source, progress, command.circuits)
    if command.cases is None and stories_of(probed.run_text.corpora):
        sentences, left_out = read_known_sentences(model, tokenizer, findings.tasks)
        findings = replace(findings, sentences=sentences, too_few=[*findings.too_few, *left_out])
    if command.cases is not None and {result.name for result in findings.tasks} <= {LISTS}:
        why = "; ".join(findings.too_few) or "give others"
        raise InputError(f"cases={command.cases}: none of its tasks can be measured; {why}")
    return findings


def print_written(files: list[Path], console: Output) -> None:
    console.print(visible_text(f"written: {', '.join(map(str, files))}"))


if __name__ == "__main__":
    cli.launch(main, "probe", ProbeCommand)
