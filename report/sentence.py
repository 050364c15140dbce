"""What ``probe.py text=...`` prints of a sentence: what comes next, where heads look from its last word, and which of
its words the model may not know.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.visible import END, visible, visible_name, visible_text, visible_tokens
from data import Tokenizer
from data.text.words import missing_words, words_in_pieces
from model import GPT
from probing.findings import role_of
from probing.heads import attention_row, head_names
from probing.sentence import NextWord, changes_without_heads, encode_sentence, next_words
from report.terminal import Output
from report.text_summary import leads, role_in_words
from report.tinted_text import few, legend, tinted

NEXT = 5  # likeliest tokens
MOST_NAMED, MOST_CHANGING = 4, 3  # heads
SMALLEST = 0.0005  # a probability that is not shown as 0


@dataclass(frozen=True)
class SentencePrinter:
    """Reads sentences with a model and prints what it finds. ``heads``: by head, what it does in words, as a probe has
    shown; where it is empty, each sentence shows the heads that its own prediction depends on. ``trained``: the tokens
    [n] of all that the model was trained on, if they are known.
    """

    model: GPT
    tokenizer: Tokenizer
    heads: Mapping[str, str]
    trained: np.ndarray | None
    console: Output

    def show(self, text: str) -> None:
        """Prints all about one sentence; raises InputError where the model cannot read it."""
        tokens = encode_sentence(text, self.model, self.tokenizer)
        words = next_words(self.model, self.tokenizer, tokens, NEXT)
        self.console.print()
        for word in words:
            self.console.print(self.next_line(word))
        likeliest = max(words, key=lambda word: word.probabilities[0])
        for head, about in (self.heads or self.changing_heads(tokens, likeliest)).items():
            self.console.print(f"head {head}: {about}")
            weights = attention_row(self.model, tokens, len(tokens) - 1, head)
            self.console.print(tinted(tokens, weights, self.tokenizer, self.console))
        for note in self.notes(text):
            self.console.note(note)

    def next_line(self, word: NextWord) -> str:
        pieces = [self.tokenizer.pieces[i] for i in word.pieces]
        line = f"{probability(word.probability)} {visible(b''.join(pieces)) or END}"
        if len(pieces) == 1:
            return line
        return f"{line}   ({in_pieces(pieces)}: {' x '.join(map(probability, word.probabilities))})"

    def changing_heads(self, tokens: list[int], likeliest: NextWord) -> dict[str, str]:
        """The heads without which log P of the likeliest token changes most; ``likeliest``: the word it begins."""
        changes = changes_without_heads(self.model, tokens)
        name = visible(self.tokenizer.pieces[likeliest.pieces[0]]).strip() or END
        most = sorted(changes, key=lambda head: -abs(changes[head]))[:MOST_CHANGING]
        return {head: f"without it log P of '{name}' changes by {changes[head]:+.2f} nats" for head in most}

    def notes(self, text: str) -> list[str]:
        notes = []
        spelled = dict.fromkeys(map(in_pieces, words_in_pieces(text, self.tokenizer).values()))
        unknown = "" if self.trained is not None else "; whether training had them is not known here"
        if spelled:
            notes.append(f"spelled in pieces: {', '.join(spelled)}{unknown}")
        if self.trained is not None and (missing := missing_words(text, self.trained, self.tokenizer)):
            notes.append(f"not in the text that the model was trained on: {', '.join(missing)}")
        return notes


def new_printer(
    run: Path, step: int, model: GPT, tokenizer: Tokenizer, trained: np.ndarray | None, console: Output
) -> SentencePrinter:
    """For the model that ``run`` had at ``step``; prints which heads will be shown, and how to read the rest."""
    console.print(f"run {visible_text(str(run))}, step {step:,}")
    heads, path = {}, run / "probe" / "heads.json"
    if model.config.layers_with_heads:
        try:
            heads = named_heads(path, step, model)
            console.print(f"heads with their roles, from {visible_text(str(path))}")
        except InputError as why:
            shown = f"the heads that each prediction depends on most, at most {MOST_CHANGING}"
            console.note(f"{why}: shown are {shown}")
        console.print(legend(console, chosen=False))
    console.print(
        f"from the {NEXT} likeliest tokens: if one begins a word, its likeliest continuation follows, and the "
        "probability is that of all its tokens"
    )
    return SentencePrinter(model, tokenizer, heads, trained, console)


def in_pieces(pieces: list[bytes]) -> str:
    return "·".join(visible_tokens(pieces)).lstrip()


def probability(p: float) -> str:
    return f"{p:.3f}" if p >= SMALLEST else "<.001"


def named_heads(path: Path, step: int, model: GPT) -> dict[str, str]:
    """What the heads do that the heads.json at ``path`` names, in words: the best ones of resolved tasks, if they look
    and matter; and, where a text leads, those with a role in it. At most MOST_NAMED, those with most roles first.

    Raises InputError, with the reason, where there are none of this ``step``.
    """
    if not path.is_file():
        raise InputError("this run's heads have not been measured, which probe.py does without text=")
    try:
        heads = json.loads(path.read_bytes())
        measured, roles = f"{heads['model']['step']:,}", roles_in(heads)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path} is damaged, or of another version") from None
    if measured != f"{step:,}":
        raise InputError(f"{path} is of step {measured}, and this is step {step:,}")
    if not roles or not roles.keys() <= {*head_names(model)}:
        raise InputError(f"{path} names no head of this model that looks and matters")
    most = sorted(roles, key=lambda head: -len(roles[head]))[:MOST_NAMED]
    return {head: few(roles[head]) for head in most}


def roles_in(heads: Mapping) -> dict[str, list[str]]:
    """By head, the roles that heads.json names it for."""
    roles: dict[str, dict[str, None]] = {}
    for name, task in heads["tasks"].items():
        best = task["best"]
        if task["resolved"] and best["looks"] and best["matters"]:
            roles.setdefault(best["head"], {})[visible_name(role_of(name))] = None
    for head in heads["text"]["heads"] if leads(heads) else ():
        for role in head["roles"]:
            roles.setdefault(head["head"], {})[role_in_words(role)] = None
    return {head: [*own] for head, own in roles.items()}
