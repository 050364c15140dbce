"""Records of runs that never were: all that a page on training is drawn from, made by hand."""

import json
import math
from pathlib import Path

TASKS = ("cue", "verb_bias")
LN2 = math.log(2)
CONFIG = """max_steps: {max_steps}
max_tokens: {max_tokens}
max_minutes: {max_minutes}
patience: {patience}
tokens_per_step: 64
optimizer:
  name: muon
data:
  name: stories
model:
  n_layer: 2
  n_head: 2
  n_embd: 32
  attention: F
"""
BUDGET = {"max_steps": 400, "max_tokens": "null", "max_minutes": "null", "patience": "null"}


def evaluation(step: int, loss: float, **more: float | str) -> dict:
    """What every evaluation says."""
    return {"val_loss": loss, "val_bpb": loss / 3, "sample": f"written at {step}\nin two lines", **more}


def references(loss: float, prefix: str = "referential") -> dict:
    """Of two tasks, of which the second is always ahead by 0.4 nats."""
    numbers = {}
    for task, ahead in zip(TASKS, (0, 0.4), strict=True):
        numbers[f"{prefix}/{task}/loss"] = max(0.01, loss - ahead)
        numbers[f"{prefix}/{task}/accuracy"] = 1 / (1 + max(0.01, loss - ahead))
        numbers[f"{prefix}/{task}/preference"] = 0.75
        numbers[f"{prefix}/{task}/chance_loss"] = LN2
    return numbers


def look(step: int) -> dict:
    """What probes say, of the first task."""
    numbers = {"model_loss": 1.0, "model_accuracy": step / 500, "head": "1.0", "site": "A-1", "choice_accuracy": 0.5}
    numbers |= {"mass": 0.25, "weight_swap_drop": 0.5, "resample_ablation_drop": step / 100}
    return {**{f"probe/{TASKS[0]}/{name}": value for name, value in numbers.items()}, "probe_seconds": 0.5}


def record(last: int = 400, every: int = 100, logged: int = 10, plain: bool = False, looks: bool = False) -> list[dict]:
    """Rows of a run up to step ``last``, evaluated ``every`` so many steps; ``plain``: on text without tasks."""
    rows = []
    for step in range(0, last + 1, logged):
        row = {"step": step, "tokens": 64 * step}
        if step:
            clock = {"seconds": step / 2, "train_seconds": step / 4, "tokens_per_second": 256}
            row |= {"train_loss": 1 + 5 * math.exp(-step / 80) + 0.1 * math.sin(step), "skipped": 0, **clock}
        if step % every == 0:
            row |= evaluation(step, 1 + 5 * math.exp(-step / 90))
            row |= {} if plain else references(3 - step / 140)
            row |= look(step) if looks else {}
        rows.append(row)
    return rows


def write_run(folder: Path, rows: list[dict], **budget: float) -> Path:
    """The files of a run with this record, whose name could be anybody's."""
    run = folder / "a run"
    run.mkdir()
    (run / "config.yaml").write_text(CONFIG.format(**BUDGET | budget))
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run
