"""How far a run is, and what follows from it. Pure functions of the budget used so far."""

import math
from collections.abc import Mapping

from training.config import OptimizerConfig, TrainConfig

ROUNDING_SECONDS = 0.001  # of the clock in the record
MUON_MOMENTUM = (0.85, 0.95)
MUON_MOMENTUM_STEPS = 300


def fraction_done(
    config: TrainConfig, step: int, tokens: int, seconds: float, evaluations_since_best: int = 0
) -> float:
    """The share of the budget that is used up, by whichever limit is nearest; at 1 the run ends.

    It is 1, too, where the validation loss has not fallen at ``patience`` evaluations.
    """
    if config.patience and evaluations_since_best >= config.patience:
        return 1.0
    used = [0.0]
    if config.max_steps is not None:
        used.append(step / config.max_steps if config.max_steps else 1.0)
    if config.max_tokens:
        used.append(tokens / config.max_tokens)
    if config.max_minutes:
        used.append(seconds / (60 * config.max_minutes))
    return min(1.0, max(used))


def has_ended(config: TrainConfig, at: Mapping, evaluations_since_best: int, evaluated_step: int | None) -> bool:
    """Whether the budget or the patience is used up ``at`` a row of the record or the state of a checkpoint, and its
    step was evaluated as the last one.
    """
    seconds = at.get("seconds", 0.0) + ROUNDING_SECONDS  # the row of step 0 has no clock
    used_up = fraction_done(config, at["step"], at["tokens"], seconds, evaluations_since_best) >= 1
    # Rows, and states of an earlier version, do not say whether that evaluation knew it.
    return used_up and evaluated_step == at["step"] and at.get("evaluated_as_last", True)


def learning_rate_scale(config: OptimizerConfig, fraction: float, after: float) -> float:
    """Linear warm-up, constant, then linear to 0 over the last ``decay_fraction`` of the budget.

    ``fraction`` and ``after``: the shares of the budget before and after the step. The warm-up goes by the second, so
    that the first step moves the weights, and a single one fully.
    """
    if after < config.warmup_fraction:
        return after / config.warmup_fraction
    if fraction > 1 - config.decay_fraction:
        return max(0.0, 1 - fraction) / config.decay_fraction
    return 1.0


def weight_decay_scale(config: OptimizerConfig, fraction: float) -> float:
    """1 throughout, or half a cosine from 1 to 0 over the whole budget."""
    return (1 + math.cos(math.pi * fraction)) / 2 if config.weight_decay_schedule == "cosine" else 1.0


def muon_momentum(step: int) -> float:
    """Rises linearly from .85 to .95 over the first 300 steps (Jordan et al. 2024)."""
    low, high = MUON_MOMENTUM
    return low + (high - low) * min(1.0, step / MUON_MOMENTUM_STEPS)
