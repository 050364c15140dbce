"""A user's own annotated sentences: a JSON-lines file in the case format, checked line by line.

docs/your-own-sentences.md describes the format. One line reports everything that is wrong with a file.
"""

import difflib
import json
import reprlib
from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from common.errors import InputError, first_few
from data.cases.case import Case, Ids, Span, Spans
from data.cases.splits import OWN_SPLITS, faults_between, none_of_splits
from data.text.pieces import LONE_SURROGATE

KEYS = tuple(field.name for field in fields(Case))
SPAN_KEYS = tuple(field.name for field in fields(Spans))
NO_TEXTS = ("spans", "chance_loss", "entities")
REQUIRED = ("task", "template", "spans", "foil")  # beside text or tokens
REQUIRED_SPANS = ("gold", "distractors", "answer")
LISTS = ("gold", "distractors", "chain")
LARGEST_CHANCE_LOSS = 1_000  # nats; no guess among real words is that hard


def read_cases(path: Path) -> list[Case]:
    """The cases of a JSON-lines file, in its order; ``split`` is empty where the file leaves it to `split_cases`.

    Raises InputError, in one line: how many lines cannot be used, and the first of them, each with its reason.
    """
    source = f"cases={path}"
    return parse_cases(read_content(path, source), source)


def read_content(path: Path, source: str) -> bytes:
    """The bytes of a user's file; ``source`` names it in messages."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{source}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: cannot be read ({error})") from None


def parse_cases(content: bytes, source: str) -> list[Case]:
    """``read_cases`` for a file's bytes; ``source`` names them in messages."""
    lines = numbered_lines(content, source)
    if not lines:
        raise InputError(f"{source}: has no cases; give one JSON object a line (docs/your-own-sentences.md shows two)")
    cases, faults = {}, {}
    for number, line in lines.items():
        try:
            cases[number] = parse_case(line, number)
        except InputError as error:
            faults[number] = str(error)
    between = faults_between(list(cases.values()), complete=not faults)
    numbers = list(cases)
    faults |= {numbers[i]: reason for i, reason in between.items()}
    if faults:
        reasons = first_few([f"line {number}: {faults[number]}" for number in sorted(faults)])
        raise InputError(f"{source}: {len(faults)} of {len(lines)} lines cannot be used: {reasons}")
    return list(cases.values())


def numbered_lines(content: bytes, source: str) -> dict[int, str]:
    """The lines that are not blank, by their number in the file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise InputError(f"{source}: line {number} is not UTF-8; save the file as UTF-8") from None
    # Not splitlines(), which also cuts at characters that JSON allows inside strings.
    return {number: line for number, line in enumerate(text.split("\n"), start=1) if line.strip()}


def parse_case(line: str, number: int) -> Case:
    """One line as a case; raises InputError with the reason alone."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON ({error.msg}, column {error.colno})") from None
    except (ValueError, RecursionError):
        raise InputError("not JSON (a number too long or a nesting too deep)") from None
    if not isinstance(record, dict):
        raise InputError(f"not a JSON object but {reprlib.repr(record)}")
    read, parse = ("text", plain_text) if record.get("tokens") is None else ("tokens", token_ids)
    record = given(record, KEYS, (read, *REQUIRED))
    if record.keys() >= {"text", "tokens"}:
        raise InputError("text and tokens are both there; a case has one of them")
    if record.get("split") == "":  # a case that was read and written again before it was split
        del record["split"]
    whole, foil = (parse(key, record.pop(key)) for key in (read, "foil"))
    texts = {key: plain_text(key, record[key]) for key in record if key not in NO_TEXTS}
    if "split" in texts and texts["split"] not in OWN_SPLITS:
        raise InputError(none_of_splits(texts["split"]))
    spans = parse_spans(record["spans"], raw_of(whole), raw_of(foil))
    values: dict[str, Any] = {"id": f"line-{number}", "split": "", "text": ""} | texts | {read: whole, "foil": foil}
    return Case(
        **values,
        spans=spans,
        chance_loss=parse_chance_loss(record.get("chance_loss")),
        entities=parse_entities(record.get("entities"), len(spans.distractors)),
    )


def given(record: dict, known: Sequence[str], required: Sequence[str], where: str = "") -> dict:
    """The keys that have a value, none unknown and none missing; null is the same as leaving a key out."""
    for key in record:
        if key not in known:
            raise InputError(f"unknown key {reprlib.repr(where + key)}; {remedy(key, known, where)}")
    for key in required:
        if record.get(key) is None:
            raise InputError(f"{where}{key} is missing")
    return {key: value for key, value in record.items() if value is not None}


def remedy(key: str, known: Sequence[str], where: str) -> str:
    if not where and key in SPAN_KEYS:
        return f"it belongs into spans, as spans.{key}"
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {where}{close[0]}?" if close else f"known are {', '.join(known)}"


def plain_text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{key} must be a text that is not empty, not {reprlib.repr(value)}")
    if LONE_SURROGATE.search(value):
        raise InputError(f"{key} has half of a surrogate pair, which is no character")
    return value


def token_ids(key: str, value: object) -> Ids:
    """A list of token ids, or, as the foil, one of them."""
    ids = [value] if key == "foil" and type(value) is int else value
    if not isinstance(ids, list) or not ids or any(type(token) is not int or token < 0 for token in ids):
        what = "a token id or a list of them" if key == "foil" else "a list of token ids"
        raise InputError(f"{key} must be {what}, whole numbers from 0 on, not {reprlib.repr(value)}")
    return tuple(ids)


def raw_of(words: str | Ids) -> bytes | Ids:
    """What offsets count in: the bytes of a text, or token ids."""
    return words.encode() if isinstance(words, str) else words


def parse_chance_loss(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LARGEST_CHANCE_LOSS:
        raise InputError(f"chance_loss must be nats from 0 to {LARGEST_CHANCE_LOSS}, not {reprlib.repr(value)}")
    return float(value)


def parse_entities(value: object, n_distractors: int) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) != 1 + n_distractors:
        raise InputError(
            f"entities must be a list of {1 + n_distractors} names, gold's, then one for each of spans.distractors, "
            f"not {reprlib.repr(value)}"
        )
    gold, *others = (plain_text("entities", name) for name in value)
    if gold in others:
        raise InputError(f"entities name {reprlib.repr(gold)} for gold and for a distractor, which is another one")
    return gold, *others


def parse_spans(record: object, raw: bytes | Ids, foil: bytes | Ids) -> Spans:
    """The spans of a text whose bytes are ``raw``, or of these token ids: each inside it, and all where a case needs
    them.
    """
    if not isinstance(record, dict):
        raise InputError(f"spans must be a JSON object, not {reprlib.repr(record)}")
    spans: dict[str, Any] = {}
    for key, value in given(record, SPAN_KEYS, REQUIRED_SPANS, "spans.").items():
        name = f"spans.{key}"
        if key == "links":
            pairs = [list_of(name, pair, "[word, original]") for pair in list_of(name, value, "pairs of spans")]
            if any(len(pair) != 2 for pair in pairs):
                raise InputError(f"{name} must be a list of [word, original], each a span")
            spans[key] = tuple(tuple(parse_span(name, span, raw) for span in pair) for pair in pairs)
        elif key in LISTS:
            several = list_of(name, value, "[start, end]")
            spans[key] = tuple(parse_span(name, span, raw) for span in several)
        else:
            spans[key] = parse_span(name, value, raw)
    parsed = Spans(**spans)
    check_positions(parsed)
    if raw[slice(*parsed.answer)] == foil:
        shown = foil.decode() if isinstance(foil, bytes) else list(foil)
        raise InputError(
            f"foil {reprlib.repr(shown)} is the answer itself; give what the answer would be if the other candidate "
            "were meant"
        )
    return parsed


def list_of(name: str, value: object, what: str) -> list:
    if not isinstance(value, list) or any(not isinstance(item, list) for item in value):
        raise InputError(f"{name} must be a list of {what}, not {reprlib.repr(value)}")
    return value


def parse_span(name: str, value: object, raw: bytes | Ids) -> Span:
    whole, units = ("text", "bytes") if isinstance(raw, bytes) else ("tokens", "tokens")
    if not isinstance(value, list) or len(value) != 2 or any(type(where) is not int for where in value):
        raise InputError(f"{name} must be [start, end] in {units}, not {reprlib.repr(value)}")
    start, end = value
    shown = f"{name} {reprlib.repr(value)}"
    if start < 0:
        raise InputError(f"{shown} begins before the {whole}")
    if end > len(raw):
        raise InputError(f"{shown} ends after the {whole} ({len(raw)} {units})")
    if start >= end:
        raise InputError(f"{shown} is empty; the end is the {units[:-1]} after the last")
    for where, what in ((start, "begins"), (end, "ends")):
        # a byte that continues a character (RFC 3629)
        if isinstance(raw, bytes) and where < len(raw) and raw[where] & 0xC0 == 0x80:
            raise InputError(f"{shown} {what} inside a character; offsets count UTF-8 bytes, not characters")
    return start, end


def check_positions(spans: Spans) -> None:
    """A model reads from left to right: what decides the answer stands before it, and candidates stand apart."""
    answer = f"spans.answer {list(spans.answer)}"
    mentions = [(span, "spans.gold") for span in spans.gold]
    mentions += [(span, "spans.distractors") for span in spans.distractors]
    for name in ("gold", "distractors"):
        if not getattr(spans, name):
            raise InputError(f"spans.{name} names no candidate; a case needs one at least")
    for span, name in mentions:
        if span[1] > spans.answer[0]:
            raise InputError(f"{name} {list(span)} does not end before {answer} begins")
    for name in ("subject", "last_pronoun"):  # a baseline that picks no candidate would be right in one half
        span = getattr(spans, name)
        if span and span not in (*spans.gold, *spans.distractors):
            raise InputError(f"spans.{name} {list(span)} must be a candidate, one of spans.gold or spans.distractors")
    mentions.sort()
    for (one, name), (other, other_name) in pairwise(mentions):
        if one[1] > other[0]:
            raise InputError(f"{name} {list(one)} and {other_name} {list(other)} overlap")
    clues = [
        (spans.pronoun if spans.pronoun != spans.answer else None, "spans.pronoun"),  # which may be the answer
        (spans.cue, "spans.cue"),
        *((span, "spans.chain") for span in spans.chain),
    ]
    for span, name in clues:
        if span and span[1] > spans.answer[0]:
            raise InputError(f"{name} {list(span)} does not end before {answer} begins")
    for (span, name), (mention, candidate) in product(clues, mentions):
        overlaps = span and span[0] < mention[1] and mention[0] < span[1]
        if overlaps and name != "spans.cue":  # which may be a candidate: *the man* decides that *he* follows
            raise InputError(
                f"{name} {list(span)} and {candidate} {list(mention)} overlap; leave the pronoun out of {candidate}"
            )
    for word, original in spans.links:
        if original[1] > word[0]:
            raise InputError(
                f"spans.links {[list(word), list(original)]}: the original does not end before its translation begins; "
                "give [word of the translation, word of its original]"
            )
