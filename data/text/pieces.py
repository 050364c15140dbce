"""Documents as pieces that a tokenizer can take one by one: what they are cut into, and what is counted on the way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from common.visible import visible_text

CHUNK = 1 << 18
LONGEST_PIECE = 1 << 19
LOOK_BACK = 1 << 14
WORD_END = re.compile(r"\S(?=[ \n]|\r\n)")
SHORT_LOOK_BACK = 1 << 8
END = "<|endoftext|>"  # between documents of a text file, as GPT-2 was trained and many corpora are kept
LINE_ENDS = "\r\n"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Piece(NamedTuple):
    """Some text and whether a document ends with it; a long document is several pieces."""

    text: str
    ends_document: bool


@dataclass
class Counts:
    """What reading a corpus came upon.

    ``replaced``: bytes and half characters that became U+FFFD. Bytes that are no UTF-8 arrive as lone surrogates
    (PEP 383), and so does half of a UTF-16 pair spelled in JSON. ``replaced_in``: the first file with some, and
    ``files_replaced``: how many have; of the user's own files alone. ``separators``: between documents, and no text.
    ``ends_in_text``: how often ``<|endoftext|>`` is text. ``without_text``: records that were left out.
    ``separator``: the one of the user's own, if any, which was looked for.
    """

    replaced: int = 0
    replaced_in: str | None = None
    files_replaced: int = 0
    separators: int = 0
    ends_in_text: int = 0
    without_text: int = 0
    separator: str | None = None

    def clean(self, text: str) -> str:
        """``text`` with U+FFFD where something was no character."""
        if is_clean(text):
            return text
        text, n = LONE_SURROGATE.subn("\ufffd", text)
        self.replaced += n
        return text

    def count_file(self, path: Path, before: int) -> None:
        """Notes the file that was read after ``before`` bytes had been replaced, if it had some, too."""
        if self.replaced > before:
            self.replaced_in = self.replaced_in or str(path)
            self.files_replaced += 1

    def notes(self) -> list[str]:
        """What the user should know, a sentence each."""
        more = f" and {self.files_replaced - 1:,} more" if self.files_replaced > 1 else ""
        where = f", in {visible_text(self.replaced_in)}{more}" if self.replaced_in else ""
        sentences = {
            f"bytes or half characters were no UTF-8 and became U+FFFD{where}": self.replaced,
            f"separators (data.separator, by default {END}) ended documents and are no text": self.separators,
            f"times {END} is text and ends no document (docs/corpora.md)": self.ends_in_text,
            "records without text were left out (data.skip_without_text)": self.without_text,
        }
        notes = [f"{n:,} {sentence}" for sentence, n in sentences.items() if n]
        if self.separator and not self.separators:
            remedy = "" if "\n" in self.separator else r"; a separator with newlines is written $'\n---\n' in bash"
            notes.append(f"data.separator={visible_text(self.separator)} is in no .txt or .md file{remedy}")
        return notes


def is_clean(text: str) -> bool:
    """Whether a text is all characters; asking the encoder is much quicker than searching."""
    try:
        return text.isascii() or text.encode() is not None
    except UnicodeEncodeError:
        return False


def utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def cut_text(text: str, counts: Counts) -> Iterator[Piece]:
    """One document that is in memory as pieces."""
    if 0 < len(text) <= CHUNK // 2:
        yield Piece(counts.clean(text), ends_document=True)
    else:
        chunks = (text[start : start + CHUNK] for start in range(0, len(text), CHUNK))
        yield from cut_document(map(counts.clean, chunks))


def cut_document(chunks: Iterator[str]) -> Iterator[Piece]:
    """One document, in chunks, as pieces that a tokenizer can take one by one; nothing for an empty document."""
    return cut_fragments(chain((Piece(chunk, False) for chunk in chunks), [Piece("", True)]))


def cut_fragments(fragments: Iterator[Piece]) -> Iterator[Piece]:
    """Documents, each in fragments of any length, as pieces that a tokenizer can take one by one."""
    text, any_text = "", False
    for fragment, ends_document in fragments:
        text += fragment
        any_text = any_text or bool(fragment)
        while len(text) > CHUNK // 2 and (cut := cutting_position(text)):
            yield Piece(text[:cut], ends_document=False)
            text = text[cut:]
        if ends_document:
            if any_text:
                yield Piece(text, ends_document=True)
            text, any_text = "", False


def cut_separated(
    chunks: Iterator[str], separator: str | None, counts: Counts, ends_too: bool = False
) -> Iterator[Piece]:
    """A text, in chunks, as the pieces of the documents between separators, which are counted.

    Line ends on both sides of a separator belong to it, and with ``ends_too`` those at both ends of the text, too.
    """
    if separator is None:
        return cut_document(chunks)
    return cut_fragments(split_text(chunks, separator, counts, ends_too))


def split_text(chunks: Iterator[str], separator: str, counts: Counts, ends_too: bool) -> Iterator[Piece]:
    """Fragments of the documents between separators, whose line ends may be those of Windows in the text."""
    line_end = "\n" if "\r" in separator else "\r?\n"
    pattern = re.compile(line_end.join(map(re.escape, separator.split("\n"))))
    longest = len(separator) + separator.count("\n")
    rest, begins = "", ends_too  # what is undecided, and whether line ends that come next belong to a separator
    for chunk in chunks:
        *documents, rest = pattern.split(rest + chunk)
        counts.separators += len(documents)
        for document in documents:
            document = document.rstrip(LINE_ENDS)
            yield Piece(document.lstrip(LINE_ENDS) if begins else document, True)
            begins = True
        decided = rest[: max(0, len(rest) + 1 - longest)]
        if len(rest) < LONGEST_PIECE:  # endless line ends are text
            decided = decided.rstrip(LINE_ENDS)
        if decided:
            rest = rest[len(decided) :]
            fragment = decided.lstrip(LINE_ENDS) if begins else decided
            begins = begins and not fragment
            yield Piece(fragment, False)
    rest = rest.lstrip(LINE_ENDS) if begins else rest
    yield Piece(rest.rstrip(LINE_ENDS) if ends_too else rest, True)


def cutting_position(text: str) -> int:
    """Where a text may be cut without changing its tokens: before the last space or line end after a visible character.

    Words are split there before they are merged. 0 if there is none in the last LOOK_BACK characters; a text
    that goes on without any is cut at LONGEST_PIECE all the same, because no tokenizer takes endless words.
    """
    position = 0
    for look_back in (SHORT_LOOK_BACK, LOOK_BACK):
        for match in WORD_END.finditer(text, max(0, len(text) - look_back)):
            position = match.end()
        if position:
            return position
    return LONGEST_PIECE if len(text) > LONGEST_PIECE else 0


def split_pieces(pieces: Iterator[Piece], train_bytes: int) -> Iterator[tuple[str, Piece]]:
    """Labels the first ``train_bytes`` UTF-8 bytes "train" and the rest "val"; the piece between them is cut in two."""
    done, ended = 0, True
    for piece in pieces:
        before, done = done, done + utf8_length(piece.text)
        if done <= train_bytes:
            ended = piece.ends_document
            yield "train", piece
        elif before >= train_bytes:
            yield "val", piece
        else:
            encoded = piece.text.encode()[: train_bytes - before]
            head = encoded.decode(errors="ignore")  # the cut moves back to a whole character
            if head or not ended:
                yield "train", Piece(head, ends_document=True)
            yield "val", Piece(piece.text[len(head) :], piece.ends_document)
