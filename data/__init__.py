"""Text, tokens and batches: corpora, the story grammar, tokenizers, shards, batch order, annotated cases.

Imports numpy and no torch; knows nothing of models.
"""

from data.cases.case import Case, EncodedCase, encode_case
from data.cases.files import read_cases
from data.cases.splits import split_cases
from data.text.answers import AnsweredPrompts, Answers
from data.text.batches import Batches
from data.text.corpora import PLAIN, Files, ReadingOptions
from data.text.dataset import Dataset, prepare
from data.text.named import Named
from data.text.token_files import TokenFiles
from data.text.tokenizers import Tokenizer, TokenizerConfig

__all__ = [
    "PLAIN",
    "AnsweredPrompts",
    "Answers",
    "Batches",
    "Case",
    "Dataset",
    "EncodedCase",
    "Files",
    "Named",
    "ReadingOptions",
    "TokenFiles",
    "Tokenizer",
    "TokenizerConfig",
    "encode_case",
    "prepare",
    "read_cases",
    "split_cases",
]
