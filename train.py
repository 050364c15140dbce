"""Train a small GPT: ``python train.py [data=files data.path=my_texts/] ...``; configs/train.yaml has the keys."""

import sys
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import configs
from configs.schema import TrainCommand
from data import encode_case, prepare
from data.stories import Stories, cases
from model import GPT
from training import Trainer, pick_device, run
from training.evaluation import referential_metrics
from training.progress import Console

REFERENTIAL_CASES = 200


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
    evaluations = []
    if isinstance(command.data, Stories):
        annotated = cases("select", REFERENTIAL_CASES, command.seed, command.data.families)
        encoded = [encode_case(case, dataset.tokenizer) for case in annotated]
        fitting = [case for case in encoded if len(case.tokens) <= model.config.block_size]
        if len(fitting) < len(encoded):
            console.note(f"{len(encoded) - len(fitting)} of {len(encoded)} annotated stories exceed model.block_size")
        evaluations.append(partial(referential_metrics, cases=fitting))
    return Trainer(command, model, dataset, folder, [console.training], evaluations)


def wandb_sink(command: TrainCommand, folder: Path):
    from training.wandb_sink import WandbSink  # slow to import

    return WandbSink(folder, command.wandb.mode, command.wandb.project, asdict(command))


if __name__ == "__main__":
    configs.launch(main, "train", TrainCommand)
