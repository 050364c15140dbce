"""How often mined references are right, against annotation: ``python -m experiments.mined_references LITBANK``.

LitBank (Bamman, Lewke and Mansoor 2020) says of about 2,000 words of each of its novels which mentions mean the same. A
mined case is *right* if its answer means what the mined gold means, and means the *other name* or *neither* else.
Documents are dealt to two halves in turn, by name: rules were tried on the first half only.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from common.markdown import Table
from common.one_line import run
from data.cases.annotated import Document
from data.cases.exchanged import GOLD, Find
from data.cases.litbank import annotated_files, read_annotated
from data.cases.mine import TASKS, Miner

VERDICTS = ("right", "other name", "neither", "not annotated")
HALVES = ("tried on", "kept aside")


def entity(document: Document, start: int, end: int) -> str | None:
    """Whom characters ``start`` to ``end`` mean, by the shortest mention that begins or ends with them."""
    holding = [
        (one.end - one.start, one.entity)
        for one in document.mentions
        if one.start <= start and end <= one.end and (one.start == start or one.end == end)
    ]
    return min(holding)[1] if holding else None


def verdict(document: Document, find: Find) -> str:
    """One of VERDICTS for a mined case."""
    *mentions, answer = find.segments
    meant = entity(document, answer.start, answer.end)
    candidates = [(entity(document, one.start, one.end), one.role) for one in mentions]
    if meant is None or all(whom is None for whom, role in candidates if role == GOLD):
        return "not annotated"
    roles = [role for whom, role in candidates if whom == meant]
    # The nearest mention decides where one form has two bearers.
    return "neither" if not roles else "right" if roles[-1] == GOLD else "other name"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.mined_references", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="LITBANK", help="a folder with LitBank's coref")
    options = parser.parse_args(arguments)
    documents = [*map(read_annotated, annotated_files(options.folder))]
    miner = Miner([document.text for document in documents])
    counts = Counter()
    for number, find in miner.finds():
        counts[find.task, HALVES[number % 2], verdict(documents[number], find)] += 1
    rows = []
    for task in TASKS:
        for half in HALVES:
            by_verdict = [counts[task, half, verdict] for verdict in VERDICTS]
            judged = sum(by_verdict[:-1])
            if judged:
                rows.append((task, half, sum(by_verdict), f"{by_verdict[0] / judged:.0%}", *by_verdict))
    print(Table(("task", "documents", "cases", "right of the annotated", *VERDICTS), rows).markdown())


if __name__ == "__main__":
    run(main)
