"""Tokens to measure a model on: of a run's validation text, or of any files, read as training reads them."""

from pathlib import Path

import numpy as np

from common.errors import InputError, NoTextError
from common.progress import Progress, silent
from data.text.building import encode_in_order, work_items
from data.text.corpora import Files
from data.text.finding import find_files
from data.text.pieces import Counts
from data.text.shards import Tokens
from data.text.token_files import Raw, open_ids
from data.text.tokenizers import Tokenizer, UnknownCharactersError

MOST_TOKENS = 10_000_000  # of a text: many times what is measured, in memory that every machine has


def first_tokens(tokens: Tokens) -> np.ndarray:
    """The first MOST_TOKENS of a split, or all there are: int64 [n]."""
    return tokens.read(0, min(len(tokens), MOST_TOKENS))


def read_ids(path: str, key: str, tokenizer: Tokenizer, dtype: Raw | None) -> np.ndarray:
    """The first MOST_TOKENS ids in the file ``path``, the value of ``key``: int64 [n]; raises InputError where they are
    none of ``tokenizer``.
    """
    ids = open_ids(path, key, dtype)[:MOST_TOKENS].astype(np.int64)
    least, largest = int(ids.min()), int(ids.max())
    if least < 0 or largest >= tokenizer.vocab_size:
        raise InputError(
            f"{key}={path}: its ids are {least:,} to {largest:,}, and those of the model 0 to "
            f"{tokenizer.vocab_size - 1:,}"
        )
    return ids


def encode_files(
    files: Files, key: str, tokenizer: Tokenizer, cache: Path, progress: Progress = silent
) -> tuple[np.ndarray, list[str]]:
    """The first MOST_TOKENS of the files that ``files.path``, the value of ``key``, names, int64 [n]; and what the user
    should know of them, a sentence each.

    Raises InputError, as training does, where there are no files, no text, or something is no text.
    """
    found, counts = find_files(files.path, key, cache), Counts()
    pieces = (("text", piece) for piece in files.documents(found.files, counts))
    parts, n = [], 0
    try:
        for encoded in encode_in_order(work_items(pieces), tokenizer):
            parts.append(encoded.ids)
            n += len(encoded.ids)
            progress(f"{key}: {n:,} tokens read", n, None)
            if n >= MOST_TOKENS:
                break
    except NoTextError as error:
        raise InputError(error.elsewhere) from None
    except UnknownCharactersError as error:
        raise InputError(f"{key}={files.path}: {error}") from None
    if not n:
        raise InputError(f"{key}={files.path}: there is no text in it")
    return np.concatenate(parts)[:MOST_TOKENS].astype(np.int64), counts.notes()
