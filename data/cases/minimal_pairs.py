"""Minimal pairs: two sentences that differ in one thing, of which only one is good English. BLiMP's files, as they are.

Warstadt et al. 2020, "BLiMP: The benchmark of linguistic minimal pairs for English"; one JSON object a line.
"""

import json
import reprlib
from pathlib import Path
from typing import NamedTuple

from common.errors import InputError, first_few
from data.cases.files import numbered_lines, plain_text, read_content
from data.text.pieces import LONE_SURROGATE

SUFFIX = ".jsonl"
SENTENCES = ("sentence_good", "sentence_bad")


class Pair(NamedTuple):
    """``paradigm``: what all pairs of one kind share, BLiMP's UID; ``phenomenon``: a group of paradigms."""

    good: str
    bad: str
    paradigm: str
    phenomenon: str


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a .jsonl file, or of all in a folder, in order of their names.

    Needed in each line: ``sentence_good``, ``sentence_bad``. ``UID`` names the paradigm, else the file does;
    ``linguistics_term`` names the phenomenon, else the paradigm does. Other keys mean nothing here. Raises InputError,
    in one line: how many lines of a file cannot be used, and the first of them, each with its reason.
    """
    if path.is_dir():
        files = sorted(path.glob(f"[!.]*{SUFFIX}"))
        if not files:
            raise InputError(f"pairs={path}: there is no {SUFFIX} file in this folder")
    elif path.exists():
        files = [path]
    else:
        raise InputError(f"pairs={path}: there is no such file or folder")
    pairs = [pair for file in files for pair in read_file(file)]
    if not pairs:
        raise InputError(f"pairs={path}: has no pairs; give one JSON object a line (docs/minimal-pairs.md shows two)")
    return pairs


def read_file(path: Path) -> list[Pair]:
    source = f"pairs={path}"
    pairs, faults = [], []
    lines = numbered_lines(read_content(path, source), source)
    for number, line in lines.items():
        try:
            pairs.append(parse_pair(line, path.stem))
        except InputError as error:
            faults.append(f"line {number}: {error}")
    if faults:
        raise InputError(f"{source}: {len(faults)} of {len(lines)} lines cannot be used: {first_few(faults)}")
    return pairs


def parse_pair(line: str, file: str) -> Pair:
    """One line as a pair; raises InputError with the reason alone."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({error})") from None
    if not isinstance(record, dict):
        raise InputError(f"not a JSON object but {reprlib.repr(record)}")
    good, bad = (plain_text(key, record.get(key)) for key in SENTENCES)
    paradigm = str(record.get("UID") or file)
    names = (paradigm, str(record.get("linguistics_term") or paradigm))
    return Pair(good, bad, *(LONE_SURROGATE.sub("\ufffd", name) for name in names))
