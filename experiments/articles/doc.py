"""Puts what was measured into docs/articles.md, so that numbers are not copied by hand.

A claim has a section between ``<!-- NAME -->`` and ``<!-- /NAME -->``, and a row of the table of claims, which begins
with ``| [NAME](``. The text around them is written by people.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from common.errors import InputError
from experiments.articles.claim import Claim, Result
from experiments.runs import SEEDS

COMMAND = "python -m experiments.articles"
DOCUMENT = Path("docs/articles.md")


def section(claim: Claim, result: Result, seeds: Sequence[int] = SEEDS, document: Path = DOCUMENT) -> str:
    """A claim's verdict, pictures, tables and command in Markdown, as seen from ``document``."""
    paths = [Path(os.path.relpath(picture, document.parent)).as_posix() for picture in result.pictures]
    pictures = [f"![{claim.says}]({path})" for path in paths]
    tables = [table.markdown() for table in result.tables]
    other = "" if tuple(seeds) == SEEDS else f" --seeds {' '.join(map(str, seeds))}"
    return "\n\n".join([f"**{result.sentence}.**", *pictures, *tables, f"    {COMMAND} {claim.name}{other}"])


def row(claim: Claim, result: Result, seeds: Sequence[int] = SEEDS) -> str:
    """A claim in the table of all of them."""
    one = " (one seed)" if len(seeds) == 1 else ""
    return f"| [{claim.name}](#{claim.name}) | {claim.says} | {result.verdict} | {result.number}{one} |"


def places(claim: Claim) -> dict[str, re.Pattern]:
    """What a document must have, a section and a row of the table: how it is written, and how it is found."""
    return {
        f"<!-- {claim.name} --> and <!-- /{claim.name} -->": re.compile(
            rf"(<!-- {claim.name} -->\n).*?(<!-- /{claim.name} -->)", re.DOTALL
        ),
        f"| [{claim.name}](": re.compile(rf"^\| \[{claim.name}\]\(.*$", re.MULTILINE),
    }


def read_document(path: Path, claim: Claim) -> str:
    """The text of ``path``, the value of --doc; raises InputError where it cannot be read, or lacks a place."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "not UTF-8")
        raise InputError(f"--doc {path}: {why}; give a document such as {DOCUMENT}") from None
    for what, pattern in places(claim).items():
        if not pattern.search(text):
            raise InputError(f"--doc {path}: has no section for {claim.name}: it lacks {what}")
    return text


def filled(text: str, claim: Claim, result: Result, seeds: Sequence[int] = SEEDS, document: Path = DOCUMENT) -> str:
    """``text``, read from ``document`` by ``read_document``, with a claim's section and row filled anew."""
    section_of_claim, line = places(claim).values()
    made = section(claim, result, seeds, document)
    text = section_of_claim.sub(lambda match: f"{match[1]}{made}\n{match[2]}", text)
    return line.sub(lambda _: row(claim, result, seeds), text)
