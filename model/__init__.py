"""The network: configuration, attention, blocks, initialisation, cache, generation, watching and replaying.

Imports torch and nothing else of this project; reads and writes no files.
"""

from model.config import GPTConfig
from model.generate import Sampling, generate
from model.gpt import GPT
from model.replay import Replay
from model.watch import Watch

__all__ = ["GPT", "GPTConfig", "Replay", "Sampling", "Watch", "generate"]
