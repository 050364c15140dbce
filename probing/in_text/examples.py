"""A head's strongest weights as text: the words around the query and the key."""

from dataclasses import dataclass

from data import Tokenizer
from probing.in_text.looks import Strongest
from probing.in_text.windows import Windows

BEFORE, AFTER, BETWEEN = 48, 24, 120  # characters before the earlier of the two, after the later, and between them
OMITTED = "…"


@dataclass(frozen=True)
class Example:
    """One large weight in its context: ``pieces`` of text, in order, of which ``query`` looks at ``key`` (indices).

    ``next``: the index of the piece after the query, which the model has to predict there. ``gap``: the index of a
    piece that stands for text left out, or None. ``weight`` in [0, 1]; ``window``: which; ``position``: of the query in
    the text, in tokens. A character whose bytes are several tokens is one piece. Pieces are as in the corpus: whoever
    shows them makes them safe.
    """

    weight: float
    pieces: tuple[str, ...]
    query: int
    key: int
    next: int
    gap: int | None
    window: int
    position: int


def in_context(strongest: Strongest, windows: Windows, tokenizer: Tokenizer) -> Example:
    tokens = windows.tokens[strongest.window].tolist()
    pieces, piece_of = text_pieces(tokens, tokenizer)
    key, query, following = (piece_of[i] for i in (strongest.key, strongest.query, strongest.query + 1))
    start, end = reach(pieces, key, -1, BEFORE), reach(pieces, following, 1, AFTER)
    key_end, query_start = reach(pieces, key, 1, BETWEEN // 2), reach(pieces, query, -1, BETWEEN // 2)
    cut = key_end + 1 < query_start
    shown = [*range(start, key_end + 1), None, *range(query_start, end + 1)] if cut else [*range(start, end + 1)]
    return Example(
        weight=strongest.weight,
        pieces=tuple(OMITTED if i is None else pieces[i] for i in shown),
        query=shown.index(query),
        key=shown.index(key),
        next=shown.index(following),
        gap=shown.index(None) if cut else None,
        window=strongest.window,
        position=int(windows.starts[strongest.window]) + strongest.query,
    )


def reach(pieces: list[str], start: int, step: int, characters: int) -> int:
    """The last piece, going on from ``start``, before so many characters are passed."""
    i = start
    while 0 <= i + step < len(pieces) and (characters := characters - len(pieces[i + step])) >= 0:
        i += step
    return i


def text_pieces(tokens: list[int], tokenizer: Tokenizer) -> tuple[list[str], list[int]]:
    """The text of tokens in pieces, and which piece each token is in: a piece is a token, or as many as it takes for
    the bytes to be whole characters. Bytes that are no UTF-8 become U+FFFD; the end token is an empty piece.
    """
    pieces, piece_of, waiting = [], [], b""
    for token in tokens:
        waiting += tokenizer.pieces[token]
        piece_of.append(len(pieces))
        if not is_cut(waiting):
            pieces.append(waiting.decode(errors="replace"))
            waiting = b""
    if waiting:
        pieces.append(waiting.decode(errors="replace"))
    return pieces, piece_of


def is_cut(data: bytes) -> bool:
    """Whether the last character of ``data`` still lacks bytes."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False
