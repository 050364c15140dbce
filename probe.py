"""See what the heads of a run do: ``python probe.py run=runs/NAME [text="..."]``; configs/probe.yaml has the keys."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch
from rich.console import Console

import cli
from cli.schema import ProbeCommand
from common.atomic import require_writable
from common.errors import InputError
from data import Case, Tokenizer, read_cases, split_cases
from data.cases.fit import explain_fit
from data.cases.minimal_pairs import read_pairs
from data.stories import TASKS, cases
from model import GPT
from probing import Findings, encode_tasks, probe, record_dynamics, write_files
from probing.pairs import score_pairs, write_pairs
from probing.sentence import encode_sentence, query_positions
from probing.splits import Split
from report.examples import own_text
from report.figures import draw_dynamics, draw_role_map, draw_sites, draw_stories, remove_figures
from report.probe_page import PAGE, write_probe_page
from report.probe_terminal import print_findings, print_pairs, progress_bar
from report.terminal import open_console
from report.tinted_text import show_sentence
from report.training_page import write_training_page
from storage import snapshots
from storage.weights import load_model
from training import pick_device

DYNAMICS_CASES = 100  # of each task and split


def main(command: ProbeCommand) -> None:
    console = open_console()
    run, device = Path(command.run), pick_device(command.device)
    model, tokenizer, state = load_model(run, command.checkpoint, device)
    for folder in (run, run / "probe"):  # the run's own page is written, too
        require_writable(folder)
    source = {"run": run.name, "step": state["step"], "tokens": state["tokens"], "checkpoint": command.checkpoint}
    if command.pairs is not None:
        compare(command.pairs, model, tokenizer, source, run / "probe", console)
        return
    if not model.config.layers_with_heads:
        raise InputError(f"run={run}: attention={model.config.attention} has no heads to probe")
    sentence = encode_sentence(command.text, model, tokenizer) if command.text is not None else None
    if command.dynamics and not snapshots.saved(run):
        raise InputError(f"dynamics=true: {run} has no snapshots; train with snapshots=2")
    select, report = read(command, model, tokenizer, console)
    console.print(f"run {run}, step {state['step']:,}; {len(select)} cases to select, {len(report)} to report")
    source |= {"cases": command.cases or "stories", "seed": command.seed}
    if command.tasks:
        source["tasks"] = list(command.tasks)
    with progress_bar(console) as progress:
        findings = probe(model, tokenizer, select, report, command.seed, source, progress)
    print_findings(findings, console)
    if sentence is not None:
        show_sentence(model, tokenizer, findings, sentence, console)
    folder = run / "probe"
    folder.mkdir(exist_ok=True)
    files = write_files(findings, folder)  # first, so that a full disk or failing dynamics costs nothing
    (folder / PAGE).unlink(missing_ok=True)  # of an earlier time
    remove_figures(folder)
    own = own_text(tokenizer, sentence, query_positions(sentence, tokenizer)) if sentence is not None else None
    if command.dynamics:
        write_probe_page(findings, tokenizer, folder, own)
        with progress_bar(console) as progress:
            findings = with_dynamics(findings, run, tokenizer, select, report, command.seed, device, progress)
        files = write_files(findings, folder)
    written = [
        *files,
        *write_probe_page(findings, tokenizer, folder, own),
        *draw_role_map(findings, folder / f"role_map.{command.figures}"),
        *draw_stories(findings, tokenizer, folder / f"stories.{command.figures}"),
        *draw_sites(findings, folder / f"sites.{command.figures}"),
        *draw_dynamics(findings.dynamics, folder / f"dynamics.{command.figures}"),
        *write_training_page(run),  # which shows the dynamics, too, or no longer does
    ]
    console.print(f"written: {', '.join(map(str, written))}")


def compare(path: str, model: GPT, tokenizer: Tokenizer, source: dict, folder: Path, console: Console) -> None:
    """Minimal pairs instead of heads."""
    pairs = read_pairs(Path(path))
    console.print(f"run {folder.parent}, step {source['step']:,}; {len(pairs):,} pairs of sentences")
    scored = score_pairs(model, tokenizer, pairs)
    print_pairs(scored, console)
    folder.mkdir(exist_ok=True)
    written = write_pairs(scored, folder, source | {"pairs": path})
    console.print(f"written: {', '.join(map(str, written))}")


def read(command: ProbeCommand, model: GPT, tokenizer: Tokenizer, console: Console) -> tuple[list[Case], list[Case]]:
    """The cases to select and to report: the user's own, or stories."""
    if command.cases is None:
        tasks = command.tasks or tuple(TASKS)
        select, report = (cases(split, command.n_cases, command.seed, tasks) for split in ("select", "report"))
        return select, report
    own = read_cases(Path(command.cases))
    for sentence in explain_fit(own, tokenizer, model.config.block_size):
        console.print(f"note   {sentence}")
    return split_cases(own)


def with_dynamics(
    findings: Findings,
    run: Path,
    tokenizer: Tokenizer,
    select: list[Case],
    report: list[Case],
    seed: int,
    device: torch.device,
    progress: Callable[[str, int, int], None],
) -> Findings:
    """The findings with what their best heads did at each snapshot of the run, and do now."""
    now = {key: findings.source[key] for key in ("step", "tokens")}
    tasks, _ = encode_tasks(tokenizer, select, report, findings.model.config.block_size, seed)
    fewer = {name: tuple(Split(part).part(DYNAMICS_CASES).cases for part in both) for name, both in tasks.items()}
    chosen = {result.name: (result.best, result.quotes[result.best].site) for result in findings.tasks}
    n = len(snapshots.saved(run)) + 1

    def moments() -> Iterator[tuple[dict, GPT]]:
        for i, (moment, model) in enumerate(chain(snapshots.load_all(run, device), [(now, findings.model)])):
            progress(f"training dynamics, step {moment['step']:,}", i, n)
            yield moment, model

    by_step = {moment["step"]: moment for moment in record_dynamics(moments(), fewer, chosen)}
    return replace(findings, dynamics=[by_step[step] for step in sorted(by_step)])


if __name__ == "__main__":
    cli.launch(main, "probe", ProbeCommand)
