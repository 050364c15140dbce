"""The tokenizer that a configuration asks for, learned from a sample of the training text if its kind is learned."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from common.errors import InputError
from common.progress import Progress
from data.text.pieces import Piece, utf8_length
from data.text.tokenizers import CHARACTERS, IDS, Tokenizer, TokenizerConfig, byte_tokenizer, gpt2_tokenizer, train_bpe

BPE_SAMPLE_BYTES = 64 << 20
ENDLESS_WORD = re.compile(r"\S{1000}")
ENDLESS_SPACE = re.compile(r"\s{1000,}")


def make_tokenizer(sample: Iterable[str], start: str, config: TokenizerConfig, cache: Path) -> Tokenizer:
    """A tokenizer, learned from ``sample`` if its kind is learned; ``start``: what documents begin with."""
    if config.kind == "bytes":
        tokenizer = byte_tokenizer()
    elif config.kind == "gpt2":
        tokenizer = gpt2_tokenizer(cache)
    elif config.kind == IDS:
        raise InputError(f"tokenizer.kind={IDS}: comes with data=tokens alone; give tokenizer=bytes")
    elif config.kind == CHARACTERS:
        raise InputError(f"tokenizer.kind={CHARACTERS}: comes with init_from=nanogpt:FILE alone; give tokenizer=bytes")
    else:
        tokenizer = train_bpe(sample, config.vocab_size)
    tokenizer.start = start
    return tokenizer


def sample_text(pieces: Iterable[tuple[str, Piece]], progress: Progress) -> Iterator[str]:
    """The first BPE_SAMPLE_BYTES of the training text; validation text does not shape the tokenizer.

    Endless words and endless space, which would take learning ages and teach it nothing, are broken or shortened.
    """
    done = 0
    for split, piece in pieces:
        if split != "train" or done >= BPE_SAMPLE_BYTES:
            return
        done += utf8_length(piece.text)
        progress("learning merges", done, None)
        yield ENDLESS_SPACE.sub("\n", ENDLESS_WORD.sub(r"\g<0> ", piece.text))
