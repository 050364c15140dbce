"""Texts as a page holds and reads them: what stands in its box, and which tokens that has."""

import re

from common.errors import InputError
from data import Case, Tokenizer
from probing.known_sentences import read_part

LINE_END = re.compile("\r\n?")


def box_text(text: str) -> str:
    """``text`` as a box can hold it, whose lines end with \\n alone."""
    return LINE_END.sub("\n", text)


def ids_in_page(text: str, tokenizer: Tokenizer) -> list[int] | None:
    """The ids that the page has of a text, with what stands before it; None where some of it has none."""
    try:
        return tokenizer.encode_document(box_text(text)).tolist()
    except InputError:
        return None


def as_typed(case: Case, tokenizer: Tokenizer) -> str | None:
    """The text of a case up to its answer; None where it is token ids that no text has."""
    if not case.tokens:
        return read_part(case)
    ids = [*case.tokens[: case.spans.answer[0]]]
    text = tokenizer.decode(ids).removeprefix(tokenizer.start)
    return text if ids_in_page(text, tokenizer) == ids else None
