"""Prompts and their answers: .jsonl files with both in each line, of which a model learns the answers alone.

In the shards, prompts and answers are documents in turn, so that the end tokens say where each begins;
``AnsweredPrompts`` makes of them what training reads: an end token, then each prompt with its answer, and an end token
after that.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from common.errors import InputError
from common.progress import Progress
from data.text.corpora import Files, ReadingOptions
from data.text.files import read_records, readable, require_quoted, value_in
from data.text.finding import LINES_SUFFIX, kind
from data.text.pieces import Counts, Piece, cut_text, utf8_length
from data.text.shards import Tokens

PROMPT, ANSWER = "{prompt}", "{answer}"
PADDING = -1  # after the end of the shorter rows of a batch: read, if at all, by nothing that is learned


def before_answer(template: str, prompt: str) -> str:
    """What the model reads before it answers ``prompt``."""
    return template.removesuffix(ANSWER).rstrip(" ").replace(PROMPT, prompt)


class Answered(NamedTuple):
    prompt: str
    answer: str


def text_in(record: object, path: Path, number: int, key: str, field: str) -> str:
    """The text under ``field``, the value of data.``key``, of the record in a line of ``path``; raises InputError where
    there is none, with another remedy where other lines have it.
    """
    value = value_in(record, field)
    if isinstance(value, str):
        return value
    where = f"{path}, line {number}"
    require_quoted(value, where, field)
    remedy, have = f"name the key with data.{key}=...", Counter()
    with suppress(InputError), readable(path) as file:  # a later line may be worse, but this one comes first
        have = Counter([isinstance(value_in(other, field), str) for _, other in read_records(file, path)])
    if have[True]:
        remedy = f"{have[False]:,} of {have.total():,} lines have none: complete or delete them"
    raise InputError(f"{where}: has no text under {field!r}; {remedy}")


@dataclass(frozen=True)
class Answers(ReadingOptions):
    """Prompts with their answers, of the user's own. ``path``: a .jsonl file, a folder or a glob; ``prompt`` and
    ``answer``: the fields that have the two texts.

    ``template`` joins them: what stands before ``{answer}``, with the prompt for ``{prompt}``, is read, and the answer
    is learned, the spaces right before it included. Validated are the answers that ``val_path`` names, which are then
    not trained on, or those of ``val_fraction`` (None: 0.1) of the prompts, drawn by ``seed``: of equal prompts all or
    none. ``skip_too_long`` leaves out what does not fit into the model's block.
    """

    path: str
    name: Literal["answers"] = "answers"
    prompt: str = "prompt"
    answer: str = "answer"
    template: str = f"{PROMPT}\n{ANSWER}"
    val_path: str | None = None
    val_fraction: float | None = None
    seed: int = 0
    skip_too_long: bool = False
    start: ClassVar[str] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "val_fraction", self.as_files.val_fraction)
        once = self.template.count(PROMPT) == self.template.count(ANSWER) == 1
        if not once or not self.template.endswith(ANSWER):
            raise ValueError(f"template={self.template!r}: must have {PROMPT} once, and {ANSWER} at its end")
        if re.search(r"\\n(?![a-z])", self.template):  # as bash hands it over from "..." and '...'; no \nabla
            shown = self.template.replace("\n", r"\n")
            meant = "$'" + re.sub(r"\\(?!n(?![a-z]))", r"\\\\", shown).replace("'", r"\'") + "'"
            raise ValueError(rf"template={shown}: its \n is a backslash and an n; for a new line write {meant} in bash")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: must be 0 or more")

    @property
    def as_files(self) -> Files:
        return Files(self.path, val_path=self.val_path, val_fraction=self.val_fraction)

    @property
    def spaces(self) -> str:
        """What every answer begins with."""
        before = self.template.removesuffix(ANSWER)
        return before[len(before.rstrip(" ")) :]

    def fingerprint(self, cache: Path, progress: Progress) -> dict:
        settings = [self.prompt, self.answer, self.template, self.val_fraction, self.seed]
        return self.as_files.fingerprint(cache, progress) | {"corpus": self.name, "settings": settings}

    def read(self, path: Path) -> Iterator[Answered]:
        """The records of one file; raises InputError for one without a prompt or without an answer."""
        if kind(path) != LINES_SUFFIX:
            raise InputError(
                f"{path}: prompts with answers are read from {LINES_SUFFIX} files alone, a record a line; "
                f"FOLDER/*{LINES_SUFFIX} names those of a folder"
            )
        with readable(path) as file:
            for number, record in read_records(file, path):
                prompt = text_in(record, path, number, "prompt", self.prompt)
                answer = text_in(record, path, number, "answer", self.answer)
                if not answer:
                    raise InputError(
                        f"{path}, line {number}: its {self.answer!r} is empty, so there is nothing to learn; "
                        "leave it out"
                    )
                yield Answered(prompt, answer)

    def read_all(self, paths: Sequence[Path]) -> Iterator[Answered]:
        for path in paths:
            yield from self.read(path)

    def total_bytes(self, cache: Path, progress: Progress) -> int:
        """Of prompts and answers as training reads them; raises InputError where a split has files, but no record."""
        total = 0
        for split, paths in self.as_files.files(cache).items():
            before = total
            for answered in self.read_all(paths):
                total += sum(utf8_length(piece.text) for piece in self.documents(answered, Counts()))
            if paths and total == before:
                raise InputError(f"{self.as_files.key_of(split)}: there is no prompt with its answer in it")
            progress("reading", total, None)
        return total

    def pieces(self, cache: Path, counts: Counts, total: int | None, progress: Progress) -> Iterator[tuple[str, Piece]]:
        files = self.as_files.files(cache)
        if self.val_fraction is None:
            for split, paths in files.items():
                for answered in self.read_all(paths):
                    yield from ((split, piece) for piece in self.documents(answered, counts))
            return
        last = self.last_held_out(files["train"])
        for split in ("train", "val"):
            for answered in self.read_all(files["train"]):
                if (self.order_of(answered.prompt) <= last) == (split == "val"):
                    yield from ((split, piece) for piece in self.documents(answered, counts))

    def documents(self, answered: Answered, counts: Counts) -> Iterator[Piece]:
        """A prompt and its answer as two documents."""
        for text in (before_answer(self.template, answered.prompt), self.spaces + answered.answer):
            yield from cut_text(text, counts) if text else [Piece("", ends_document=True)]

    def order_of(self, prompt: str) -> int:
        """A number that is the same for equal prompts, and as good as random otherwise."""
        text = f"{self.seed} {prompt}".encode(errors="backslashreplace")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")

    def last_held_out(self, paths: Sequence[Path]) -> int:
        """The largest ``order_of`` a prompt that is for validation; raises InputError where there are too few."""
        orders = np.unique(np.array([self.order_of(prompt) for prompt, _ in self.read_all(paths)], dtype=np.uint64))
        if len(orders) < 2:
            raise InputError(
                f"data.path={self.path}: has {len(orders)} different prompts, and one part of them is to train on, "
                "the other to validate; give more, or data.val_path"
            )
        n = round(len(orders) * (self.val_fraction or 0))
        return int(orders[min(max(n, 1), len(orders) - 1) - 1])


class AnsweredPrompts(Tokens):
    """The tokens of one split, and where in them the prompts and answers are that are read.

    ``starts_of_prompts`` [n]: of the end token before each prompt; ``answers`` [n]: of the first token of its answer;
    ``ends`` [n]: of the end token after that.
    """

    def __init__(self, ids: np.ndarray, starts: np.ndarray, answers: np.ndarray, ends: np.ndarray) -> None:
        super().__init__([ids])
        self.starts_of_prompts, self.answers, self.ends = starts, answers, ends
        self.lengths = ends - starts  # of what is read: the end token after the answer is only predicted

    @classmethod
    def of(cls, tokens: Tokens, end: int) -> "AnsweredPrompts":
        """Of shards in which prompts and answers are documents in turn, each followed by the token ``end``."""
        ids = np.concatenate(tokens.arrays) if tokens.arrays else np.zeros(0, np.uint16)
        after = np.flatnonzero(ids == end)
        after_prompts, after_answers = after[0::2], after[1::2]
        ids = np.concatenate((np.array([end], ids.dtype), np.delete(ids, after_prompts)))
        n = np.arange(len(after_prompts))
        ends = after_answers - n  # one more before them, and an end token less for each prompt
        return cls(ids, np.concatenate(([0], ends[:-1])), after_prompts + 1 - n, ends)

    @property
    def n(self) -> int:
        return len(self.ends)

    @property
    def n_targets(self) -> int:
        """Tokens that are learned: those of the answers, and the end token after each."""
        return int((self.ends - self.answers + 1).sum())

    def fitting(self, block_size: int) -> "AnsweredPrompts":
        """Without those that are longer than a block."""
        fits = self.lengths <= block_size
        return AnsweredPrompts(self.arrays[0], self.starts_of_prompts[fits], self.answers[fits], self.ends[fits])

    def prompt_and_answer(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """What is read before the ``i``-th answer, int64 [p]; the answer with its end token, int64 [a]."""
        start, answer, end = int(self.starts_of_prompts[i]), int(self.answers[i]), int(self.ends[i])
        return self.read(start, answer - start), self.read(answer, end + 1 - answer)

    def rows(self, which: Sequence[int]) -> np.ndarray:
        """These of them, int64 [n, longest + 1]; what is read and not learned is there as ``~id``, below 0."""
        rows = np.full((len(which), int(max(self.lengths[i] for i in which)) + 1), PADDING)
        for row, i in zip(rows, which, strict=True):
            prompt, answer = self.prompt_and_answer(i)
            row[: len(prompt)] = ~prompt
            row[len(prompt) : len(prompt) + len(answer)] = answer
        return rows

    def bytes_of_answers(self, lengths: np.ndarray) -> int:
        """How many bytes of text the answers are; ``lengths``: of each token of the vocabulary."""
        until = np.concatenate(([0], np.cumsum(lengths[self.arrays[0]])))
        return int((until[self.ends] - until[self.answers]).sum())


def require_fitting(splits: Sequence[AnsweredPrompts], block_size: int) -> None:
    """Raises InputError where some are longer than a block, or there are none."""
    lengths = np.concatenate([split.lengths for split in splits])
    longer = int((lengths > block_size).sum())
    remedy = f"give a longer block than model.block_size={block_size}"
    if longer:
        raise InputError(
            f"{longer:,} of {len(lengths):,} prompts with their answers are longer than a block, up to "
            f"{lengths.max():,} tokens; {remedy}, or leave them out with data.skip_too_long=true"
        )
    if not all(split.n for split in splits):
        raise InputError(f"no prompt with its answer is left to train on, or none to validate; {remedy}")
