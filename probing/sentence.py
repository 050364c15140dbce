"""A sentence of the user's own: its tokens, the positions to look from, and the head that is asked for."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from common.errors import InputError
from data import Tokenizer
from model import GPT
from probing.heads import head_names

PRONOUNS = frozenset("he she it they him her them his hers its their theirs himself herself itself themselves".split())
WORD = re.compile(rb"[A-Za-z\x80-\xff]+")  # a token may be a part of one: the he in The is no pronoun


def query_positions(tokens: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """The last token of every pronoun, and the last token of all, which predicts what comes next."""
    ends = list(accumulate(len(tokenizer.pieces[token]) for token in tokens))
    words = WORD.finditer(tokenizer.decode_bytes(tokens))
    pronouns = (word for word in words if word[0].decode(errors="replace").lower() in PRONOUNS)
    return sorted({bisect_right(ends, word.end() - 1) for word in pronouns} | {len(tokens) - 1})


def encode_sentence(text: str, model: GPT, tokenizer: Tokenizer) -> list[int]:
    """An end token and the tokens of ``text``; raises InputError where they are more than the model's block holds."""
    tokens = [tokenizer.end, *tokenizer.encode(text).tolist()]
    if len(tokens) > model.config.block_size:
        raise InputError(f"text has {len(tokens) - 1} tokens; this model reads {model.config.block_size - 1} at most")
    return tokens


def require_head(name: str, model: GPT, key: str) -> None:
    """Raises InputError, which names ``key``, where the model has no such head."""
    config = model.config
    if name not in head_names(model):
        layers = config.layers_with_heads
        if not layers:
            raise InputError(f"{key}={name}: attention={config.attention} has no heads; leave {key} out")
        every = len(layers) == config.n_layer
        there = f"0 to {layers[-1]}" if every else ", ".join(map(str, layers))
        there = f"layers {there} with heads 0 to {config.n_head - 1} each"
        example = f"{key}={layers[-1]}.{config.n_head - 1}"
        raise InputError(f"{key}={name}: is no head of this model; give LAYER.HEAD of {there}, as in {example}")
