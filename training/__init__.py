"""Training: loop, optimizers, schedule, evaluation, checkpoints, metrics and the run folder. Imports model and data."""

from training.config import OptimizerConfig, TrainConfig
from training.device import pick_device
from training.loop import Trainer
from training.run import load_model

__all__ = ["OptimizerConfig", "TrainConfig", "Trainer", "load_model", "pick_device"]
