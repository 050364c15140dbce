"""Text to token shards: read by one thread, encoded by as many as there are cores, written down as it goes.

A folder that is being built has a progress file: how much of the corpus is in its shards. After a kill the next
process reads on from there, so that the folder becomes what it would have become in one go, byte for byte.
"""

import json
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.atomic import file_sha256, read_json, replace_durably, write_durably
from common.errors import InputError
from common.progress import Progress, silent
from data.text.corpora import Corpus
from data.text.download import megabytes
from data.text.learning import make_tokenizer, sample_text
from data.text.pieces import END, WORD_END, Counts, Piece, utf8_length
from data.text.shards import MANIFEST, SPLITS, ShardWriter, dtype_of, write_manifest
from data.text.tokenizers import Tokenizer, TokenizerConfig, UnknownCharactersError

PROGRESS_FILE = "progress.json"
TOKENIZER = "tokenizer.json"
SAVED_BYTES = 64 << 20  # of text between two writes of the progress file: what a kill can cost
ITEM_CHARACTERS = 1 << 18
MOST_THREADS = 16  # one thread that reads has no work for more, and each holds items in memory


class WorkItem(NamedTuple):
    """Some pieces of one split, worth a thread's while."""

    split: str
    pieces: list[Piece]


class Encoded(NamedTuple):
    split: str
    n_pieces: int
    n_bytes: int
    ids: np.ndarray


class ProgressFile:
    """How much of a corpus is in the shards of a folder, and on the disk; ``folder`` is emptied where none of it can
    be continued."""

    def __init__(self, folder: Path, description: dict) -> None:
        self.path = folder / PROGRESS_FILE
        self.saved: dict = read_json(self.path)
        same = self.saved.get("description") == json.loads(json.dumps(description))
        self.begun = (
            same and (folder / TOKENIZER).is_file() and file_sha256(folder / TOKENIZER) == self.saved["tokenizer"]
        )
        if not self.begun:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            self.saved = {"description": description, "total": None}
            self.start_over()

    def start_over(self) -> None:
        self.saved |= {"n_pieces": 0, "n_bytes": dict.fromkeys(SPLITS, 0), "shards": dict.fromkeys(SPLITS)}
        self.since_saved = 0

    @property
    def done(self) -> int:
        """Bytes of text that have become tokens."""
        return sum(self.saved["n_bytes"].values())

    def open_writers(self, vocab_size: int) -> dict[str, ShardWriter]:
        """Writers that go on after what is saved; from the beginning where that is not there as it was."""
        self.since_saved = 0
        try:
            return {
                split: ShardWriter(self.path.parent, split, vocab_size, self.saved["shards"][split]) for split in SPLITS
            }
        except (OSError, EOFError):
            self.start_over()
            return {split: ShardWriter(self.path.parent, split, vocab_size) for split in SPLITS}

    def count(self, encoded: Encoded, writers: dict[str, ShardWriter]) -> None:
        self.saved["n_pieces"] += encoded.n_pieces
        self.saved["n_bytes"][encoded.split] += encoded.n_bytes
        self.since_saved += encoded.n_bytes
        if self.since_saved >= SAVED_BYTES:
            self.save(writers)

    def save(self, writers: dict[str, ShardWriter]) -> None:
        self.saved["shards"] = {split: writer.save() for split, writer in writers.items()}
        replace_durably(self.path, json.dumps(self.saved).encode())
        self.since_saved = 0


def build(
    folder: Path,
    corpus: Corpus,
    tokenizer: TokenizerConfig | Tokenizer,
    cache: Path,
    description: dict,
    progress: Progress,
) -> None:
    """Writes tokenizer, shards and manifest of one corpus, or what is missing of them; memory does not grow with it.

    Where it fails, ``folder`` holds a progress file if there is something in it to continue.
    """
    reached = ProgressFile(folder, description | {"cut": WORD_END.pattern})  # pieces that are counted are cut there
    (folder / MANIFEST).unlink(missing_ok=True)  # of a start that was killed at its very end
    saved, counts = reached.saved, Counts()
    if reached.begun:
        tokenizer = Tokenizer.load(folder / TOKENIZER)
    else:
        saved["total"] = corpus.total_bytes(cache, progress)
        if not isinstance(tokenizer, Tokenizer):
            sample = sample_text(corpus.pieces(cache, Counts(), saved["total"], progress), progress)
            tokenizer = make_tokenizer(sample, corpus.start, tokenizer, cache)
        write_durably(folder / TOKENIZER, tokenizer.to_json().encode())
        saved["tokenizer"] = file_sha256(folder / TOKENIZER)
    writers = reached.open_writers(tokenizer.vocab_size)
    reached.save(writers)
    pieces = count_ends(corpus.pieces(cache, counts, saved["total"], progress), counts)
    skip(pieces, saved["n_pieces"], reached.done, progress)
    try:
        for encoded in encode_in_order(work_items(pieces), tokenizer):
            writers[encoded.split].write(encoded.ids)
            reached.count(encoded, writers)
            progress("tokenizing", reached.done, saved["total"])
    except UnknownCharactersError as error:
        raise InputError(f"{vars(corpus).get('path', corpus.name)}: {error}") from None
    changed = corpus.fingerprint(cache, silent) != description["source"]
    if changed or not reached.done:
        reached.path.unlink()  # this text cannot be continued
        raise InputError(
            f"the corpus {corpus.name} {'changed while it was read; start again' if changed else 'has no text'}"
        )
    manifest = {
        "description": description,
        "tokenizer": saved["tokenizer"],
        "vocab_size": tokenizer.vocab_size,
        "dtype": writers["train"].dtype.str,
    } | asdict(counts)
    for split, writer in writers.items():
        shards = writer.close()
        n_tokens = sum(shard["tokens"] for shard in shards)
        manifest[split] = {"bytes": saved["n_bytes"][split], "tokens": n_tokens, "shards": shards}
    write_manifest(folder, manifest)
    reached.path.unlink()


def count_ends(pieces: Iterable[tuple[str, Piece]], counts: Counts) -> Iterator[tuple[str, Piece]]:
    """Counts what looks like the end token and is text, which no piece is cut in."""
    for split, piece in pieces:
        counts.ends_in_text += piece.text.count(END)
        yield split, piece


def skip(pieces: Iterator[tuple[str, Piece]], n_pieces: int, n_bytes: int, progress: Progress) -> None:
    """Reads over what an earlier start has made tokens of."""
    if n_pieces:
        progress(f"going on with an earlier start, after {megabytes(n_bytes)} of text", 0, n_bytes)
    done, reported = 0, 0
    for _, piece in islice(pieces, n_pieces):
        done += utf8_length(piece.text)
        if done - reported >= ITEM_CHARACTERS or done == n_bytes:  # a report costs as much as a short document
            progress("reading what is done", done, n_bytes)
            reported = done


def is_built(folder: Path) -> bool:
    """Whether a folder is whole, although it has not been moved into position."""
    return (folder / MANIFEST).is_file() and not (folder / PROGRESS_FILE).exists()


def can_go_on(folder: Path) -> bool:
    return (folder / PROGRESS_FILE).is_file() or is_built(folder)


def work_items(pieces: Iterable[tuple[str, Piece]]) -> Iterator[WorkItem]:
    """Pieces of one split together, about ITEM_CHARACTERS of them."""
    together, size, last = [], 0, ""
    for split, piece in pieces:
        if together and (split != last or size >= ITEM_CHARACTERS):
            yield WorkItem(last, together)
            together, size = [], 0
        together.append(piece)
        size += len(piece.text)
        last = split
    if together:
        yield WorkItem(last, together)


def encode_in_order(items: Iterable[WorkItem], tokenizer: Tokenizer) -> Iterator[Encoded]:
    """The ids of the items, made on all cores while the next ones are read: tiktoken lets go of the interpreter.

    A few items a core are in memory together, no more.
    """

    def encode(item: WorkItem) -> Encoded:
        n_bytes = sum(utf8_length(piece.text) for piece in item.pieces)
        ids = tokenizer.encode_pieces(item.pieces).astype(dtype)
        return Encoded(item.split, len(item.pieces), n_bytes, ids)

    dtype, threads = dtype_of(tokenizer.vocab_size), min(usable_cores(), MOST_THREADS)
    waiting = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(encode, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def usable_cores() -> int:
    """The cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
