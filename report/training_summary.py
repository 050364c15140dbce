"""What a run's page says in words: where the run stands, how good its model is, which references it resolves."""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from common.visible import visible_name
from report.pages import NBSP, counted, millions, percent, shape_of
from report.text_summary import kind_in_words
from storage.metrics import Row, best_evaluation, evaluations_of
from training import schedule
from training.config import TrainConfig
from training.evaluation import part_losses, tasks_of

State = Literal["training", "stopped", "failed", "ended"]
# What is reported of stories at the end of a run: heading -> key of the metrics row, for a task.
STORY_COLUMNS = {
    "right": "report/{}/accuracy",
    "loss": "report/{}/loss",
    "chance": "report/{}/chance_loss",
    "new templates": "templates/{}/accuracy",
    "longer gaps": "gaps/{}/accuracy",
    "unseen names": "unseen_names/{}/accuracy",
    "new role": "new_role/{}/accuracy",
}


def below_chance_since(rows: Sequence[Row], task: str) -> int | None:
    """The step from which on the loss on a task's answers stays below its chance loss; None: there is none."""
    since = None
    for row in evaluations_of(rows):
        loss, chance_loss = (row.get(f"referential/{task}/{name}") for name in ("loss", "chance_loss"))
        below = loss is not None and chance_loss is not None and loss < chance_loss
        since = (row["step"] if since is None else since) if below else None
    return since


def has_ended(config: TrainConfig, rows: Sequence[Row]) -> bool:
    """Whether the record says that the budget or the patience is used up."""
    steps, best = {row["step"] for row in evaluations_of(rows)}, best_evaluation(rows)
    since_best = sum(step > (best["step"] if best else 0) for step in steps)
    return schedule.has_ended(config, rows[-1], since_best, max(steps))


def about(run: Path, settings: Mapping, now: datetime) -> str:
    """The line over a page's title: which run, of what, and when this was written."""
    model = settings["model"]
    shape = shape_of(model["n_layer"], model["n_head"], model["attention"])
    network = f"{shape}, {model['n_embd']} wide ({model['attention']})"
    batch = f"{settings['optimizer']['name']}, {settings['tokens_per_step']:,} tokens a step"
    written = f"written {now.day} {now:%B %Y, %H:%M:%S}"
    return " · ".join((f"run {run.resolve().name}", corpora_in_words(settings), network, batch, written))


def corpora_in_words(settings: Mapping) -> str:
    """Such as "files + 10 % stories"; a run of an earlier version is no mixture."""
    shares = {name: part["share"] for name, part in (settings.get("mix") or {}).items() if part["share"]}
    return " + ".join([settings["data"]["name"], *(f"{100 * share:g}{NBSP}% {name}" for name, share in shares.items())])


def title(config: TrainConfig, rows: Sequence[Row]) -> str:
    """How good the model is at the latest evaluation, as one sentence."""
    row = evaluations_of(rows)[-1]
    if row["val_loss"] is None:
        return f"{position(config, row)}: the validation loss is not finite"
    loss = f"validation loss {row['val_loss']:.4f} nats per token"
    per_byte = f", {row['val_bpb']:.4f} bits per byte" if "val_bpb" in row else ""
    return f"{position(config, row)}: {loss}{per_byte}"


def position(config: TrainConfig, row: Row) -> str:
    """The step, and the part of the budget that is nearest to being used up."""
    step, tokens, minutes = row["step"], row["tokens"], row.get("seconds", 0.0) / 60
    parts = []
    if config.max_steps is not None:
        parts.append((step / config.max_steps if config.max_steps else 1.0, f"Step {step:,} of {config.max_steps:,}"))
    if config.max_tokens:
        of = f"{millions(tokens)} of {millions(config.max_tokens)} tokens"
        parts.append((tokens / config.max_tokens, f"Step {step:,}, {of}"))
    if config.max_minutes:
        of = f"{minutes:.1f} of {config.max_minutes:g} minutes"
        parts.append((minutes / config.max_minutes, f"Step {step:,}, {of}"))
    return max(parts, key=lambda part: part[0])[1]


def sentences(config: TrainConfig, rows: Sequence[Row], run: Path, state: State | None) -> list[str]:
    """What supports the title. ``state`` None: somebody who did not train wrote this, and knows the record alone."""
    if state in (None, "stopped") and has_ended(config, rows):
        state = "ended"
    lines = [
        progress(config, rows[-1], run, state),
        *about_best(rows),
        *about_parts(rows),
        *about_references(rows),
        *about_heads(rows),
    ]
    skipped = rows[-1].get("skipped", 0)
    if skipped:
        were = "step was skipped: its" if skipped == 1 else "steps were skipped: their"
        lines.append(f"{skipped:,} {were} loss or gradient was not finite.")
    return lines


def progress(config: TrainConfig, row: Row, run: Path, state: State | None) -> str:
    spent = f"{millions(row['tokens'])} tokens"
    if row.get("train_seconds"):
        rate = row["tokens"] / row["train_seconds"]
        spent = f"{duration(row['seconds'])} and {spent}, {rate:,.0f} tokens a second"
    seconds = row.get("seconds", 0.0)  # the row of step 0 has no clock
    share = f"{percent(schedule.fraction_done(config, row['step'], row['tokens'], seconds))} of the budget"
    if state == "ended":
        return f"Training ended at step {row['step']:,}, after {spent}."
    if state == "training":
        return (
            f"{share} was used up when this was written, {spent}. "
            "Every evaluation rewrites this page; reload it to see more."
        )
    if state in ("stopped", "failed"):
        how = f"python train.py {shlex.quote(f'run={run}')} resume=true"
        verb = "was stopped" if state == "stopped" else "failed"
        return f"Training {verb} after step {row['step']:,}: {share} used up, {spent}. To resume: {how}"
    return f"Training had not ended at step {row['step']:,} when this was written: {share} used up, {spent}."


def about_best(rows: Sequence[Row]) -> list[str]:
    best = best_evaluation(rows)
    if best is None:
        return []
    later = [row for row in evaluations_of(rows) if row["step"] > best["step"]]
    if not later:
        return ["No earlier evaluation was better."] if len(evaluations_of(rows)) > 2 else []
    ago = f"{counted(len(later), 'evaluation')} ago"
    return [
        f"The best validation loss, {best['val_loss']:.4f}, was at step {best['step']:,}, {ago}; "
        "sample.py and probe.py take the weights of that step."
    ]


def about_parts(rows: Sequence[Row]) -> list[str]:
    """What the validation loss of a mixture is made of."""
    losses = [
        f"{visible_name(name)} {loss:.4f}" if loss is not None else f"{visible_name(name)} not finite"
        for name, loss in part_losses(evaluations_of(rows)[-1]).items()
    ]
    return [f"The validation loss is the mean over the corpora by their shares: {', '.join(losses)}."] if losses else []


def about_references(rows: Sequence[Row]) -> list[str]:
    tasks = tasks_of(evaluations_of(rows)[-1], "referential")
    if not tasks:
        return []
    above = [visible_name(task) for task in tasks if below_chance_since(rows, task) is None]
    what = "the loss on the word that only the referent decides is below that of guessing between the candidates"
    if len(above) == len(tasks):
        return [f"In no task {what}."]
    if not above:
        return [f"In all {len(tasks)} tasks {what}."]
    return [f"In {len(tasks) - len(above)} of {len(tasks)} tasks {what}. Not yet: {', '.join(above)}."]


def about_heads(rows: Sequence[Row]) -> list[str]:
    """Without which head a text cost most at the latest quick probe, if it cost more without any."""
    row = next((row for row in reversed(rows) if "probe_seconds" in row), {})
    costs = {key.split("/")[2]: value for key, value in row.items() if re.fullmatch(r"probe/text/[\d.]+/nats", key)}
    costs = {head: value for head, value in costs.items() if value is not None and value > 0}
    if not costs:
        return []
    head = max(costs, key=lambda head: costs[head])
    kind, most = (row.get(f"probe/text/{head}/{name}") for name in ("kind", "kind_nats"))
    on = "" if kind is None or most is None else f"; most on {kind_in_words(kind)}, {most:.2f}"
    return [
        f"At step {row['step']:,} the loss grows most without head {head}: by {costs[head]:.3f} nats per token{on}."
    ]


def duration(seconds: float) -> str:
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
