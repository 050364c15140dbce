"""Words as a tokenizer spells them: which take several pieces, and whether a text has them."""

import re

import numpy as np

from data.text.tokenizers import CHARACTERS, IDS, Tokenizer

IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # and kana: words of their own
LETTER = rf"[^\W\d_{IDEOGRAPHS}]"  # of longer words
# With the space that tokenizers put before it; the t in didn't is none.
WORD = re.compile(rf" ?(?:(?<!{LETTER})(?<!{LETTER}['’]){LETTER}+|(?=[{IDEOGRAPHS}])[^\W\d_])")


def words_in_pieces(text: str, tokenizer: Tokenizer) -> dict[str, list[bytes]]:
    """The words of the document ``text`` that take several tokens, in order, each with the bytes of these tokens,
    without the space before the word. Empty for bytes and characters, where all words do, and for ids, where none does.
    """
    if tokenizer.kind in ("bytes", CHARACTERS, IDS):
        return {}
    words = WORD.findall(tokenizer.as_document(text))
    spelled = {word: [tokenizer.pieces[i].strip() for i in tokenizer.encode(word)] for word in words}
    return {word: [*filter(None, pieces)] for word, pieces in spelled.items() if sum(map(bool, pieces)) > 1}


def missing_words(text: str, tokens: np.ndarray, tokenizer: Tokenizer) -> list[str]:
    """The words of ``text`` that are nowhere in ``tokens`` [n], whole documents, neither after a space nor without one.

    In doubt a word counts as there: before and after it, only ASCII letters make it a part of a longer one.
    """
    words = dict.fromkeys(word.strip() for word in WORD.findall(text))
    begins, ends = (np.array([piece[at].isalpha() for piece in tokenizer.pieces]) for at in (slice(1), slice(-1, None)))

    def is_there(word: str) -> bool:
        for ids, alone in ((tokenizer.encode(f" {word}"), False), (tokenizer.encode(word), True)):
            starts = np.flatnonzero(tokens[: len(tokens) - len(ids)] == ids[0])
            for k, token in enumerate(ids[1:], start=1):
                starts = starts[tokens[starts + k] == token]
            inside = begins[tokens[starts + len(ids)]]
            if alone:
                inside |= ends[tokens[starts - 1]]  # before the first token is the last, which ends a document
            if not inside.all():
                return True
        return False

    return [word for word in words if not is_there(word)]
