"""The training loop, top to bottom: step, evaluate, save, until the budget is used up or somebody says stop."""

import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import torch

from data import Batches, Dataset, InputError
from model import GPT
from training import checkpoint
from training.config import TrainConfig
from training.device import autocast, micro_batch
from training.evaluation import bits_per_byte, validation_loss
from training.metrics import Metrics, Sink, forget_after, read_rows
from training.optimizer import Optimizers
from training.run import get_parameters, set_parameters
from training.schedule import fraction_done, learning_rate_scale

BAD_STEPS_IN_A_ROW = 5

Evaluation = Callable[[GPT], dict[str, float]]


class Trainer:
    """One run. ``run`` is its folder, made before; ``evaluations`` add their metrics to every evaluation, and
    ``last_evaluations`` to the one at the end of the budget.

    What decides the future of the run is in ``model``, ``optimizers``, ``batches``, the random generators and the
    numbers that ``state`` returns; ``save`` writes them all and ``restore`` brings them back.
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
    ) -> None:
        dataset.require(model.config.block_size)
        self.config, self.model, self.dataset, self.run = config, model, dataset, run
        self.evaluations, self.last_evaluations = evaluations, last_evaluations
        self.sinks = list(sinks)
        self.device = model.embed.weight.device
        block_size = model.config.block_size
        self.sequences = config.tokens_per_step // block_size
        if self.sequences == 0:
            raise InputError(
                f"tokens_per_step={config.tokens_per_step}: must be at least model.block_size={block_size}"
            )
        self.micro = micro_batch(self.sequences, block_size, model.config.vocab_size, self.device)
        self.batches = Batches(dataset.train, block_size, self.sequences, config.seed)
        self.optimizers = Optimizers(model, config.optimizer)
        self.step = self.tokens = 0
        self.seconds = 0.0
        self.best_step, self.best_loss = 0, math.inf
        self.skipped = self.bad_in_a_row = 0
        self.saved_step: int | None = None
        self.stop_signal: int | None = None
        self.metrics: Metrics | None = None  # open while training
        torch.manual_seed(config.seed)

    def describe(self) -> str:
        """One line on the batch: what ``tokens_per_step`` became."""
        block_size, micro = self.model.config.block_size, self.micro
        total = self.sequences * block_size
        parts = f"{math.ceil(self.sequences / micro)} x {micro}" if micro < self.sequences else f"{micro}"
        return f"{total:,} tokens a step = {parts} sequences of {block_size}"

    def fraction(self) -> float:
        return fraction_done(self.config, self.step, self.tokens, self.seconds)

    def train(self) -> None:
        """Trains until the budget is used up, or until SIGINT or SIGTERM; saves at the end either way."""
        before = {number: signal.signal(number, self.request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        self.metrics = Metrics(self.run / "metrics.jsonl", self.sinks)
        started = time.perf_counter() - self.seconds
        try:
            if self.saved_step is None:  # not resumed
                self.metrics.log({"step": 0, "tokens": 0, **self.evaluate(self.evaluations)})
            elif self.fraction() >= 1 and not self.evaluated():
                self.metrics.log({"step": self.step, "tokens": self.tokens, **self.evaluate_last(), **self.clock()})
            while self.fraction() < 1 and self.stop_signal is None:
                row = self.train_step()
                self.seconds = time.perf_counter() - started
                last = self.fraction() >= 1
                if last:
                    row |= self.evaluate_last()
                elif self.step % self.config.eval_every == 0:
                    row |= self.evaluate(self.evaluations)
                if "val_loss" in row or self.step % self.config.log_every == 0:
                    self.metrics.log(row | self.clock())
                due = self.step % self.config.checkpoint_every == 0 or self.step == self.best_step
                if last or due:
                    self.save()
            if self.stop_signal is not None:
                self.save()
        finally:
            self.metrics.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def request_stop(self, number: int, frame: FrameType | None) -> None:
        """The first signal ends the run after its step; the second one ends it at once."""
        self.stop_signal = number
        signal.signal(number, signal.SIG_DFL)

    def train_step(self) -> dict[str, float]:
        """One optimizer step on one global batch; returns what is to be logged of it."""
        self.model.train()
        fraction = self.fraction()
        batch = torch.from_numpy(self.batches.next()).to(self.device)
        loss = torch.zeros((), device=self.device)
        for ids in batch.split(self.micro):
            with autocast(self.config, self.device):
                part = self.model.loss(ids[:, :-1], ids[:, 1:]) * (len(ids) / len(batch))
            part.backward()
            loss += part.detach()
        train_loss = loss.item()
        gradients = [parameter.grad for parameter in self.model.parameters()]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        if math.isfinite(norm) and math.isfinite(train_loss):
            self.optimizers.step(fraction, self.step)
            self.bad_in_a_row = 0
        else:
            self.skip_step()
        self.step += 1
        self.tokens += batch.size(0) * (batch.size(1) - 1)
        return {
            "step": self.step,
            "tokens": self.tokens,
            "train_loss": train_loss,
            "lr_scale": learning_rate_scale(self.config.optimizer, fraction),
            "grad_norm": norm,
            "skipped": self.skipped,
        }

    def skip_step(self) -> None:
        """A loss or gradient that is no number must not reach the weights; several in a row end the run."""
        self.optimizers.zero_grad()
        self.skipped += 1
        self.bad_in_a_row += 1
        if self.bad_in_a_row == BAD_STEPS_IN_A_ROW:
            steps = checkpoint.saved_steps(self.run)
            kept = f"the last good checkpoint is step {steps[-1]}" if steps else "there is no checkpoint yet"
            raise InputError(
                f"loss or gradient was not finite at {BAD_STEPS_IN_A_ROW} steps in a row, up to step {self.step + 1}; "
                f"{kept}. Lower the learning rates (optimizer.matrix_lr, optimizer.embedding_lr, optimizer.head_lr)"
            )

    def evaluate(self, evaluations: Sequence[Evaluation]) -> dict[str, float]:
        """Loss over the whole validation set, and what ``evaluations`` say."""
        with autocast(self.config, self.device):
            loss = validation_loss(self.model, self.dataset.val)
            extra = {key: value for evaluation in evaluations for key, value in evaluation(self.model).items()}
        if self.step and loss < self.best_loss:
            self.best_step, self.best_loss = self.step, loss
        n_targets = len(self.dataset.val) - 1
        return {"val_loss": loss, "val_bpb": bits_per_byte(loss, n_targets, self.dataset.val_bytes), **extra}

    def evaluated(self) -> bool:
        """Whether the record has an evaluation of this very step; a run that a signal stopped has none."""
        rows = read_rows(self.run / "metrics.jsonl")
        return any(row["step"] == self.step and "val_loss" in row for row in rows)

    def evaluate_last(self) -> dict[str, float]:
        """Everything, because the budget is used up."""
        return self.evaluate([*self.evaluations, *self.last_evaluations])

    def clock(self) -> dict[str, float]:
        """The two things that differ when a run is repeated."""
        return {"seconds": round(self.seconds, 3), "tokens_per_second": round(self.tokens / self.seconds)}

    def state(self) -> dict:
        return {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "batches": self.batches.state(),
            "best_step": self.best_step or self.step,
            "best_loss": self.best_loss if self.best_step else None,
            "skipped": self.skipped,
            "bad_in_a_row": self.bad_in_a_row,
            "dataset": self.dataset.key,
            "model": asdict(self.model.config),
        }

    def save(self) -> None:
        """Writes a checkpoint, unless this step has one already."""
        if self.step == self.saved_step:
            return
        self.metrics.flush()
        tensors = self.optimizers.state_tensors() | {"rng/cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["rng/cuda"] = torch.cuda.get_rng_state(self.device)
        checkpoint.save(self.run, get_parameters(self.model), tensors, self.state())
        self.saved_step = self.step

    def restore(self) -> None:
        """Continues from the latest checkpoint as if the run had never stopped."""
        state, (parameters, tensors) = checkpoint.load(self.run, "latest")
        if state["dataset"] != self.dataset.key:
            raise InputError(f"run={self.run}: its corpus or tokenizer is no longer what it was trained on")
        set_parameters(self.model, parameters)
        torch.set_rng_state(tensors.pop("rng/cpu"))
        if (cuda := tensors.pop("rng/cuda", None)) is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(cuda, self.device)
        self.optimizers.load_state_tensors(tensors)
        self.batches.load_state(state["batches"])
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]
        self.skipped, self.bad_in_a_row, self.saved_step = state["skipped"], state["bad_in_a_row"], state["step"]
        if state["best_loss"] is not None and state["best_step"] in checkpoint.saved_steps(self.run):
            self.best_step, self.best_loss = state["best_step"], state["best_loss"]
        forget_after(self.run / "metrics.jsonl", self.step)
