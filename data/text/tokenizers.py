"""Text to token ids and back: raw bytes, a BPE trained on the corpus, or GPT-2's own; characters; names of tokens.

Encoding is always done by tiktoken, or by numpy for bytes; Hugging Face's ``tokenizers`` only trains the merges.
Each of these covers all 256 bytes, so that any text can be encoded, and has one more id, the end token, that stands
after every document. Text that merely looks like a special token is plain text.
"""

import base64
import hashlib
import json
import os
import re
import reprlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tiktoken

from common.errors import SHOWN, InputError
from data.text.download import WebFile, fetch_all
from data.text.pieces import END, LONE_SURROGATE

# GPT-2's way to cut text into words before merging, as one line (Radford et al. 2019).
WORD_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BYTE_PATTERN = r"[\s\S]"
N_BYTES = 256
N_GPT2 = 50257  # tokens, the end token among them
MOST_IDS = 1 << 20  # of a vocabulary: four times the largest in use
GPT2_URL = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/encoder.json"
GPT2_VOCABULARY = WebFile(
    GPT2_URL,
    hashlib.sha1(GPT2_URL.encode()).hexdigest(),  # as tiktoken names it in its own cache
    1_042_301,
    "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
)

Kind = Literal["bytes", "bpe", "gpt2", "characters", "ids"]
IDS = "ids"  # the kind of tokens that stand for no text
ID = re.compile("[0-9]{1,7}")
NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")  # a name that an id might be meant for
CHARACTERS = "characters"  # the kind of tokens that a model of nanoGPT may have


@dataclass(frozen=True)
class TokenizerConfig:
    """Which tokenizer; ``vocab_size`` (end token included) matters for ``bpe`` only, and is an upper bound."""

    kind: Kind = "bpe"
    vocab_size: int = 2048

    def __post_init__(self) -> None:
        if self.kind == "bpe" and self.vocab_size <= N_BYTES:
            raise ValueError(f"vocab_size={self.vocab_size}: must be above {N_BYTES}, one for every byte and the end")
        if self.vocab_size > MOST_IDS:
            raise ValueError(f"vocab_size={self.vocab_size}: must be at most {MOST_IDS:,}")


class Tokenizer(ABC):
    """Token ids 0 .. vocab_size - 1, and the bytes that each stands for, ``pieces``.

    ``end`` separates documents and stands for no bytes; None where nothing does. ``start`` is what every document
    begins with: a space in stories, so that the first word of a document is the same token as elsewhere.
    """

    has_text: bool = True  # whether its tokens stand for text

    def __init__(self, kind: Kind, pieces: Sequence[bytes], end: int | None, start: str) -> None:
        self.kind, self.pieces, self.end, self.start = kind, [*pieces], end, start
        self.vocab_size = len(self.pieces)
        self.lengths = np.array([len(piece) for piece in self.pieces])

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """Token ids of ``text``, int64 [n]; raises InputError for a text that has none."""

    def encode_pieces(self, pieces: Iterable[tuple[str, bool]]) -> np.ndarray:
        """The ids of texts, each as ``encode`` gives them, one after the other; after a text that ends a document also
        the end token, where there is one.
        """
        end = np.array(self.beginning, dtype=np.int64)
        return np.concatenate([ids for text, ends in pieces for ids in (self.encode(text), end[:ends])])

    @abstractmethod
    def to_json(self) -> str:
        """All of it, for ``from_json``."""

    def as_document(self, text: str) -> str:
        """``text`` as a document has it: after ``start``, unless it is empty or begins with it."""
        return text if not text or text.startswith(self.start) else self.start + text

    @property
    def beginning(self) -> list[int]:
        """What a document follows: the end token, where there is one."""
        return [] if self.end is None else [self.end]

    def encode_document(self, text: str) -> np.ndarray:
        """The end token, then the ids of ``text`` as a document: int64 [1 + n]. In training, too, documents follow an
        end token, that of the document before. Whatever is read from its beginning on is read like this.
        """
        return np.concatenate((np.array(self.beginning, dtype=np.int64), self.encode(self.as_document(text))))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of these tokens; an end token stands for none."""
        return b"".join(self.pieces[i] for i in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these tokens; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode(errors="replace")

    @staticmethod
    def load(path: Path) -> "Tokenizer":
        if not path.is_file():
            raise InputError(f"{path} is missing")
        return from_json(path.read_bytes(), path)


def from_json(text: bytes, source: Path) -> Tokenizer:
    """The tokenizer that ``to_json`` stored in ``source``; raises InputError where it is damaged."""
    try:
        stored = json.loads(text)
        kind, start = stored["kind"], stored.get("start", "")
        if kind == IDS:
            return IdTokenizer(stored["names"], stored["end"])
        if kind == CHARACTERS:
            return CharacterTokenizer(stored["names"], start)
        ranks = {base64.b64decode(token): i for i, token in enumerate(stored["tokens"])}
        if len(ranks) < len(stored["tokens"]) or not all(bytes([byte]) in ranks for byte in range(N_BYTES)):
            raise ValueError("tokens repeat, or some bytes have none")
        return BpeTokenizer(kind, ranks, stored["pattern"], start)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{source} is damaged or no tokenizer of this project ({error})") from None


class BpeTokenizer(Tokenizer):
    """Byte-level BPE; single bytes are the case without merges. ``ranks``: the ids of all tokens but the last, the end
    token. ``pattern`` cuts text into words, which are merged one by one.
    """

    def __init__(self, kind: Kind, ranks: dict[bytes, int], pattern: str, start: str = "") -> None:
        super().__init__(kind, [*sorted(ranks, key=lambda piece: ranks[piece]), b""], len(ranks), start)
        self.pattern = pattern
        special = {END: len(ranks)}
        self.encoding = tiktoken.Encoding("lookback", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)

    def encode(self, text: str) -> np.ndarray:
        if self.kind == "bytes":
            return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)
        return np.array(self.encoding.encode_ordinary(text), dtype=np.int64)

    def encode_pieces(self, pieces: Iterable[tuple[str, bool]]) -> np.ndarray:
        """Documents are handed to tiktoken many at a time, with the end token between them spelled out: what a call
        costs would be a tenth of the time for short ones.
        """
        parts, run = [], []

        def encode_run() -> None:
            parts.append(self.encoding.encode_to_numpy("".join(run), allowed_special={END}, disallowed_special=()))
            run.clear()

        for text, ends_document in pieces:
            alone = self.kind == "bytes" or END in text  # which is text there, not the token
            if alone:
                encode_run()
                parts.append(self.encode(text))
            else:
                run.append(text)
            if ends_document:
                run.append(END)
            elif not alone:
                encode_run()
        encode_run()
        return np.concatenate(parts)

    def to_json(self) -> str:
        tokens = [base64.b64encode(piece).decode() for piece in self.pieces[:-1]]
        start = {"start": self.start} if self.start else {}
        return json.dumps({"kind": self.kind, "pattern": self.pattern, **start, "tokens": tokens}, indent=0)


class IdTokenizer(Tokenizer):
    """Tokens that stand for no text, such as moves or notes, by ``names``; a number: so many, named 0, 1, 2, ...

    Text is names with one space between them, or ids, where names are the ids or none looks like a number; ``end``, a
    name: the token that every sequence begins with, if any does. Names that have spaces themselves can be shown, and
    ids alone be read.
    """

    has_text = False

    def __init__(self, names: Sequence[str] | int, end: str | None = None) -> None:
        self.names = names = checked_names([*map(str, range(names))] if isinstance(names, int) else names)
        if end is not None and end not in names:
            raise InputError(f"end={end!r} is none of the names of tokens")
        pieces = [b"" if name == end else f" {name}".encode() for name in names]
        super().__init__(IDS, pieces, None if end is None else names.index(end), " ")
        self.id_of = {name: i for i, name in enumerate(names) if name != end}
        self.spaced = next((name for name in self.id_of if " " in name), None)
        clear = all(name == str(i) for name, i in self.id_of.items()) or not any(map(NUMBER.fullmatch, self.id_of))
        self.reads_ids = self.spaced is not None or clear

    def encode(self, text: str) -> np.ndarray:
        """The ids of names with one space between them, or of ids, int64 [n]; raises InputError for what is neither."""
        names = text.removeprefix(self.start).split(" ") if text else []
        if self.reads_ids and all(map(ID.fullmatch, names)):
            ids = np.array(names, dtype=np.int64)
            if (ids < self.vocab_size).all():
                return ids
        if self.spaced is not None:
            raise InputError(
                f"the name {self.spaced!r} of a token has a space, so that text cannot be cut into names; give ids"
            )
        if unknown := [name for name in names if name not in self.id_of]:
            if unknown[0] in self.names:
                raise InputError(f"the token {unknown[0]!r} begins every sequence by itself; leave it out")
            some = ", ".join([*self.id_of][:3])
            raise InputError(
                f"{unknown[0]!r} is no name of a token; give names with one space between them ({some}, ...)"
            )
        return np.array([self.id_of[name] for name in names], dtype=np.int64)

    def encode_pieces(self, pieces: Iterable[tuple[str, bool]]) -> np.ndarray:
        raise InputError("the tokens of this model stand for no text, and text has no ids of theirs; give data=tokens")

    def to_json(self) -> str:
        end = None if self.end is None else self.names[self.end]
        return json.dumps({"kind": self.kind, "names": self.names, "end": end}, indent=0)


class UnknownCharactersError(InputError):
    """A text has characters for which there is no token."""


class CharacterTokenizer(Tokenizer):
    """Tokens that are one character each, of models that were trained elsewhere, without an end token: a text with any
    other character has no ids.
    """

    def __init__(self, characters: Sequence[str], start: str = "") -> None:
        names = checked_names(characters)
        super().__init__(CHARACTERS, [name.encode() for name in names], None, start)
        self.id_of = {name: i for i, name in enumerate(names)}

    def encode(self, text: str) -> np.ndarray:
        if unknown := sorted({*text} - self.id_of.keys()):
            names = ", ".join(map(repr, unknown[:SHOWN])) + f" and {len(unknown) - SHOWN} more" * (len(unknown) > SHOWN)
            are, them = ("is", "it") if len(unknown) == 1 else ("are", "them")
            known = f"none of the {self.vocab_size} characters that this model knows"
            raise UnknownCharactersError(f"{names} {are} {known}; give a text without {them}")
        return np.array([self.id_of[character] for character in text], dtype=np.int64)

    def to_json(self) -> str:
        start = {"start": self.start} if self.start else {}
        return json.dumps({"kind": self.kind, "names": [*self.id_of], "end": None, **start}, indent=0)


def checked_names(names: Sequence[str]) -> list[str]:
    """``names`` of all ids; raises InputError unless each is a text of its own that is not empty."""
    checked = [*names] if isinstance(names, Sequence) else []
    if not checked or not all(isinstance(name, str) and name and not LONE_SURROGATE.search(name) for name in checked):
        raise InputError(
            f"names of tokens must be texts that are not empty, one for each id, not {reprlib.repr(names)}"
        )
    if twice := [name for name, n in Counter(checked).items() if n > 1]:
        raise InputError(f"{twice[0]!r} is the name of several tokens; each needs its own")
    return checked


def byte_tokenizer() -> BpeTokenizer:
    return BpeTokenizer("bytes", {bytes([byte]): byte for byte in range(N_BYTES)}, BYTE_PATTERN)


def train_bpe(texts: Iterable[str], vocab_size: int) -> BpeTokenizer:
    """Byte-level BPE (Sennrich et al. 2016) with at most ``vocab_size`` ids; a small corpus yields fewer merges."""
    from tokenizers import Regex, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Trainable

    trainable = Trainable(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainable.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="isolated"), byte_level]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size - 1, initial_alphabet=alphabet, show_progress=False)
    trainable.train_from_iterator(texts, trainer)
    return BpeTokenizer("bpe", ranks_of(trainable.get_vocab()), WORD_PATTERN)


def ranks_of(vocabulary: dict[str, int]) -> dict[bytes, int]:
    """The tokens of byte-level BPE, all but the end token, as bytes, with their ids."""
    to_byte = byte_of_symbol()
    return {bytes(to_byte[symbol] for symbol in token): i for token, i in vocabulary.items() if token != END}


def byte_of_symbol() -> dict[str, int]:
    """The printable stand-ins of byte-level BPE, back to bytes: printable Latin-1 is itself, the rest follow U+0100."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(N_BYTES) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(N_BYTES + i): byte for i, byte in enumerate(others)}


def gpt2_tokenizer(cache: Path) -> BpeTokenizer:
    """GPT-2's vocabulary, from tiktoken's own cache where there is one, else downloaded once into ``cache``.

    Its ids are its merge ranks, so this one of its two files says everything.
    """
    folder = Path(os.environ.get("TIKTOKEN_CACHE_DIR") or cache / "tiktoken")
    (path,) = fetch_all("gpt2", [GPT2_VOCABULARY], folder)
    return BpeTokenizer("gpt2", ranks_of(json.loads(path.read_text(encoding="utf-8"))), WORD_PATTERN)
