"""Measures one claim: ``python -m experiments.articles CLAIM [--folder runs/articles --seeds 0 1 2 --jobs 2]``.

Prints verdict and tables in Markdown, writes docs/articles/CLAIM.png and, beside the runs, CLAIM.json with all numbers;
``--doc docs/articles.md`` puts them into that document, too. Without CLAIM it lists the claims.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from common.atomic import replace_durably
from common.one_line import run
from experiments.articles import (
    attention_types,
    causality,
    distance,
    explanations,
    heads,
    pronouns,
    scaling,
    sense,
    sentences,
    translation,
)
from experiments.articles.doc import DOCUMENT, filled, read_document, section
from experiments.runs import SEEDS, Setup

# In the order of docs/articles.md; a claim is added with an import and a position here.
MODULES = (sentences, pronouns, sense, distance, scaling, causality, heads, explanations, translation, attention_types)
CLAIMS = {module.CLAIM.name: module.CLAIM for module in MODULES}


def listing() -> str:
    lines = [f"{claim.name:<14}{claim.minutes:4.0f} min  {claim.says}" for claim in CLAIMS.values()]
    return "\n".join(("claims, with the minutes that each takes on two cores where nothing is trained yet:", *lines))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.articles", description=__doc__.splitlines()[0])
    parser.add_argument("claim", nargs="?", choices=CLAIMS, metavar="CLAIM", help="none: lists them")
    parser.add_argument("--folder", type=Path, default=Path("runs/articles"), help="where runs lie and numbers go")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--jobs", type=int, default=2, help="how many run at the same time, of one thread each")
    parser.add_argument("--pictures", type=Path, default=Path("docs/articles"))
    parser.add_argument("--doc", type=Path, help="a document to put verdict and tables into, such as docs/articles.md")
    options = parser.parse_args(arguments)
    if options.claim is None:
        print(listing())
        return
    setup = Setup(options.folder, tuple(options.seeds), options.jobs, options.pictures)
    claim = CLAIMS[options.claim]
    if options.doc:
        read_document(options.doc, claim)  # what it lacks is said before anything is measured
    for folder in (setup.folder, setup.pictures):
        folder.mkdir(parents=True, exist_ok=True)
    result = claim.run(setup)
    record = {"claim": claim.name, "seeds": setup.seeds, "verdict": result.sentence, "number": result.number}
    path = setup.folder / f"{claim.name}.json"
    replace_durably(path, json.dumps(record | {"numbers": result.numbers}, indent=1).encode())
    print(section(claim, result, setup.seeds, options.doc or DOCUMENT))
    print(f"written: {', '.join(map(str, (path, *result.pictures)))}", file=sys.stderr)
    if options.doc:
        text = filled(read_document(options.doc, claim), claim, result, setup.seeds, options.doc)
        replace_durably(options.doc, text.encode())


if __name__ == "__main__":
    run(main)
