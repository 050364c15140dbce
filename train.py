"""Train a small GPT: ``python train.py [data=files data.path=my_texts/] ...``; configs/train.yaml has the keys."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import configs
from configs.schema import TrainCommand
from data import encode_case, prepare
from data.stories import Stories, cases
from model import GPT
from training import Trainer, pick_device
from training.evaluation import referential_metrics
from training.progress import Console
from training.run import check_free, create, new_run

REFERENTIAL_CASES = 200


def main(command: TrainCommand) -> None:
    run = Path(command.run) if command.run else new_run(command.data.name)
    if not command.resume:
        check_free(run, command.overwrite)
    device = pick_device(command.device)
    console = Console()
    dataset = prepare(command.data, command.tokenizer, Path(command.cache), console.preparing)
    dataset.require(command.model.block_size)
    tokenizer = dataset.tokenizer
    model = GPT(replace(command.model, vocab_size=tokenizer.vocab_size), seed=command.seed).to(device)
    if command.compile:
        model.compile()
    evaluations = ()
    if isinstance(command.data, Stories):
        annotated = cases("select", REFERENTIAL_CASES, command.seed, command.data.families)
        evaluations = (partial(referential_metrics, cases=[encode_case(case, tokenizer) for case in annotated]),)
    sinks = [console.training]
    trainer = Trainer(command, model, dataset, run, sinks, evaluations)
    if command.resume:
        trainer.restore()
    else:
        create(run, command.overwrite, configs.to_yaml(command), tokenizer)
    console.begin(trainer)
    if command.wandb.mode != "disabled":
        from training.wandb_sink import WandbSink  # slow to import

        sinks.append(WandbSink(run, command.wandb.mode, command.wandb.project, (run / "config.yaml").read_text()))
    trainer.train()
    for sink in sinks[1:]:
        sink.finish()
    console.end(trainer)
    if trainer.stop_signal:
        sys.exit(128 + trainer.stop_signal)


if __name__ == "__main__":
    configs.launch(main, "train", TrainCommand)
