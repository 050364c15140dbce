"""Small trainers, in process, for the tests of training."""

from collections.abc import Mapping
from pathlib import Path

from kills import without_clock

from data import PLAIN, ReadingOptions
from model import GPT, GPTConfig
from storage import run
from storage.metrics import read_rows
from training import TrainConfig, Trainer
from training.world import ALONE, World

SHAPE = {"block_size": 32, "n_layer": 2, "n_head": 2, "n_embd": 32}


def make_trainer(
    folder: Path,
    stories,
    dropout: float = 0.0,
    shape: Mapping = {},
    reading: ReadingOptions = PLAIN,
    world: World = ALONE,
    **settings,
) -> Trainer:
    config = TrainConfig(**{"tokens_per_step": 256, "eval_every": 4, "checkpoint_every": 4, "log_every": 1, **settings})
    model = GPT(GPTConfig(stories.tokenizer.vocab_size, dropout=dropout, **SHAPE, **shape), seed=config.seed)
    return Trainer(config, model, stories, folder, reading=reading, world=world)


def new_run(folder: Path, stories, **settings) -> Trainer:
    with run.begin(folder, False, "", stories.tokenizer):
        pass
    return make_trainer(folder, stories, **settings)


def rows_without_clock(folder: Path) -> list[dict]:
    return [without_clock(row) for row in read_rows(folder / "metrics.jsonl")]
