"""Text in the terminal as one query of a head sees it: every word tinted by its share of attention.

Where there is no colour, words that get a share worth showing carry it in brackets, as in river[.93].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from rich.console import Console
from rich.style import Style
from rich.text import Text

from common.visible import START, visible
from data import Tokenizer
from model import GPT
from model.cache import context_start
from probing.heads import attention_row
from report.colours import TINT
from report.terminal import chip, is_plain

WORTH_SHOWING = 0.05  # a share of attention
HEAVIEST = 3
INDENT = "  "
QUERY, CHOSEN, UNSEEN = Style(bold=True, underline=True), Style(bold=True, reverse=True), Style(dim=True)


@dataclass(frozen=True)
class Word:
    """The tokens [start, end) and their bytes: one token, or several where they share a character."""

    raw: bytes
    start: int
    end: int

    def holds(self, position: int | None) -> bool:
        return position is not None and self.start <= position < self.end

    @property
    def name(self) -> str:
        """What to call it by itself; the end token has no bytes, and a text begins with it."""
        return visible(self.raw).strip() or START

    @property
    def running(self) -> tuple[str, str, str]:
        """What stands for it in running text: a space before it, itself, a space or a line's end after it."""
        if self.raw == b" ":
            return "", " ", ""
        before = " " if visible(self.raw).startswith(" ") else ""
        after = "\n" if self.raw.endswith(b"\n") else "" if self.raw else " "
        return before, self.name, after


def split_words(tokens: Sequence[int], tokenizer: Tokenizer) -> list[Word]:
    """``tokens`` cut wherever a token ends where a character does; a byte that is no UTF-8 is one by itself."""
    ends = list(accumulate(len(tokenizer.pieces[token]) for token in tokens))
    text = tokenizer.decode_bytes(tokens).decode(errors="surrogateescape")
    whole = {0, *accumulate(1 if "\udc80" <= c <= "\udcff" else len(c.encode()) for c in text)}
    cuts = [0, *(i for i, end in enumerate(ends, start=1) if end in whole)]
    return [Word(tokenizer.decode_bytes(tokens[start:end]), start, end) for start, end in pairwise(cuts)]


def tinted(
    tokens: Sequence[int], weights: Sequence[float], tokenizer: Tokenizer, console: Console, chosen: int | None = None
) -> Text:
    """The text of ``tokens`` with each word's ground as strong as its weight, then the heaviest words in numbers.

    ``weights`` are those of the query that stands last in them, which is underlined; the token at ``chosen`` is
    reversed, and what else the query does not see is pale. Without colours, »these« marks and numbers say it.
    """
    plain, query, words = is_plain(console), len(weights) - 1, split_words(tokens, tokenizer)
    shares = [sum(weights[word.start : word.end]) for word in words]
    line = Text(INDENT)
    for word, share in zip(words, shares, strict=True):
        before, shown, after = word.running
        style = chip(TINT, share, console) if share >= WORTH_SHOWING else Style.null()
        if word.holds(chosen) or word.holds(query):
            style = CHOSEN if word.holds(chosen) else style + QUERY
            shown = f"»{shown}«" if plain else shown
        elif word.start > query:
            style = UNSEEN
        if plain and share >= WORTH_SHOWING:
            shown += f"[{decimals(share)}]"
        line.append(before).append(shown, None if plain else style).append(after.replace("\n", f"\n{INDENT}"))
    return line.append(f"\n{INDENT}  {numbers(words, shares, query)}")


def numbers(words: Sequence[Word], shares: Sequence[float], query: int) -> str:
    """The words that the query looks at most, heaviest first."""
    seen = [i for i, word in enumerate(words) if word.start <= query]
    heaviest = sorted(seen, key=lambda i: -shares[i])[:HEAVIEST]
    looks = ", ".join(f"{words[i].name} {decimals(shares[i])}" for i in heaviest)
    (origin,) = (words[i].name for i in seen if words[i].holds(query))
    return f"from '{origin}': {looks}"


def decimals(share: float) -> str:
    """.93 for 0.93, 1.00 for 1."""
    return f"{share:.2f}".removeprefix("0")


def listing(parts: Sequence[str], n: int) -> str:
    """The first n parts, and how many more there are."""
    return ", ".join(parts[:n]) + (f" and {len(parts) - n} more" if n < len(parts) else "")


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


def legend(console: Console, chosen: bool) -> str:
    """How to read what ``tinted`` makes, where a token is ``chosen`` and where none is."""
    share = "its share of the head's attention"
    if is_plain(console):
        return f"[.93]: {share}; »«: the word that the head attends from{', then the one chosen' * chosen}"
    return f"background: {share}; underlined: the word that it attends from{'; reversed: the one chosen' * chosen}"
