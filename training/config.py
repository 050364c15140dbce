"""What a training run takes, checked once."""

import math
from dataclasses import dataclass, field
from typing import Literal

from model.config import require_count

DEFAULT_MAX_STEPS = 2_500
AVERAGE_FRACTION = 0.3
MAX_RATE = 1e6  # beyond, float32 overflows within a few steps
MAX_TOKENS_PER_STEP = 1 << 27  # as many as the largest published runs, and a gigabyte of token ids


def require_positive(name: str, value: float) -> None:
    """Raises ValueError for zero, negative numbers, infinities and NaN."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value}: must be above 0 and finite")


@dataclass(frozen=True)
class OptimizerConfig:
    """Learning rates are peaks; the schedule scales all of them by the same factor.

    ``muon``: Muon for the matrices inside blocks, AdamW for embeddings, head, gains and biases. ``adamw``: AdamW for
    everything. Weight decay acts on matrices only, and with Muon only where it points the same way as the update.
    ``clip``: the largest norm of all gradients together; None: any. ``average``: which mean of the weights over steps
    is evaluated and kept, see ``training.average``; None: none, the weights themselves are. A setting without effect
    is refused, except a learning rate for weights that the model lacks.
    """

    name: Literal["muon", "adamw"] = "muon"
    matrix_lr: float = 0.012
    embedding_lr: float = 0.1
    head_lr: float = 0.005
    scalar_lr: float = 0.005
    betas: tuple[float, float] = (0.8, 0.95)
    weight_decay: float = 0.0
    weight_decay_schedule: Literal["constant", "cosine"] = "constant"
    clip: float | None = None
    average: Literal["ema", "last"] | None = None
    average_fraction: float = AVERAGE_FRACTION
    warmup_fraction: float = 0.0
    decay_fraction: float = 0.3

    def __post_init__(self) -> None:
        for name in ("matrix_lr", "embedding_lr", "head_lr", "scalar_lr"):
            if not 0 < vars(self)[name] <= MAX_RATE:
                raise ValueError(f"{name}={vars(self)[name]}: must be above 0 and at most {MAX_RATE:,.0f}")
        if not (0 <= self.betas[0] < 1 and 0 <= self.betas[1] < 1):
            raise ValueError(f"betas={list(self.betas)}: must be at least 0 and below 1")
        if not 0 <= self.weight_decay * self.matrix_lr <= 1:
            raise ValueError(
                f"weight_decay={self.weight_decay}: must be at least 0 and at most 1 / matrix_lr, "
                f"{1 / self.matrix_lr:g}; a step would turn weights around"
            )
        if self.weight_decay_schedule == "cosine" and not self.weight_decay:
            raise ValueError(
                "weight_decay_schedule=cosine: has no effect with optimizer.weight_decay=0; give "
                "optimizer.weight_decay=0.1, or leave the schedule out"
            )
        if self.clip is not None:
            require_positive("clip", self.clip)
        if not 0 < self.average_fraction <= 1:
            raise ValueError(f"average_fraction={self.average_fraction}: must be above 0 and at most 1")
        if self.average is None and self.average_fraction != AVERAGE_FRACTION:
            raise ValueError(
                f"average_fraction={self.average_fraction}: has no effect without a mean of the weights; give "
                "optimizer.average=ema or last, or leave the fraction out"
            )
        warmup, decay = self.warmup_fraction, self.decay_fraction
        if not (warmup >= 0 and decay >= 0 and warmup + decay <= 1):
            raise ValueError(
                f"warmup_fraction={self.warmup_fraction} and decay_fraction={self.decay_fraction}: "
                "must not be negative, and together at most 1"
            )


@dataclass(frozen=True)
class TrainConfig:
    """Budgets are maxima, whichever comes first; with none given, DEFAULT_MAX_STEPS. ``max_minutes`` counts evaluation.

    ``tokens_per_step`` is the global batch; micro-batches, of at most ``micro_batch``, follow from it.
    ``patience``: so many evaluations without a better validation loss end the run, too. ``snapshots``: how many to
    keep for each doubling of the steps; ``probe_every``: steps between looks at the heads; 0: never. ``max_steps`` of 0
    evaluates and saves what is there, and trains nothing.
    """

    seed: int = 0
    max_steps: int | None = None
    max_tokens: int | None = None
    max_minutes: float | None = None
    patience: int | None = None
    tokens_per_step: int = 2_048
    micro_batch: int | None = None
    eval_every: int = 250
    checkpoint_every: int = 250
    log_every: int = 10
    snapshots: int = 0
    probe_every: int = 0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self) -> None:
        if self.max_steps is self.max_tokens is self.max_minutes is None:
            object.__setattr__(self, "max_steps", DEFAULT_MAX_STEPS)
        if self.max_minutes is not None:
            require_positive("max_minutes", self.max_minutes)
        if self.patience is not None and self.optimizer.average == "last":
            raise ValueError(
                f"patience={self.patience}: may end the run before optimizer.average=last takes any mean; give "
                "patience=null, or optimizer.average=ema"
            )
        counts = ("max_tokens", "micro_batch", "eval_every", "checkpoint_every", "log_every", "patience")
        for name in ("max_steps", "snapshots", "probe_every", "seed", *counts):
            if vars(self)[name] is not None:
                require_count(name, vars(self)[name], least=int(name in counts))
        if not 1 <= self.tokens_per_step <= MAX_TOKENS_PER_STEP:
            raise ValueError(f"tokens_per_step={self.tokens_per_step}: must be 1 to {MAX_TOKENS_PER_STEP:,}")
