"""What the heads that a probe has found did at each snapshot of the run."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from cli.probed import Probed
from cli.probed_text import TextToRead
from common.progress import Progress
from data import Case
from model import GPT
from probing import Findings, dynamics_at, encode_tasks
from probing.in_text.language import language_of
from probing.in_text.quick import costs_at, quick_text
from probing.splits import TaskCases
from report.probe_terminal import progress_bar
from storage import snapshots

DYNAMICS_CASES = 100  # of each task and split


def with_dynamics(
    probed: Probed, findings: Findings, select: list[Case], report: list[Case], text: TextToRead | None
) -> Findings:
    """The findings with what their best heads did at each snapshot, and what each head costs in the text."""
    command, tokenizer = probed.command, probed.tokenizer
    tasks, of_tasks, of_text, quick = {}, [], [], None
    with progress_bar(probed.console) as progress:
        if findings.tasks:
            both, _ = encode_tasks(tokenizer, select, report, probed.model.config.block_size, command.seed)
            tasks = {name: TaskCases(*(split.part(DYNAMICS_CASES) for split in own)) for name, own in both.items()}
        if text is not None:
            plan = replace(text.plan, length=text.windows.length)
            language = language_of(text.windows.tokens, tokenizer, command.language)
            quick = quick_text(plan, text.text.ids, tokenizer, language)
        chosen = {result.name: (result.best, result.quotes[result.best].site) for result in findings.tasks}
        for moment, model in saved_moments(probed, progress):
            if tasks:
                of_tasks.append(dynamics_at(moment, model, tasks, chosen))
            if quick is not None:
                of_text.append(costs_at(moment, model, quick))
    if tasks:
        findings = replace(findings, dynamics=ordered_by_step(of_tasks))
    if findings.text is not None:
        findings = replace(findings, text={**findings.text, "dynamics": ordered_by_step(of_text)})
    return findings


def saved_moments(probed: Probed, progress: Progress) -> Iterator[tuple[dict, GPT]]:
    """The model at each snapshot of the run, and as it is probed; with its step and tokens."""
    now = {key: probed.state[key] for key in ("step", "tokens")}
    n, device = len(snapshots.saved(probed.run)) + 1, probed.model.embed.weight.device
    for i, (moment, model) in enumerate(chain(snapshots.load_all(probed.run, device), [(now, probed.model)])):
        progress(f"training dynamics, step {moment['step']:,}", i, n)
        yield moment, model


def ordered_by_step(moments: list[dict]) -> list[dict]:
    """By step, each once: the checkpoint that is probed may be one of the snapshots."""
    by_step = {moment["step"]: moment for moment in moments}
    return [by_step[step] for step in sorted(by_step)]
