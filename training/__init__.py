"""Training: loop, optimizers, schedule, evaluation, several processes. Imports common, model, data and storage."""

from training.config import OptimizerConfig, TrainConfig
from training.device import pick_device
from training.loop import Trainer

__all__ = ["OptimizerConfig", "TrainConfig", "Trainer", "pick_device"]
