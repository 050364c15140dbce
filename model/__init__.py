"""The network: configuration, attention, blocks, initialisation, cache, generation, and hooks to look inside.

Imports torch and nothing else of this project; reads and writes no files.
"""

from model.config import GPTConfig
from model.documents import documents_of
from model.generate import generate
from model.gpt import GPT
from model.hooks import Hooks
from model.sampling import Sampling

__all__ = ["GPT", "GPTConfig", "Hooks", "Sampling", "documents_of", "generate"]
