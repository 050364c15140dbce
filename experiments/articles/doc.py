"""Puts what was measured into docs/articles.md, so that numbers are not copied by hand.

A claim has a section between ``<!-- NAME -->`` and ``<!-- /NAME -->``, and a row of the table of claims, which begins
with ``| [NAME](``. The text around them is written by people.
"""

import re
from collections.abc import Sequence

from common.errors import InputError
from experiments.articles.claim import Claim, Result
from experiments.runs import SEEDS

COMMAND = "python -m experiments.articles"


def section(claim: Claim, result: Result, seeds: Sequence[int] = SEEDS) -> str:
    """Verdict, pictures, tables and command of a claim in Markdown, as seen from docs/; unusual seeds are said."""
    pictures = [f"![{claim.says}]({picture.parent.name}/{picture.name})" for picture in result.pictures]
    tables = [table.markdown() for table in result.tables]
    other = "" if tuple(seeds) == SEEDS else f" --seeds {' '.join(map(str, seeds))}"
    return "\n\n".join([f"**{result.sentence}.**", *pictures, *tables, f"    {COMMAND} {claim.name}{other}"])


def row(claim: Claim, result: Result, seeds: Sequence[int] = SEEDS) -> str:
    """A claim in the table of all of them."""
    one = " (one seed)" if len(seeds) == 1 else ""
    return f"| [{claim.name}](#{claim.name}) | {claim.says} | {result.verdict} | {result.number}{one} |"


def filled(text: str, claim: Claim, result: Result, seeds: Sequence[int] = SEEDS) -> str:
    """``text`` with a claim's section and row filled anew; raises InputError where it has none."""
    section_of_claim = re.compile(rf"(<!-- {claim.name} -->\n).*?(<!-- /{claim.name} -->)", re.DOTALL)
    line = re.compile(rf"^\| \[{claim.name}\]\(.*$", re.MULTILINE)
    for pattern, what in (
        (section_of_claim, f"<!-- {claim.name} --> and <!-- /{claim.name} -->"),
        (line, f"| [{claim.name}]("),
    ):
        if not pattern.search(text):
            raise InputError(f"the document has no section for {claim.name}: it lacks {what}")
    text = section_of_claim.sub(lambda found: f"{found[1]}{section(claim, result, seeds)}\n{found[2]}", text)
    return line.sub(lambda _: row(claim, result, seeds), text)
