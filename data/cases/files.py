"""A user's own annotated sentences: a JSON-lines file in the case format, checked line by line and split in two.

docs/your-own-sentences.md describes the format. One line reports everything that is wrong with a file.
"""

import difflib
import json
import reprlib
import zlib
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from common.errors import InputError
from data.cases.case import Case, Ids, Span, Spans
from data.text.files import LONE_SURROGATE

OWN_SPLITS = ("select", "report")
KEYS = tuple(field.name for field in fields(Case))
SPAN_KEYS = tuple(field.name for field in fields(Spans))
NO_TEXTS = ("spans", "chance_loss", "entities")
REQUIRED = ("task", "template", "spans", "foil")  # beside text or tokens
REQUIRED_SPANS = ("gold", "distractors", "answer")
LISTS = ("gold", "distractors", "chain")
SHOWN = 5  # of all that is wrong, in one message
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
        reasons = one_line([f"line {number}: {faults[number]}" for number in sorted(faults)])
        raise InputError(f"{source}: {len(faults)} of {len(lines)} lines cannot be used: {reasons}")
    return list(cases.values())


def one_line(reasons: Sequence[str]) -> str:
    """The first few reasons, and how many more there are."""
    more = [f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
    return "; ".join([*reasons[:SHOWN], *more])


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
    mentions.sort()
    for (one, name), (other, other_name) in pairwise(mentions):
        if one[1] > other[0]:
            raise InputError(f"{name} {list(one)} and {other_name} {list(other)} overlap")
    clues = [
        (spans.pronoun, "spans.pronoun"),
        (spans.cue, "spans.cue"),
        *((span, "spans.chain") for span in spans.chain),
    ]
    for span, name in clues:
        if span and span != spans.answer and span[1] > spans.answer[0]:  # a pronoun may itself be the answer
            raise InputError(f"{name} {list(span)} does not end before {answer} begins")


def faults_between(cases: Sequence[Case], complete: bool = True) -> dict[int, str]:
    """What is wrong with a case only beside the others, by its index.

    Not ``complete``: some cases could not be read, and a counterfactual that is not there may be one of them.
    """
    faults = {}
    first_with = {case.id: i for i, case in reversed(list(enumerate(cases)))}
    any_split = any(case.split for case in cases)
    for i, case in enumerate(cases):
        counterfactual = cases[first_with[case.counterfactual]] if case.counterfactual in first_with else None
        if first_with[case.id] != i:
            faults[i] = f"id {reprlib.repr(case.id)} stands twice"
        elif case.split not in (*OWN_SPLITS, ""):
            faults[i] = none_of_splits(case.split)
        elif any_split and not case.split:
            faults[i] = f"no split, though others have one; give every case {' or '.join(OWN_SPLITS)}, or none"
        elif (
            case.counterfactual is not None
            and (counterfactual or complete)
            and (reason := fault_of_pair(case, counterfactual, any_split))
        ):
            faults[i] = reason
    return faults


def none_of_splits(split: str) -> str:
    return f"split {reprlib.repr(split)} is none of {', '.join(OWN_SPLITS)}"


def fault_of_pair(case: Case, other: Case | None, any_split: bool) -> str | None:
    """Why ``other`` cannot be the counterfactual of ``case``; None if it can."""
    name = f"counterfactual {reprlib.repr(case.counterfactual)}"
    if other is None:
        return f"{name} is not there"
    if other.id == case.id:
        return f"{name} is the case itself"
    if other.counterfactual != case.id:
        named = "no counterfactual" if other.counterfactual is None else reprlib.repr(other.counterfactual)
        return f"{name} names {named}; counterfactuals name each other"
    if other.task != case.task:
        return f"{name} is of another task, {reprlib.repr(other.task)}"
    if other.split != case.split:
        return f"{name} is in another split; counterfactuals stay together"
    if not any_split and other.template != case.template:
        return f"{name} has another template; whole templates are dealt to splits, and counterfactuals stay together"
    return None


def split_cases(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """The cases to choose heads on and those to quote them on: (select, report).

    Splits that the cases carry are kept. If none carries one, each task's templates are dealt to the two in turn, in an
    order that depends on their names alone, so that no template of a task stands in both. Tasks come in the order of
    their first mention, cases as given, but counterfactuals next to each other. Raises InputError, in one line, for
    cases that do not go together and for a task that is in one split only.
    """
    faults = faults_between(cases)
    if faults:
        reasons = one_line([f"case {reprlib.repr(cases[i].id)}: {reason}" for i, reason in faults.items()])
        raise InputError(f"{len(faults)} of {len(cases)} cases cannot be used: {reasons}")
    ordered = side_by_side(cases if any(case.split for case in cases) else deal(cases))
    present = {(case.task, case.split) for case in ordered}
    for task, split in product(dict.fromkeys(case.task for case in ordered), OWN_SPLITS):
        if (task, split) not in present:
            raise InputError(
                f"task {reprlib.repr(task)} has no cases in split {split}; heads are chosen on select and quoted "
                "on report: give it at least two templates, and cases of both splits or no splits at all"
            )
    select, report = ([case for case in ordered if case.split == split] for split in OWN_SPLITS)
    return select, report


def deal(cases: Sequence[Case]) -> list[Case]:
    """The cases with their splits, whole templates in turn within each task."""
    templates: dict[str, set[str]] = {}
    for case in cases:
        templates.setdefault(case.task, set()).add(case.template)
    split_of = {}
    for task, names in templates.items():
        # Neither the order in the file nor its alphabet may decide: either may go with what the sentences are about.
        shuffled = sorted(names, key=lambda template: (zlib.crc32(template.encode()), template))
        split_of |= {(task, template): OWN_SPLITS[i % 2] for i, template in enumerate(shuffled)}
    return [replace(case, split=split_of[case.task, case.template]) for case in cases]


def side_by_side(cases: Sequence[Case]) -> list[Case]:
    """Task by task, each case followed by its counterfactual."""
    by_id = {case.id: case for case in cases}
    rank = {task: i for i, task in enumerate(dict.fromkeys(case.task for case in cases))}
    ordered: dict[str, Case] = {}
    for case in sorted(cases, key=lambda case: rank[case.task]):
        ordered.setdefault(case.id, case)
        if case.counterfactual is not None:
            ordered.setdefault(case.counterfactual, by_id[case.counterfactual])
    return list(ordered.values())
