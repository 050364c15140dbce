"""What train.py prints: a progress bar while text becomes tokens and while a model trains, and its evaluations."""

import shlex
from pathlib import Path

from rich.progress import Progress, TimeRemainingColumn
from rich.table import Table

from report.terminal import new_bar, open_console
from report.training_summary import STORY_COLUMNS
from storage.checkpoint import latest_state, saved_steps
from storage.metrics import Row
from training.answers import ACCURACY
from training.evaluation import part_losses, tasks_of
from training.loop import Trainer

BAR = 1_000


class Console:
    """A progress bar on a terminal, plain lines elsewhere. Evaluations stay on the screen as one line each."""

    def __init__(self, quiet: bool = False) -> None:
        self.out = open_console(quiet)
        self.bar: Progress | None = None
        self.trainer: Trainer | None = None

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_bar()

    def note(self, text: str) -> None:
        self.out.note(text)

    def start_bar(self, text: str, total: int | None) -> Progress:
        self.stop_bar()
        self.bar = bar = new_bar(self.out, TimeRemainingColumn())
        self.task = bar.add_task(text, total=total)
        bar.start()
        return bar

    def stop_bar(self) -> None:
        if self.bar:
            self.bar.stop()
        self.bar = None

    def preparing(self, text: str, done: int, total: int | None) -> None:
        """A ``common.progress.Progress``: bytes of the corpus loaded, or made tokens; a line where it begins."""
        if done == 0:
            self.stop_bar()
            self.note(text)
            return
        bar = self.bar or self.start_bar(text, total)
        bar.update(self.task, description=f"{text} {done / 1e6:,.1f} MB", completed=done, total=total)

    def begin(self, trainer: Trainer) -> None:
        self.stop_bar()
        self.trainer = trainer
        model, tokenizer = trainer.model, trainer.dataset.tokenizer
        vocabulary = f"; vocabulary {tokenizer.vocab_size:,} ({tokenizer.kind})"
        for i, (name, share, own) in enumerate(trainer.dataset.every_part):
            of = f"{name}, {share:.3g} of the tokens of a step: " if name else ""
            tokens = f"{of}{len(own.train):,} tokens to train on, {len(own.val):,} to validate"
            self.out.print(f"{'' if i else 'data':7}{tokens}{'' if i else vocabulary}")
            for note in own.counts.notes():
                self.out.print(f"       {note}")
        self.out.print(f"model  {model.n_parameters():,} parameters on {trainer.device}; {trainer.describe()}")
        at = f", continuing at step {trainer.step:,}" if trainer.step else ""
        self.out.print(f"run    {trainer.run}{at}")
        self.start_bar("training", BAR)

    def training(self, row: Row) -> None:
        """A sink of ``storage.metrics``."""
        if "val_loss" in row:
            self.out.print(evaluation_line(row))
            if table := story_table(row):
                self.out.print(table)
        if self.bar and self.trainer and "train_loss" in row:
            text = f"step {row['step']:,}  loss {row['train_loss']:.3f}  {row.get('tokens_per_second', 0):,} tokens/s"
            self.bar.update(self.task, description=text, completed=BAR * self.trainer.fraction())

    def already_ended(self, run: Path, patience: int | None) -> None:
        """For a run that is resumed with nothing left to do."""
        state = latest_state(run)
        why, more = "has used up its budget", "a larger one"
        if patience and (n := state["evaluations_since_best"]) >= patience:
            why, more = f"had no lower validation loss in {n} evaluations", "a larger patience, or patience=null"
        self.out.print(f"done   {run} {why} at step {state['step']:,}; to continue, give {more}")

    def end(self, trainer: Trainer) -> None:
        self.stop_bar()
        steps = saved_steps(trainer.run)
        if trainer.stops.agreed:
            self.out.print(
                f"stopped by signal at step {trainer.step:,} and saved; resume with: "
                f"python train.py {shlex.quote(f'run={trainer.run}')} resume=true"
            )
            return
        if trainer.config.patience and trainer.evaluations_since_best >= trainer.config.patience:
            self.note(f"no lower validation loss in {trainer.evaluations_since_best} evaluations, so training ends")
        minutes = f"{trainer.seconds / 60:.1f} minutes, {trainer.tokens:,} tokens"
        best = "nothing was trained"
        if trainer.best_step:
            best = f"best validation loss {trainer.best_loss:.4f} at step {trainer.best_step:,}"
        self.out.print(f"done   {minutes}; {best}; checkpoints at {', '.join(map(str, steps))}")


def evaluation_line(row: Row) -> str:
    """One evaluation in words: loss in nats per token, of text bits per byte, of a mixture the loss on each corpus, and
    how often each task's answer is right.
    """
    line = f"step {row['step']:6,}  val loss {row['val_loss']:.4f}"
    if "val_bpb" in row:
        line += f"  bits/byte {row['val_bpb']:.4f}"
    if losses := part_losses(row):
        line += f"  ({', '.join(f'{name} {loss:.4f}' for name, loss in losses.items())})"
    right = [f"{task} {row[f'referential/{task}/accuracy']:.0%}" for task in tasks_of(row, "referential")]
    if (accuracy := row.get(ACCURACY)) is not None:
        right.append(f"{accuracy:.1%} of answers")
    return line + ("  right: " + " ".join(right) if right else "")


def story_table(row: Row) -> Table | None:
    """How the stories were understood at the end, on held-out cases and under generalisation; None without stories."""
    if not tasks_of(row, "report"):
        return None
    table = Table(
        title="references resolved in held-out stories", title_justify="left", show_edge=False, pad_edge=False
    )
    table.add_column("task", no_wrap=True)
    for heading in STORY_COLUMNS:
        table.add_column(heading.replace(" ", "\n"), justify="right")  # so that all fit into 80 columns
    formats = {"loss": "{:.3f}", "chance": "{:.2f}"}
    for task in tasks_of(row, "report"):
        values = {heading: row.get(key.format(task)) for heading, key in STORY_COLUMNS.items()}
        cells = (
            "-" if value is None else formats.get(heading, "{:.1%}").format(value) for heading, value in values.items()
        )
        table.add_row(task, *cells)
    return table
