"""Text, tokens and batches: corpora, the story grammar, tokenizers, shards, batch order, annotated cases.

Imports numpy and no torch; knows nothing of models.
"""

from data.batches import Batches
from data.case_files import read_cases, split_cases
from data.cases import Case, EncodedCase, encode_case
from data.corpora import Corpus, Files
from data.dataset import Dataset, prepare
from data.errors import InputError
from data.named import Named
from data.tokenizers import Tokenizer, TokenizerConfig

__all__ = [
    "Batches",
    "Case",
    "Corpus",
    "Dataset",
    "EncodedCase",
    "Files",
    "InputError",
    "Named",
    "Tokenizer",
    "TokenizerConfig",
    "encode_case",
    "prepare",
    "read_cases",
    "split_cases",
]
