"""Where heads look in a sentence of the user's own, and where one looked when a word was chosen."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from rich.console import Console

from data import InputError, Tokenizer
from data.visible import visible_name
from model import GPT
from model.generate import context_start
from probing.colours import is_plain
from probing.findings import Findings
from probing.heads import attention_row, head_names
from probing.role_map import listing
from probing.tint import tinted

PRONOUNS = frozenset("he she it they him her them his hers its their theirs himself herself itself themselves".split())
WORD = re.compile(rb"[A-Za-z\x80-\xff]+")  # a token may be a part of one: the he in The is no pronoun


def query_positions(tokens: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """The last token of every pronoun, and the last token of all, which predicts what comes next."""
    ends = list(accumulate(len(tokenizer.pieces[token]) for token in tokens))
    words = WORD.finditer(tokenizer.decode_bytes(tokens))
    pronouns = (word for word in words if word[0].decode(errors="replace").lower() in PRONOUNS)
    return sorted({bisect_right(ends, word.end() - 1) for word in pronouns} | {len(tokens) - 1})


def encode_sentence(text: str, model: GPT, tokenizer: Tokenizer) -> list[int]:
    """An end token and the tokens of ``text``; raises InputError where they are more than the model reads at once."""
    tokens = [tokenizer.end, *tokenizer.encode(text).tolist()]
    if len(tokens) > model.config.block_size:
        raise InputError(f"text has {len(tokens) - 1} tokens; this model reads {model.config.block_size - 1} at once")
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


def show_sentence(
    model: GPT, tokenizer: Tokenizer, findings: Findings, tokens: Sequence[int], console: Console
) -> None:
    """Prints what heads look at from every pronoun and from the last token.

    The heads are the best ones of the families that the model resolves; all of them, if it resolves none.
    """
    best_on: dict[str, list[str]] = {}
    for result in findings.families:
        if result.resolved:
            best_on.setdefault(result.best, []).append(visible_name(result.name))
    for head in best_on or head_names(model):
        console.print(f"\nhead {head}{f', the best on {few(best_on[head])}' if best_on else ''}:")
        for position in query_positions(tokens, tokenizer):
            weights = attention_row(model, tokens, position, head)
            console.print(tinted(tokens, weights, tokenizer, console))


def few(names: Sequence[str]) -> str:
    """Up to three names, or two and how many more there are."""
    return listing(names, 3 if len(names) <= 3 else 2)


def show_choice(model: GPT, tokenizer: Tokenizer, head: str, tokens: Sequence[int], console: Console) -> None:
    """Prints what ``head`` looked at when the last of ``tokens``, a prompt and what was generated, was chosen.

    What is tinted is the context that ``generate`` gave to the model at that moment, and no more.
    """
    start = context_start(len(tokens) - 1, model.config.block_size)
    seen = tokens[start:]
    weights = attention_row(model, seen[:-1], len(seen) - 2, head)
    if start:
        console.print(f"  … (the model had read on and no longer saw the first {start:,} tokens)")
    console.print(tinted(seen, weights, tokenizer, console, chosen=len(seen) - 1))


def legend(console: Console) -> str:
    """How to read what ``show_choice`` prints."""
    if is_plain(console):
        return "[.93]: its share of attention; »«: the word that the head looked from, then the one chosen"
    return (
        "background: its share of attention; underlined: the word that the head looked from; reversed: the one chosen"
    )
