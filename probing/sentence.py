"""Where the chosen heads look in a sentence of the user's own."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from data import InputError, Tokenizer
from model import GPT
from probing.families import FamilyResult
from probing.figures import attention_row

PRONOUNS = frozenset("he she it they him her them his hers its their theirs himself herself itself themselves".split())
SHOWN = 3


def query_positions(tokens: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """The tokens that are pronouns, and the last token, which predicts what comes next."""
    words = [tokenizer.decode([token]).strip().lower() for token in tokens]
    return sorted({i for i, word in enumerate(words) if word in PRONOUNS} | {len(tokens) - 1})


def show_sentence(
    model: GPT, tokenizer: Tokenizer, results: Sequence[FamilyResult], text: str, console: Console
) -> None:
    """Prints, for the best head of each family that the model resolves, what it looks at from every pronoun.

    Raises InputError where the text is longer than the block.
    """
    tokens = [tokenizer.end, *tokenizer.encode(text).tolist()]
    if len(tokens) > model.config.block_size:
        raise InputError(f"text has {len(tokens) - 1} tokens; this model reads {model.config.block_size - 1} at once")
    shown = [result for result in results if result.resolved]
    if not shown:
        console.print("the model resolves no family, so there is no head to show")
    for result in shown:
        head = result.best
        console.print(f"\nhead {head}, chosen on {result.name}:")
        for position in query_positions(tokens, tokenizer):
            console.print(tinted(tokens, attention_row(model, tokens, position, head), position, tokenizer))


def tinted(tokens: Sequence[int], weights: Sequence[float], position: int, tokenizer: Tokenizer) -> Text:
    """The sentence with each word's background as strong as its weight, then the heaviest words in numbers."""
    line = Text("  ")
    for i, token in enumerate(tokens[1:], start=1):
        word = tokenizer.decode([token])
        weight = weights[i] if i <= position else 0.0
        style = f"on rgb({int(255 * weight)},{int(100 * weight)},0)" if weight > 0.05 else ""
        if i >= position:
            style = f"{style} reverse underline" if i == position else "dim"
        line.append(word, style=style)
    names = ["start", *(tokenizer.decode([token]).strip() or repr(tokenizer.decode([token])) for token in tokens[1:])]
    heaviest = sorted(range(len(weights)), key=lambda i: -weights[i])[:SHOWN]
    looks = ", ".join(f"{names[i]} {weights[i]:.2f}" for i in heaviest)
    line.append(f"\n    from {names[position]!r}: {looks}", style="default not reverse")
    return line
