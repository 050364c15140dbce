"""Where the chosen heads look in a sentence of the user's own."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from data import InputError, Tokenizer
from model import GPT
from probing.findings import Findings
from probing.heads import attention_row, head_names

PRONOUNS = frozenset("he she it they him her them his hers its their theirs himself herself itself themselves".split())
SHOWN = 3


def query_positions(tokens: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """The tokens that are pronouns, and the last token, which predicts what comes next."""
    words = [tokenizer.decode([token]).strip().lower() for token in tokens]
    return sorted({i for i, word in enumerate(words) if word in PRONOUNS} | {len(tokens) - 1})


def encode_sentence(text: str, model: GPT, tokenizer: Tokenizer) -> list[int]:
    """An end token and the tokens of ``text``; raises InputError where they are more than the model reads at once."""
    tokens = [tokenizer.end, *tokenizer.encode(text).tolist()]
    if len(tokens) > model.config.block_size:
        raise InputError(f"text has {len(tokens) - 1} tokens; this model reads {model.config.block_size - 1} at once")
    return tokens


def show_sentence(
    model: GPT, tokenizer: Tokenizer, findings: Findings, tokens: Sequence[int], console: Console
) -> None:
    """Prints what heads look at from every pronoun and from the last token.

    The heads are the best ones of the families that the model resolves; all of them, if it resolves none.
    """
    chosen = {result.best: f"the best on {result.name}" for result in findings.families if result.resolved}
    for head in chosen or head_names(model):
        console.print(f"\nhead {head}{f', {chosen[head]}' if chosen else ''}:")
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
