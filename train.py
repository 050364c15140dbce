"""Train a small GPT: ``python train.py [data=files data.path=my_texts/] ...``; configs/train.yaml has the keys."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch

import cli
import huggingface
import nanogpt
from cli.evaluations import Evaluations
from cli.run_text import RunText
from cli.schema import TrainCommand
from common.atomic import require_writable
from common.errors import InputError, NothingFoundError
from common.folders import HF_SCHEME, NANOGPT_SCHEME, TOKENIZER
from data import Answers, Dataset, TokenFiles, Tokenizer, TokenizerConfig
from data.mixture import start_of, stories_of
from data.preparing import is_of_its_text, prepare_mixed, prepared_as
from data.text.download import megabytes
from model import GPT
from report.live_page import live_page_at_the_end
from report.training_console import Console
from report.training_page import Curves, TrainingPage, complete
from storage import checkpoint, run
from storage.metrics import Sink
from storage.origin import Origin
from storage.weights import fit_block, load_model, save_run
from training import Trainer, pick_device
from training.device import require_memory, why_not_compiled
from training.loop import is_finished
from training.samples import save_sample
from training.world import World, join

BYTES_PER_WEIGHT = 12  # itself, its gradient and its momentum, in float32; 4 more where there is a mean over steps
READERS = {HF_SCHEME: huggingface.read, NANOGPT_SCHEME: nanogpt.read}


def main(command: TrainCommand) -> None:
    device = pick_device(command.device)
    with join(device) as world, Console(quiet=not world.first) as console:
        command = world.broadcast(command)  # the first process alone decides whether to resume
        folder = Path(world.broadcast(command.run or str(run.new_run(command.data.name))))
        if command.resume and command.weights_alone:
            console.note(f"run {folder}: is there already, and has no corpus to go on with")
            return
        if command.resume and world.broadcast(world.first and is_finished(folder, command)):
            if world.first:
                complete(folder)
            console.already_ended(folder, command.patience)
            return
        if world.first:
            written = [folder, *(folder / name for name in run.FILLED)] if command.resume else [folder.parent]
            for path in written:
                require_writable(path)
        with run.held(folder) if world.first else nullcontext():
            if world.first and not command.resume:
                run.check_free(folder, command.overwrite, command.found_nothing)
            command, origin = with_origin(command, world)
            start = Start(command, folder, console, device, world, origin)
            if command.weights_alone:
                start.keep_weights()
                return
            trainer = start.make_trainer()
            if command.resume:
                trainer.restore()
            start.train(trainer)
    if number := trainer.stops.agreed or trainer.stops.received:  # after the last step, too: a sweep must end then
        sys.exit(128 + number)


@dataclass(frozen=True)
class Start:
    """A run that begins or goes on. ``origin``: the model of somebody else that ``init_from`` names, if it does."""

    command: TrainCommand
    folder: Path
    console: Console
    device: torch.device
    world: World
    origin: Origin | None = None

    def keep_weights(self) -> None:
        """A run of what ``init_from`` names, as it is."""
        name, overwrite = self.command.init_from or "", self.command.overwrite
        model, tokenizer = self.load_weights(name)
        if self.world.first:
            template = None if self.origin else RunText(Path(name)).template
            save_run(self.folder, model, tokenizer, overwrite, self.command.init_from, template)
        self.console.note(f"run {self.folder}: nothing was trained, and it has no corpus")

    def load_weights(self, name: str) -> tuple[GPT, Tokenizer]:
        """The weights and the tokenizer of ``name``, the value of ``init_from``: a run, or the ``origin``."""
        command, note = self.command, self.console.note
        dropout, block_size = command.model.dropout, command.model.block_size
        if self.origin:
            for sentence in self.origin.notes:
                note(sentence)
            with self.world.in_turn():
                tokenizer = self.origin.get_tokenizer(Path(command.cache))
            note(f"weights from {name}, {self.origin.name}")
            if command.max_steps != 0 and command.optimizer.name == "muon":
                note("optimizer=muon is for weights that know nothing yet; optimizer=finetune keeps what these know")
            return fit_block(self.origin.load(self.device, dropout), block_size), tokenizer
        if not checkpoint.saved_steps(Path(name)):
            raise InputError(f"init_from={name}: has no checkpoint yet")
        which = "best" if checkpoint.has_best(Path(name)) else "latest"
        model, tokenizer, state = load_model(Path(name), which, self.device, dropout=dropout)
        note(f"weights from {name}, step {state['step']:,}{'' if which == 'best' else '; its best are gone'}")
        return fit_block(model, block_size), tokenizer

    def make_trainer(self) -> Trainer:
        """Tokens, network and evaluations, as the command says; writes nothing but the cache."""
        command = compiled_if_possible(self.command, self.console, self.device)
        tokenizer, model = command.tokenizer, None
        has_text = not isinstance(command.data, TokenFiles)
        own = len(command.corpora) == 1 and (self.folder / TOKENIZER).exists()
        if command.resume and (own or command.init_from or not has_text):
            tokenizer = Tokenizer.load(self.folder / TOKENIZER)
        elif command.init_from:
            model, tokenizer = self.load_weights(command.init_from)
            if has_text and not tokenizer.has_text:
                raise InputError(
                    f"init_from={command.init_from}: its tokens are ids that stand for no text, so it cannot be "
                    f"trained on data={command.data.name}; give data=tokens data.path=FILE"
                )
            if has_text:  # documents begin as in the text that it is trained on from now on
                tokenizer.start = start_of(command.corpora)
        dataset = self.prepare(tokenizer)
        if model is None:
            model = new_model(command, dataset, self.device)
        evaluations = Evaluations(command, dataset, self.console)
        return Trainer(
            command,
            model,
            dataset,
            self.folder,
            [self.console.training],
            evaluations.always(),
            evaluations.last(),
            evaluations.probes(model),
            self.world,
            reading=command.data,
        )

    def prepare(self, tokenizer: TokenizerConfig | Tokenizer) -> Dataset:
        """The tokens of all corpora, the same in all processes."""
        command, world, cache = self.command, self.world, Path(self.command.cache)
        with world.in_turn(), advice_on_moved_text(command):
            dataset = self.prepared_earlier() if command.resume else None
            if dataset is None:
                dataset = prepare_mixed(command.corpora, tokenizer, cache, self.console.preparing, world.first_here)
        key = world.broadcast(dataset.key)
        if key != dataset.key and not isinstance(command.data, TokenFiles):  # ids, of which the first takes the hash
            raise InputError(
                f"the tokens in {cache} are not those of the first process; give all machines the same text"
            )
        dataset = replace(dataset, key=key)
        if isinstance(command.data, Answers):
            dataset = fit_answers(dataset, command.data, command.model.block_size, self.console)
        return dataset

    def prepared_earlier(self) -> Dataset | None:
        """The tokens that a run has been trained on, if the cache still has them, and no other text was asked for; a
        note says where the text itself has changed.
        """
        command, cache, tokenizer = self.command, Path(self.command.cache), self.folder / TOKENIZER
        if RunText(self.folder).corpora != command.corpora or not (len(command.corpora) == 1 or tokenizer.exists()):
            return None
        key = checkpoint.latest_state(self.folder)["dataset"]
        dataset = prepared_as(key, command.corpora, tokenizer, cache, self.world.first_here)
        if dataset and not is_of_its_text(dataset, command.corpora, cache):
            self.console.note(
                f"the files in data.path have changed since, or are gone: the run goes on with its tokens in {cache}; "
                f"init_from={self.folder} begins another run on the text as it is now"
            )
        return dataset

    def train(self, trainer: Trainer) -> None:
        """Trains to the end, or until a signal. Until the first step is in the record, a failure leaves an earlier run
        as it was.
        """
        command, folder = self.command, self.folder
        with ExitStack() as starting, ExitStack() as while_training:
            if self.world.first:
                config, tokenizer = cli.to_yaml(command), trainer.dataset.tokenizer
                if not command.resume:
                    starting.enter_context(run.begin(folder, command.overwrite, config, tokenizer))
                if command.wandb.mode != "disabled":  # the last to leave, with what the others left
                    trainer.sinks.append(while_training.enter_context(wandb_sink(command, folder)))
                pages = (Curves(folder), TrainingPage(trainer))
                trainer.sinks += [partial(save_sample, folder), *map(while_training.enter_context, pages)]
                while_training.enter_context(live_page_at_the_end(trainer, stories_of(command.corpora)))
                if command.resume:
                    run.renew(folder, config, tokenizer)
                trainer.sinks.insert(0, lambda row: starting.close() if "train_loss" in row else None)
                self.note_space(trainer)
            self.console.begin(trainer)
            trainer.train()
            starting.close()  # saved, also where a signal came before the first row
            self.console.end(trainer)

    def note_space(self, trainer: Trainer) -> None:
        """Where the disk has too little space for all checkpoints that are there at the same time, a note says so."""
        missing = checkpoint.MOST - len(checkpoint.saved_steps(self.folder))
        needed, free = missing * trainer.checkpoint_bytes(), shutil.disk_usage(self.folder).free
        if needed > free:
            self.console.note(
                f"checkpoints take up to {megabytes(needed)} more, and {megabytes(free)} are free in {self.folder}; "
                "make room there before it is full"
            )


def compiled_if_possible(command: TrainCommand, console: Console, device: torch.device) -> TrainCommand:
    """``command``, without ``compile`` and with a note where this machine cannot: the same training, only slower.

    Tried out before anything is made. config.yaml keeps what was asked for, for a machine that can.
    """
    reason = why_not_compiled(device) if command.compile else None
    if reason is None:
        return command
    console.note(f"compile=true: cannot compile here ({reason}); the run is not compiled, and slower for it")
    return replace(command, compile=False)


def with_origin(command: TrainCommand, world: World) -> tuple[TrainCommand, Origin | None]:
    """``command`` with the model and tokenizer of what ``init_from=hf:...`` or ``nanogpt:...`` names, and that model,
    weights unread.
    """
    name = command.init_from or ""
    readers = [read for scheme, read in READERS.items() if name.startswith(scheme)]
    if command.resume or not readers:
        return command, None
    with world.in_turn():  # the first may have to download it
        origin = readers[0](name)
    # pyrefly: ignore [bad-argument-type] the values are those of numbers in the model's configuration
    model = replace(origin.config, **command.init_changes)
    return replace(command, model=model, tokenizer=origin.tokenizer_config), origin


def fit_answers(dataset: Dataset, answers: Answers, block_size: int, console: Console) -> Dataset:
    """``dataset`` without what is longer than a block, if that may be left out; notes how many there are."""
    every = dataset.answers or ()
    train, val = [split.fitting(block_size) if answers.skip_too_long else split for split in every]
    note = f"{train.n:,} prompts with answers to train on, {val.n:,} to validate"
    if left_out := sum(split.n for split in every) - train.n - val.n:
        note += f"; {left_out:,} that are longer than model.block_size={block_size} are left out (data.skip_too_long)"
    console.note(note)
    return dataset.with_answers(train, val)


def new_model(command: TrainCommand, dataset: Dataset, device: torch.device) -> GPT:
    """The network before its first step; raises InputError where text or memory is too little for it."""
    config = replace(command.model, vocab_size=dataset.tokenizer.vocab_size)
    dataset.require(config.block_size)
    shape = f"model.n_layer={config.n_layer} and model.n_embd={config.n_embd}: training {config.n_weights():,} weights"
    each = BYTES_PER_WEIGHT + (4 if command.optimizer.average else 0)
    require_memory(each * config.n_weights(), device, shape)
    return GPT(config, seed=command.seed).to(device)


@contextmanager
def advice_on_moved_text(command: TrainCommand) -> Iterator[None]:
    """Where the files of a run that is resumed are gone: how to say where they are now."""
    try:
        yield
    except NothingFoundError as error:
        if command.resume:
            raise InputError(f"{error}; if it has moved, give {error.key}=... as well") from None
        raise


def wandb_sink(command: TrainCommand, folder: Path) -> AbstractContextManager[Sink]:
    from training.wandb_sink import WandbSink  # slow to import

    return WandbSink(folder, command.wandb.mode, command.wandb.project, asdict(command))


if __name__ == "__main__":
    cli.launch(main, "train", TrainCommand)
