"""The training loop, top to bottom: step, evaluate, save, until the budget is used up or somebody says stop."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from common.errors import InputError
from data import PLAIN, Dataset, ReadingOptions
from data.text.batches import batches_of
from model import GPT, documents_of
from model.loss import count_targets, inputs_and_targets
from storage import checkpoint, snapshots
from storage.metrics import Metrics, Row, Sink, evaluations_of, forget_after, read_rows
from storage.run import METRICS
from storage.weights import get_parameters, set_parameters
from training.average import Average
from training.config import TrainConfig
from training.device import autocast, peak_flops, readable_out_of_memory, sequences_per_batch
from training.evaluation import validation_loss, validation_row
from training.gradients import GradientSum
from training.loader import Loader
from training.optimizer import Optimizers
from training.schedule import fraction_done, has_ended
from training.stopping import StopRequests, kept, readable_write_errors
from training.world import ALONE, World

BAD_STEPS_IN_A_ROW = 5
WEIGHTS = "weights"  # of the optimizer's tensors NAME/..., the weights themselves where a checkpoint's are means
CHECK_EVERY = 10  # steps after which the host waits for a GPU, to see whether its losses are numbers

Evaluation = Callable[[GPT], Row]


class Trainer:
    """One run. ``run`` is its folder, made before; ``evaluations`` add their metrics to every evaluation, and
    ``last_evaluations`` to the one at the end of the budget, ``probes`` theirs every ``probe_every`` steps.

    What decides the future of the run is in ``model``, ``optimizers``, ``loader`` and the numbers that ``state``
    returns; ``save`` writes them all and ``restore`` brings them back. Random numbers (dropout) follow from the seed
    and the step. In a ``world`` of several processes all hold the same state, and the first one writes it.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: GPT,
        dataset: Dataset,
        run: Path,
        sinks: Sequence[Sink] = (),
        evaluations: Sequence[Evaluation] = (),
        last_evaluations: Sequence[Evaluation] = (),
        probes: Sequence[Evaluation] = (),
        world: World = ALONE,
        reading: ReadingOptions = PLAIN,
    ) -> None:
        dataset.require(model.config.block_size)
        self.config, self.model, self.dataset, self.run = config, model, dataset, run
        self.evaluations, self.last_evaluations, self.probes = evaluations, last_evaluations, probes
        self.sinks = list(sinks)
        self.world = world
        self.document_end = end_token(dataset, "document_mask") if reading.document_mask else None
        shuffled = end_token(dataset, "shuffle_documents") if reading.shuffle_documents else None
        self.device = model.embed.weight.device
        self.peak_flops = peak_flops(config, self.device)
        block_size, rank, size = model.config.block_size, world.rank, world.size
        self.sequences = sequences_per_step(config.tokens_per_step, block_size, size)
        if config.micro_batch and config.micro_batch < block_size:
            raise InputError(f"micro_batch={config.micro_batch}: must be at least model.block_size={block_size}")
        self.micro = min(self.sequences // size, sequences_per_batch(block_size, config.micro_batch, self.device))
        batches = batches_of(dataset, block_size, self.sequences, config.seed, rank, size, shuffled)
        self.loader = Loader(batches, self.device)
        self.optimizers, self.gradient_sum = Optimizers(model, config.optimizer, world), GradientSum(model, world)
        self.average = Average(model, config.optimizer) if config.optimizer.average else None
        # Evaluation stays uncompiled: its batches have other shapes, each of which would be compiled anew.
        self.loss = torch.compile(model) if config.compile else model
        self.step = self.tokens = 0
        self.seconds = self.train_seconds = 0.0  # all that counts for max_minutes; steps alone
        self.logged = 0, 0.0  # tokens and train_seconds at the latest row
        self.best_step, self.best_loss, self.evaluations_since_best = 0, math.inf, 0
        self.evaluated_step: int | None = None
        self.evaluated_as_last = False  # whether that evaluation knew that the budget was used up
        self.skipped, self.bad_in_a_row = (torch.zeros((), dtype=torch.int64, device=self.device) for _ in range(2))
        self.saved_step: int | None = None
        self.stops = StopRequests(world)
        self.started = time.perf_counter()
        self.metrics: Metrics | None = None  # open while training, in the first process

    def describe(self) -> str:
        """One line on the batch: what ``tokens_per_step`` became."""
        block_size, micro, size = self.model.config.block_size, self.micro, self.world.size
        share = self.sequences // size
        parts = f"{math.ceil(share / micro)} x {micro}" if micro < share else f"{micro}"
        each = f" in each of {size} processes" if size > 1 else ""
        if self.dataset.answers:
            return f"{self.sequences:,} prompts with answers a step = {parts} of up to {block_size} tokens{each}"
        return f"{self.sequences * block_size:,} tokens a step = {parts} sequences of {block_size}{each}"

    @property
    def evaluated(self) -> GPT:
        """The network that is evaluated, probed and kept: the mean over steps where there is one."""
        return self.average.model if self.average else self.model

    def fraction(self) -> float:
        """The share of the budget that is used up; 1 also where the validation loss no longer falls."""
        return fraction_done(self.config, self.step, self.tokens, self.seconds, self.evaluations_since_best)

    def train(self) -> None:
        """Trains until the budget is used up, or until a signal of ``StopRequests``; saves at the end either way."""
        with self.stops, readable_write_errors(self.run):
            try:
                if self.world.first:
                    self.metrics = Metrics(self.run / METRICS, self.sinks)
                self.train_and_evaluate()
            finally:
                if self.metrics:
                    self.metrics.close()

    def train_and_evaluate(self) -> None:
        self.started = time.perf_counter() - self.seconds
        if self.saved_step is None:  # not resumed
            self.log({"step": 0, "tokens": 0, **self.evaluate(), **self.probe()})
        self.snapshot()  # after a resume, too: it may have failed at this step
        while True:
            self.seconds, self.stops.agreed = self.world.agree(self.elapsed(), self.stops.received)
            if self.fraction() >= 1:
                if self.evaluated_as_last and self.evaluated_step == self.step:
                    self.stops.agreed = 0  # there is nothing left to stop
                    break
                if not self.stops.agreed:  # the time was up between two evaluations, or during one
                    self.save()  # before an evaluation that may be killed or fail
                    row = {"step": self.step, "tokens": self.tokens, **self.evaluate()}
                    try:
                        self.log(row | self.clock())
                    finally:
                        self.save(again=True)  # which step is the best may have changed
                    continue  # a better loss may be what ``patience`` had waited for
            if self.stops.agreed:
                break
            step_started = time.perf_counter()
            with readable_out_of_memory(self.micro, self.model.config.block_size):
                row = self.train_step()
            evaluates = self.fraction() >= 1 or self.step % self.config.eval_every == 0
            probes = self.config.probe_every and self.step % self.config.probe_every == 0
            saves = self.step % self.config.checkpoint_every == 0
            logs = evaluates or probes or saves or self.step % self.config.log_every == 0
            if logs or self.step % CHECK_EVERY == 0:
                row = {key: value.item() if torch.is_tensor(value) else value for key, value in row.items()}
                self.require_finite_steps()
            self.train_seconds += time.perf_counter() - step_started
            if evaluates:
                row |= self.evaluate()
            if probes:
                row |= self.probe()
            try:
                if logs:
                    self.log(row | self.clock())
                self.snapshot()
            finally:  # also where a page, a sample or a snapshot cannot be written
                if saves or self.step == self.best_step:
                    self.save()
        self.save()

    def elapsed(self) -> float:
        """Seconds of this run, before it was resumed and since, evaluation included."""
        return time.perf_counter() - self.started

    def train_step(self) -> dict[str, float | torch.Tensor]:
        """One optimizer step on one global batch; returns what is to be logged of it, still on the device."""
        self.model.train()
        fraction = self.fraction()
        seed_step(self.config.seed, self.step, self.world.rank, self.device)
        batch, n_targets = self.loader.next(), self.loader.n_targets
        after = fraction_done(self.config, self.step + 1, self.tokens + n_targets, self.seconds)
        loss = torch.zeros((), device=self.device)
        parts = batch.split(self.micro)
        for i, ids in enumerate(parts, 1):
            inputs, targets = inputs_and_targets(ids)
            with autocast(self.config, self.device):
                loss_of_part = self.loss(inputs, targets, documents=documents_of(inputs, self.document_end))
                part = loss_of_part * (count_targets(targets) / n_targets)
            loss += part.detach()
            if i == len(parts):
                self.gradient_sum.begin(loss)
            part.backward()
        self.loader.fetch()  # a GPU is still busy with this batch
        gradients = self.gradient_sum.finish()
        norm = torch.nn.utils.get_total_norm(gradients)
        finite = loss.isfinite() & norm.isfinite()  # what is not must not reach the weights
        if (clip := self.config.optimizer.clip) is not None:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), clip, norm)
        self.optimizers.step(fraction, after, self.step, finite)
        if self.average:
            self.average.update(fraction)
        self.skipped += ~finite
        enough = self.bad_in_a_row >= BAD_STEPS_IN_A_ROW  # stays so until the host looks
        self.bad_in_a_row = torch.where(enough, self.bad_in_a_row, (self.bad_in_a_row + 1) * ~finite)
        self.step += 1
        self.tokens += n_targets
        return {
            "step": self.step,
            "tokens": self.tokens,
            "train_loss": loss,
            "grad_norm": norm,
            **self.optimizers.rates(),
            "skipped": self.skipped,
        }

    def require_finite_steps(self) -> None:
        """Several steps in a row whose loss or gradient is not finite end the run."""
        if int(self.bad_in_a_row) >= BAD_STEPS_IN_A_ROW:
            self.diverged(f"loss or gradient was not finite at {int(self.bad_in_a_row)} steps in a row, up to")

    def finite_parameters(self) -> dict[str, torch.Tensor]:
        """What is worth writing: weights that have overflowed end the run, and the checkpoints before them stay."""
        parameters = get_parameters(self.evaluated)
        if name := checkpoint.not_finite(parameters):
            self.diverged(f"{name} is not finite after")
        return parameters

    def diverged(self, what: str) -> NoReturn:
        raise InputError(
            f"{what} step {self.step}; {kept(self.run)}. Begin another run with lower rates (optimizer.matrix_lr, "
            "optimizer.embedding_lr, optimizer.head_lr)"
        )

    def evaluate(self) -> Row:
        """Loss over the whole validation set, of text also per byte, and what ``evaluations`` say; all of them once the
        budget is used up.

        Where weights are averaged, the loss of the latest ones themselves is measured then, too.
        """
        with autocast(self.config, self.device):
            row, extra = self.losses_of(self.evaluated), {}
            self.count_evaluation(row["val_loss"])
            self.evaluated_as_last = ended = self.fraction() >= 1
            if self.average and ended:
                extra["val_loss_latest"] = self.losses_of(self.model)["val_loss"]
            if self.world.first:
                for evaluation in (*self.evaluations, *(self.last_evaluations if ended else ())):
                    extra |= evaluation(self.evaluated)
        return row | extra

    def losses_of(self, model: GPT) -> Row:
        """Loss and bits per byte on all validation text, and on that of each corpus of a mixture."""
        parts, micro_batch, end = self.dataset.every_part, self.config.micro_batch, self.document_end
        losses = [validation_loss(model, own.val, micro_batch, self.world, end) for _, _, own in parts]
        return validation_row(parts, losses)

    def probe(self) -> Row:
        """What ``probes`` say of the heads, in the first process, and the seconds that they took."""
        if not (self.world.first and self.config.probe_every):
            return {}
        row, started = {}, time.perf_counter()
        for probe in self.probes:
            row |= probe(self.evaluated.eval())
        return row | {"probe_seconds": round(time.perf_counter() - started, 3)}

    def snapshot(self) -> None:
        if self.world.first and snapshots.is_due(self.step, self.config.snapshots):
            snapshots.save(self.run, self.model.config, self.finite_parameters(), self.step, self.tokens)

    def count_evaluation(self, loss: float) -> None:
        again, self.evaluated_step = self.evaluated_step == self.step, self.step
        if self.step and loss < self.best_loss:
            self.best_step, self.best_loss, self.evaluations_since_best = self.step, loss, 0
        elif self.step and not again:
            self.evaluations_since_best += 1

    def log(self, row: Row) -> None:
        if self.metrics:
            self.metrics.log(row)

    def clock(self) -> Row:
        """What differs when a run is repeated: the time, and how fast the steps since the latest row were."""
        tokens, before = self.logged
        self.logged = self.tokens, self.train_seconds
        row = {"seconds": round(self.elapsed(), 3), "train_seconds": round(self.train_seconds, 3)}
        if self.train_seconds > before:
            rate = (self.tokens - tokens) / (self.train_seconds - before)
            row["tokens_per_second"] = round(rate)
            # Of answers, ``tokens`` counts what is learned, and the device computes the prompts, too.
            if self.peak_flops and not self.dataset.answers:
                row["mfu"] = rate * self.model.flops_per_token() / (self.peak_flops * self.world.size)
        return row

    def state(self) -> dict:
        return {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.elapsed(),
            "train_seconds": self.train_seconds,
            "batches": self.loader.state(),
            "best_step": self.best_step or self.step,
            "best_loss": self.best_loss if self.best_step else None,
            "evaluations_since_best": self.evaluations_since_best,
            "skipped": int(self.skipped),
            "bad_in_a_row": int(self.bad_in_a_row),
            "averaged_steps": self.average.steps if self.average else 0,
            "evaluated_as_last": self.evaluated_as_last,
            "dataset": self.dataset.key,
            "model": asdict(self.model.config),
        }

    def tensors_beside(self) -> dict[str, torch.Tensor]:
        """What a checkpoint has beside the network that is evaluated: the optimizer's state, and where that network is
        a mean, the weights themselves, from which training goes on.
        """
        weights = get_parameters(self.model) if self.average else {}
        return self.optimizers.state_tensors() | {f"{name}/{WEIGHTS}": tensor for name, tensor in weights.items()}

    def checkpoint_bytes(self) -> int:
        """The size of all tensors of one checkpoint."""
        tensors = (*get_parameters(self.evaluated).values(), *self.tensors_beside().values())
        return sum(tensor.nbytes for tensor in tensors)

    def save(self, again: bool = False) -> None:
        """Writes a checkpoint, unless this step has one already and is not to be saved ``again``."""
        if self.metrics:
            self.metrics.flush()
        if self.step == self.saved_step and not again:
            return
        parameters = self.finite_parameters()
        if self.world.first:
            checkpoint.save(self.run, parameters, self.tensors_beside(), self.state())
        self.saved_step = self.step

    def restore(self) -> None:
        """Continues from the latest checkpoint as if the run had never stopped."""
        state, (parameters, tensors) = checkpoint.load(self.run, "latest")
        if state["dataset"] != self.dataset.key:
            raise InputError(
                f"run={self.run}: this is not the text that it was trained on, or not its tokenizer (the hash of all "
                f"tokens is {self.dataset.key}, not {state['dataset']}); init_from={self.run} begins another run on it"
            )
        set_parameters(self.evaluated, parameters)
        if self.average:
            set_parameters(self.model, {name: tensors.pop(f"{name}/{WEIGHTS}") for name in parameters})
            self.average.steps = state["averaged_steps"]
        self.optimizers.load_state_tensors(tensors)
        self.loader.load_state(state["batches"])
        self.step, self.tokens, self.saved_step = state["step"], state["tokens"], state["step"]
        self.seconds, self.train_seconds = state["seconds"], state["train_seconds"]
        self.logged = self.tokens, self.train_seconds
        self.skipped.fill_(state["skipped"])
        self.bad_in_a_row.fill_(state["bad_in_a_row"])
        self.evaluations_since_best = state["evaluations_since_best"]
        self.evaluated_as_last = state.get("evaluated_as_last", True)  # an earlier version did not ask
        if state["best_loss"] is not None and state["best_step"] in checkpoint.saved_steps(self.run):
            self.best_step, self.best_loss = state["best_step"], state["best_loss"]
        with self.world.in_turn():
            if self.world.first:
                forget_after(self.run / METRICS, self.step)
                snapshots.forget_after(self.run, self.step)
        self.evaluated_step = last_evaluated(self.run)


def end_token(dataset: Dataset, key: str) -> int:
    """What documents end with, for ``key`` of data; raises InputError where the tokens have nothing of the kind,
    or are prompts with answers.
    """
    if dataset.answers:
        raise InputError(
            f"data.{key}=true: with data=answers no prompt sees another, and every epoch has a new order; leave it out"
        )
    if dataset.tokenizer.end is None:
        instead = "" if dataset.tokenizer.has_text else ", or give data.end, in a run without init_from"
        raise InputError(f"data.{key}=true: these tokens have no end token between documents; leave it out{instead}")
    return dataset.tokenizer.end


def sequences_per_step(tokens_per_step: int, block_size: int, processes: int) -> int:
    """The global batch in blocks; raises InputError where it does not divide among blocks and processes."""
    unit = block_size * processes
    if tokens_per_step % unit:
        near = sorted({max(1, tokens_per_step // unit) * unit, -(-tokens_per_step // unit) * unit})
        among = f" times {processes} processes" if processes > 1 else ""
        instead = ", or start another number of processes" if processes > 1 else ""
        raise InputError(
            f"tokens_per_step={tokens_per_step}: must be a multiple of model.block_size={block_size}{among}; "
            f"give {' or '.join(map(str, near))}{instead}"
        )
    return tokens_per_step // block_size


def seed_step(seed: int, step: int, rank: int, device: torch.device) -> None:
    """Makes the random numbers of a step (dropout) a function of these three, so that no generator's state is kept."""
    number = int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)
    else:  # torch.manual_seed would note a traceback for each GPU there might be
        torch.default_generator.manual_seed(number)


def last_evaluated(folder: Path) -> int | None:
    """The step of the latest evaluation in the record of a run; None: there is none."""
    return next((row["step"] for row in reversed(evaluations_of(read_rows(folder / METRICS)))), None)


def is_finished(folder: Path, config: TrainConfig) -> bool:
    """Whether a run has used up its budget, and its last checkpoint was evaluated.

    Raises InputError where the latest checkpoint is damaged, with what to do.
    """
    state = checkpoint.latest_state(folder)
    ended = has_ended(config, state, state["evaluations_since_best"], last_evaluated(folder))
    if ended:
        checkpoint.load(folder, "latest")  # nothing else would look at it
    return ended
