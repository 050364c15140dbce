"""The network: configuration, attention, blocks, initialisation, cache, generation, and hooks to look inside.

Imports torch and nothing else of this project; reads and writes no files.
"""

from model.config import GPTConfig
from model.documents import documents_of
from model.generate import Sampling, generate
from model.gpt import GPT
from model.hooks import Hooks

__all__ = ["GPT", "GPTConfig", "Hooks", "Sampling", "documents_of", "generate"]
