"""A sentence of the user's own: its tokens, what the model says next, and how that changes without each head."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from common.errors import InputError
from data import Tokenizer
from data.text.words import LETTER
from model import GPT
from model.generate import Batch, Decoder
from probing.heads import head_names
from probing.interventions.batch import NUMBERS_PER_BATCH
from probing.lists import is_text
from probing.replay import Edit, Replay

BEGUN = re.compile(rf" ?(?:{LETTER}*|([^\W\d_]))")  # of a word: what may be so far, or else the ideograph that it is
INSIDE = re.compile(r"[^\W\d_]|\ufffd")  # a letter, or a part of a character
MOST_PIECES = 32  # of a word; with bytes, each is a letter


def encode_sentence(text: str, model: GPT, tokenizer: Tokenizer) -> list[int]:
    """``text`` as the beginning of a document; raises InputError where it does not fit into the model's block."""
    tokens, most = tokenizer.encode_document(text).tolist(), model.config.block_size
    if len(tokens) > most:
        begin = len(tokenizer.beginning)
        raise InputError(
            f"the text has {len(tokens) - begin:,} tokens; this model reads {most - begin:,} at most; shorten it"
        )
    return tokens


@dataclass(frozen=True)
class NextWord:
    """What may come next: the pieces of a word, or one token of another kind, and how likely each is after those before
    it.
    """

    pieces: tuple[int, ...]
    probabilities: tuple[float, ...]

    @property
    def probability(self) -> float:
        """That all pieces come next, which is the product; what follows the word does not count."""
        return prod(self.probabilities)


@torch.inference_mode()
def next_words(model: GPT, tokenizer: Tokenizer, tokens: Sequence[int], n: int) -> list[NextWord]:
    """The n likeliest tokens after ``tokens``. If one begins a word, its likeliest continuation follows, token by
    token, until the word ends with a probability of one half or more. The likeliest word comes first.

    Raises InputError where the model's logits are not finite.
    """
    prompt = torch.tensor(tokens, device=model.embed.weight.device)
    logits = model(prompt[None], rows=torch.tensor([[len(tokens) - 1]], device=prompt.device))[0, 0]
    if not logits.isfinite().all():
        raise InputError("the model's logits are not finite; give another checkpoint=STEP")
    first = logits.softmax(-1).topk(min(n, len(logits)))
    words = [[pair] for pair in zip(first.indices.tolist(), first.values.tolist(), strict=True)]
    batch = Batch([torch.cat((prompt, token[None])) for token in first.indices])
    inside = torch.tensor([may_stand_inside(piece) for piece in tokenizer.pieces], device=prompt.device)
    decoder = Decoder(model, batch, len(tokens) + MOST_PIECES)
    growing = [i for i, word in enumerate(words) if may_go_on(word, tokenizer)]
    while growing and batch.n < len(tokens) + MOST_PIECES:
        going_on = decoder.next_logits().softmax(-1) * inside  # [n, vocabulary]
        likeliest = going_on.max(-1)
        batch.add(likeliest.indices)
        longer = {i: [*words[i], (int(likeliest.indices[i]), float(likeliest.values[i]))] for i in growing}
        goes_on = (going_on.sum(-1) > 0.5).tolist()
        grown = [i for i, word in longer.items() if goes_on[i] and word_so_far(word, tokenizer)]
        for i in grown:
            words[i] = longer[i]
        growing = [i for i in grown if may_go_on(words[i], tokenizer)]
    for word in words:
        while len(word) > 1 and not is_text(tokenizer.decode_bytes(i for i, _ in word)):
            word.pop()  # a part of a character that turned out to be no letter
    found = [NextWord(*zip(*word, strict=True)) for word in words]
    return sorted(found, key=lambda word: word.probability, reverse=True)


def may_stand_inside(piece: bytes) -> bool:
    """Whether a token may stand inside a word: it begins with a letter, or with a part of a character."""
    return INSIDE.match(piece.decode(errors="replace")) is not None


def word_so_far(word: Sequence[tuple[int, float]], tokenizer: Tokenizer) -> re.Match[str] | None:
    """BEGUN in the text of pieces, of which half a character at the end is left out; None: they are no word so far."""
    ids = [i for i, _ in word]
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(tokenizer.decode_bytes(ids))
    return None if ids[-1] == tokenizer.end else BEGUN.fullmatch(text)


def may_go_on(word: Sequence[tuple[int, float]], tokenizer: Tokenizer) -> bool:
    """Whether pieces are a word so far that another letter may follow."""
    begun = word_so_far(word, tokenizer)
    return begun is not None and begun[1] is None


@torch.inference_mode()
def changes_without_heads(model: GPT, tokens: Sequence[int]) -> dict[str, float]:
    """By how much log P of the likeliest token after ``tokens`` changes, in nats, if a head's output is zero in every
    row (zero ablation): each head by itself. Empty for a model without heads.
    """
    config, changes = model.config, {}
    if not config.layers_with_heads:
        return changes
    read = torch.tensor([tokens], device=model.embed.weight.device)
    start, asked = read.new_zeros(1), read.new_tensor([len(tokens) - 1])
    replay = Replay(model, read, asked)
    clean = replay.logits(config.layers_with_heads[-1], asked)[0, 0].log_softmax(-1)
    kept = ~torch.eye(config.n_head, dtype=torch.bool, device=read.device)  # [V, H]
    at_once = max(1, NUMBERS_PER_BATCH // (4 * config.n_embd * len(tokens)))
    for layer in config.layers_with_heads:
        parts = [
            replay.logits(layer, start, len(own), silenced(layer, own))[:, 0].log_softmax(-1)
            for own in kept.split(at_once)
        ]
        change = (torch.cat(parts) - clean)[:, clean.argmax()]  # [H]
        changes |= {f"{layer}.{head}": nats for head, nats in enumerate(change.tolist())}
    return changes


def silenced(layer: int, kept: Tensor) -> Edit:
    """In variant v, the output of each head of ``layer`` for which ``kept`` [V, H] is false is zero."""
    return lambda at, z, rows: z * kept[:, None, :, None, None] if at == layer else z


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
