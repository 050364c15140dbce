"""What kind of token a model has to predict, and what kind of token a head looks at, in any text and language.

Everything is decided on the characters of a window, so that bytes, BPE and GPT-2's vocabulary have the same kinds. A
word is a run of letters, digits and their accents, and joiners and soft hyphens after these; an apostrophe ends one. An
ideograph or kana is a word of its own; other scripts without spaces, such as Thai, have words as long as their runs.
Tokens that stand for no text have kinds of their own, which need no characters.
"""

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from unicodedata import category

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from common.visible import JOINERS
from data import Tokenizer
from data.languages import Language
from data.text.words import IDEOGRAPHS

# Exclusive kinds of the token to be predicted; the first that holds counts.
KINDS = {
    "line_end": "a line's or a document's end",
    "punctuation": "punctuation: no letter, digit or space alone",
    "space": "spaces alone, which end a word in byte vocabularies",
    "inside_word": "goes on with a word that an earlier token began",
    "pronoun": "begins a pronoun",
    "name_again": "begins a capitalised word that stood in this window before, capitalised, and is no function word",
    "pair_again": "begins a word, and followed the same token before in this window",
    "word_again": "begins another word that stood in this window before",
    "first_mention": "begins a word that stands in this window for the first time",
    "rest": "begins a word that the window cuts off",
}
ID_KINDS = {  # the same of tokens that stand for no text
    "end_token": "the end token",
    "pair_again": "followed the same token before in this window",
    "token_again": "another token that stood in this window before",
    "new_token": "a token that stands in this window for the first time",
}
KINDS_IN_WORDS = {
    "line_end": "line ends",
    "punctuation": "punctuation",
    "space": "spaces",
    "inside_word": "insides of words",
    "pronoun": "pronouns",
    "name_again": "capitalised repeats",
    "pair_again": "pairs seen before",
    "word_again": "words seen before",
    "first_mention": "new words",
    "rest": "words cut off",
    "end_token": "end tokens",
    "token_again": "repeated tokens",
    "new_token": "new tokens",
    "all": "all tokens",
}
# Exclusive relations of a key to the query that looks at it; the first that holds counts.
RELATIONS = {
    "first_token": "the window's first token",
    "itself": "the query's own token",
    "token_before": "the token just before it",
    "after_same_token": "a token that follows an earlier occurrence of the query's token (induction)",
    "same_token": "an earlier occurrence of the query's token",
    "punctuation": "punctuation, ends of lines and documents",
    "space": "spaces alone",
    "function_word": "a token of a function word or a pronoun",
    "rest": "any other token",
}
ID_RELATIONS = {
    name: RELATIONS[name] for name in ("first_token", "itself", "token_before", "after_same_token", "same_token")
} | {"end_token": "the end token, elsewhere", "rest": RELATIONS["rest"]}
KIND_CODES = {name: i for i, name in enumerate(KINDS | ID_KINDS)}
RELATION_CODES = {name: i for i, name in enumerate(RELATIONS | ID_RELATIONS)}
NEED_LANGUAGE = ("pronoun", "function_word")
SOFT_HYPHEN = "\u00ad"
WORD, MARK, SPACE, LINE_END = "wps\n"  # classes of characters; an ideograph is "i", a joiner or a soft hyphen "j"
IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")
WORDS = re.compile("w[wj]*|i")  # emoji have joiners, too, and are no words


@dataclass(frozen=True)
class TokenKinds:
    """Of N windows: ``kind`` [N, T], the kind of the token that is predicted at each position, of KIND_CODES; ``key``
    [N, T], what each token that is read is in itself, of RELATION_CODES.
    """

    kind: np.ndarray
    key: np.ndarray


def kinds_for(tokenizer: Tokenizer, language: Language | None) -> dict[str, str]:
    """The kinds that can be known, and what each is: those that need word lists only with a language."""
    return known(KINDS if tokenizer.has_text else ID_KINDS, tokenizer, language)


def relations_for(tokenizer: Tokenizer, language: Language | None) -> dict[str, str]:
    """The same of relations."""
    return known(RELATIONS if tokenizer.has_text else ID_RELATIONS, tokenizer, language)


def known(table: dict[str, str], tokenizer: Tokenizer, language: Language | None) -> dict[str, str]:
    unknown = (() if language else NEED_LANGUAGE) + (("end_token",) if tokenizer.end is None else ())
    return {name: what for name, what in table.items() if name not in unknown}


def token_kinds(tokens: np.ndarray, tokenizer: Tokenizer, language: Language | None) -> TokenKinds:
    """The kinds of windows ``tokens`` [N, T + 1]."""
    if not tokenizer.has_text:
        ends = tokens == (-1 if tokenizer.end is None else tokenizer.end)
        return TokenKinds(
            np.array([kinds_of_ids(*window) for window in zip(tokens.tolist(), ends.tolist(), strict=True)]),
            np.where(ends[:, :-1], RELATION_CODES["end_token"], RELATION_CODES["rest"]),
        )
    windows = [Reading(window, tokenizer) for window in tokens]
    return TokenKinds(
        np.array([kinds_predicted(window, own, language) for window, own in zip(tokens, windows, strict=True)]),
        np.array([kinds_of_keys(own, language)[:-1] for own in windows]),
    )


def kinds_of_ids(ids: list[int], ends: list[bool]) -> list[int]:
    """The kind of tokens 1 .. T of a window, of KIND_CODES, where tokens stand for no text."""
    tokens, pairs, kinds = {ids[0]}, set(), []
    for pair, end in zip(pairwise(ids), ends[1:], strict=True):
        again = "pair_again" if pair in pairs else "token_again" if pair[1] in tokens else "new_token"
        kinds.append(KIND_CODES["end_token" if end else again])
        pairs.add(pair)
        tokens.add(pair[1])
    return kinds


@cache
def character_class(character: str) -> str:
    """One of WORD, MARK, SPACE, LINE_END, "i" or "j"; bytes that are no UTF-8 are marks."""
    if character in "\n\r\u2028\u2029":
        return LINE_END
    if character in JOINERS + SOFT_HYPHEN or "\ufe00" <= character <= "\ufe0f":  # or chooses how the one before looks
        return "j"
    if IDEOGRAPH.match(character):
        return "i"
    if category(character)[0] in "LNM":
        return WORD
    return SPACE if character.isspace() else MARK


class Reading:
    """One window, read: for each of its n tokens, ``character`` [n], its class, and the word that it belongs to.

    A token's class is LINE_END if any of its characters ends a line, else WORD if one is part of a word, else SPACE if
    all are, else MARK. ``word`` [n]: which of the window's ``words`` it begins or goes on with, -1 for none; where
    several, the first. ``begins`` [n]: whether the word's first byte is in this token. ``cut``: the word that the
    window's end cuts off, or None.
    """

    def __init__(self, tokens: np.ndarray, tokenizer: Tokenizer) -> None:
        # The end token has no bytes: a line's end stands for it, so that words do not reach over it.
        pieces = [b"\n" if token == tokenizer.end else tokenizer.pieces[token] for token in tokens.tolist()]
        text = b"".join(pieces).decode(errors="surrogateescape")
        classes = "".join(map(character_class, text))
        lengths = [len(character.encode(errors="surrogateescape")) for character in text]
        starts = np.concatenate(([0], np.cumsum(lengths)))  # in bytes, of each character and of what would follow
        spans = [match.span() for match in WORDS.finditer(classes)]
        self.words = [text[start:end] for start, end in spans]
        word_of = np.full(starts[-1], -1)
        for i, (start, end) in enumerate(spans):
            word_of[starts[start] : starts[end]] = i
        self.cut = len(spans) - 1 if spans and spans[-1][1] == len(text) else None
        class_of = "".join(own * length for own, length in zip(classes, lengths, strict=True))  # of each byte
        self.character, self.word, self.begins = [], [], []
        at = 0
        for piece in pieces:
            here = slice(at, at + len(piece))
            at = here.stop
            own, words = class_of[here], word_of[here]
            inside = np.flatnonzero(words >= 0)
            word = int(words[inside[0]]) if len(inside) else -1
            self.character.append(token_class(own, word))
            self.word.append(word)
            self.begins.append(word >= 0 and bool(starts[spans[word][0]] >= here.start))


def token_class(characters: str, word: int) -> str:
    if LINE_END in characters:
        return LINE_END
    if word >= 0:
        return WORD
    return SPACE if characters and not characters.strip(SPACE) else MARK


def kinds_predicted(tokens: np.ndarray, reading: Reading, language: Language | None) -> list[int]:
    """The kind of tokens 1 .. T of a window, of KIND_CODES."""
    plain = {LINE_END: "line_end", MARK: "punctuation", SPACE: "space"}
    pronouns, common = (language.pronouns, language.function_words) if language else (frozenset(), frozenset())
    ids = tokens.tolist()
    pairs, words, names_seen, found = set(), set(), set(), []
    for i, (own, w, begins) in enumerate(zip(reading.character, reading.word, reading.begins, strict=True)):
        word = reading.words[w] if w >= 0 else ""
        low, pair = word.casefold(), tuple(ids[i - 1 : i + 1])
        capital = word[:1].isupper() and low not in common
        if own in plain:
            kind = plain[own]
        elif not begins:
            kind = "inside_word"
        elif w == reading.cut:
            kind = "rest"
        elif low in pronouns:
            kind = "pronoun"
        elif capital and low in names_seen:
            kind = "name_again"
        elif pair in pairs:
            kind = "pair_again"
        else:
            kind = "word_again" if low in words else "first_mention"
        found.append(KIND_CODES[kind])
        pairs.add(pair)
        if begins:
            words.add(low)
            if capital:
                names_seen.add(low)
    return found[1:]


def kinds_of_keys(reading: Reading, language: Language | None) -> list[int]:
    """What each token of a window is in itself, of RELATION_CODES."""
    plain = {LINE_END: "punctuation", MARK: "punctuation", SPACE: "space"}
    common = language.function_words if language else frozenset()

    def of(own: str, w: int) -> str:
        if own in plain:
            return plain[own]
        return "function_word" if reading.words[w].casefold() in common else "rest"

    return [RELATION_CODES[of(own, w)] for own, w in zip(reading.character, reading.word, strict=True)]


def relation_codes(tokens: Tensor, key: Tensor) -> Tensor:
    """The relation of every key to every query, of RELATION_CODES: [B, T, T] (query, key), from tokens [B, T]
    and what each is in itself, ``key`` [B, T]. Keys after the query have one, too, which means nothing.
    """
    n = tokens.size(1)
    same = tokens[:, :, None] == tokens[:, None, :]  # [B, T, T]
    codes = key[:, None, :].repeat(1, n, 1)
    codes[same] = RELATION_CODES["same_token"]
    codes[F.pad(same[:, :, :-1], (1, 0))] = RELATION_CODES["after_same_token"]
    distance = torch.arange(n, device=tokens.device)[:, None] - torch.arange(n, device=tokens.device)
    codes[:, distance == 1] = RELATION_CODES["token_before"]
    codes[:, distance == 0] = RELATION_CODES["itself"]
    codes[:, :, 0] = RELATION_CODES["first_token"]
    return codes
