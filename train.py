"""Train a small GPT: ``python train.py [data=files data.path=my_texts/] ...``; configs/train.yaml has the keys."""

import sys
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path

import configs
from configs.schema import TrainCommand
from data import EncodedCase, Tokenizer, encode_case, prepare
from data.stories import STRESS, Stories, cases
from model import GPT
from training import Trainer, pick_device, run
from training.evaluation import referential_metrics
from training.loop import Evaluation
from training.progress import Console

# Annotated stories a family: at every evaluation, and of each split at the end.
CASES, LAST_CASES = 100, 200


def main(command: TrainCommand) -> None:
    folder = Path(command.run) if command.run else run.new_run(command.data.name)
    if not command.resume:
        run.check_free(folder, command.overwrite)
    with ExitStack() as at_exit:
        console = at_exit.enter_context(Console())
        trainer = make_trainer(command, folder, console)
        with ExitStack() as starting:
            if command.resume:
                trainer.restore()
            else:
                tokenizer = trainer.dataset.tokenizer
                starting.enter_context(run.begin(folder, command.overwrite, configs.to_yaml(command), tokenizer))
            if command.wandb.mode != "disabled":
                trainer.sinks.append(at_exit.enter_context(wandb_sink(command, folder)))
        if command.resume:
            run.write_config(folder, configs.to_yaml(command))
        console.begin(trainer)
        trainer.train()
        console.end(trainer)
    if trainer.stop_signal:
        sys.exit(128 + trainer.stop_signal)


def make_trainer(command: TrainCommand, folder: Path, console: Console) -> Trainer:
    """Tokens, network and evaluations, as the command says; writes nothing but the cache."""
    device = pick_device(command.device)
    dataset = prepare(command.data, command.tokenizer, Path(command.cache), console.preparing)
    model = GPT(replace(command.model, vocab_size=dataset.tokenizer.vocab_size), seed=command.seed).to(device)
    if command.compile:
        model.compile()
    evaluations, last_evaluations = [], []
    if isinstance(command.data, Stories):
        tell = partial(on_stories, command, dataset.tokenizer, console)
        evaluations = [tell("select", CASES, "referential")]
        last_evaluations = [tell(split, LAST_CASES, split) for split in ("report", *STRESS)]
    return Trainer(command, model, dataset, folder, [console.training], evaluations, last_evaluations)


def on_stories(
    command: TrainCommand, tokenizer: Tokenizer, console: Console, split: str, n: int, prefix: str
) -> Evaluation:
    """Referential loss and accuracy on those annotated stories of a split that fit into the block."""

    @cache
    def fitting() -> list[EncodedCase]:
        encoded = [encode_case(case, tokenizer) for case in cases(split, n, command.seed, command.data.families)]
        short = [case for case in encoded if len(case.tokens) <= command.model.block_size]
        if len(short) < len(encoded):
            console.note(f"{len(encoded) - len(short)} of {len(encoded)} {split} stories exceed model.block_size")
        return short

    return lambda model: referential_metrics(model, fitting(), prefix)


def wandb_sink(command: TrainCommand, folder: Path):
    from training.wandb_sink import WandbSink  # slow to import

    return WandbSink(folder, command.wandb.mode, command.wandb.project, asdict(command))


if __name__ == "__main__":
    configs.launch(main, "train", TrainCommand)
