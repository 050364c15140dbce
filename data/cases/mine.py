"""Cases from any text: ``python -m data.cases.mine TEXT... > cases.jsonl``. TEXT: files, folders or globs.

A *repeated name* (which of two names comes again?), *he or she* after one man's and one woman's name, and, for texts
with few names, a *repeated word*: ``data.cases.references``. Each case stands beside its counterfactual, in which the
two names are exchanged. Cases are left out until the candidate that is mentioned last is right in exactly one half.
docs/your-own-sentences.md describes the file.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.errors import InputError, NoTextError
from common.one_line import run
from data.cases.case import Case
from data.cases.converters import add_window, count, print_cases
from data.cases.exchanged import (
    AFTER_PRONOUNS,
    GOLD,
    HE_OR_SHE,
    REPEATED_NAME,
    REPEATED_WORD,
    Find,
    Pair,
    apart,
    balance,
    deal_pairs,
    write_pair,
)
from data.cases.names import Names, Words, cut_words
from data.cases.references import he_or_she, repeated_names, repeated_words
from data.cases.splits import OWN_SPLITS
from data.languages import People, load_language
from data.text.corpora import Files
from data.text.finding import KNOWN, find_files
from data.text.pieces import Counts
from data.text.tokenizers import Tokenizer

TASKS = (REPEATED_NAME, HE_OR_SHE, AFTER_PRONOUNS, REPEATED_WORD)
QUESTIONS = {
    REPEATED_NAME: "which of two names comes again",
    HE_OR_SHE: "whether he or she comes after a man's and a woman's name",
    AFTER_PRONOUNS: "the same, where other pronouns stand between",
    REPEATED_WORD: "which of two words comes again",
}
WINDOW = 100  # words and punctuation marks of an excerpt, at most
FITTING = 0.8  # of the words that a block of tokens holds on average: names are spelled in more tokens than other words
FEW_NAMES = 50  # cases; with fewer of them repeated words are mined, too
FEWEST_DOCUMENTS = 20  # for documents to be clusters, half of them in each split; else parts of them are
PART, PARTS = 20_000, 40  # characters, about a chapter; of a shorter text a PARTS-th
MOST_TOKENS = 2_000_000  # of a text given as ids: takes ten seconds, finds many times the cases asked for
CACHE = Path("cache")  # of train.py, by default: what it has downloaded is no text of the user's own


class Tally(NamedTuple):
    """How many references of a task there are before the balance; of these, those whose nearest candidate is right, and
    those in which the last pronoun has the gender of what is meant.
    """

    n: int
    nearest_is_right: int
    last_pronoun_fits: int


@dataclass(frozen=True)
class Mined:
    """``cases``, each beside its counterfactual, and for each task that has any what there was before the balance."""

    cases: list[Case]
    tallies: dict[str, Tally]


class Miner:
    """Finds references in documents, whose names are known by how they are written in all of them.

    ``language``: whose words about people are used, or None (see `People`).
    """

    def __init__(self, documents: Sequence[str], language: str | None = "en") -> None:
        people = load_language(language).people if language else People({})
        self.documents = [cut_words(text, people.titles) for text in documents]
        self.names = Names(self.documents, people)

    def finds(self, window: int = WINDOW) -> Iterator[tuple[int, Find]]:
        """Every find with the number of its document; repeated words only where names are few.

        ``window``: words of an excerpt, at most.
        """
        found = list(self.finds_by(window, repeated_names, he_or_she))
        yield from found
        if sum(find.task == REPEATED_NAME for _, find in found) < FEW_NAMES:
            yield from self.finds_by(window, repeated_words)

    def finds_by(self, window: int, *ways: Callable[[Words, Names, int], Iterator[Find]]) -> Iterator[tuple[int, Find]]:
        for way in ways:
            for number, document in enumerate(self.documents):
                for find in way(document, self.names, window):
                    yield number, find

    def mine(self, most: int | None = None, window: int = WINDOW) -> Mined:
        """All finds as balanced cases; ``most``: references of each task and split, evenly over the text."""
        numbered = list(self.finds(window))
        parts = len({number for number, _ in numbered}) < FEWEST_DOCUMENTS
        length = 1 + min(PART, sum(len(document.text) for document in self.documents) // PARTS)
        pairs = []
        for number, find in numbered:
            cluster = f"document {number + 1}" + (f", part {find.start // length + 1}" if parts else "")
            cases = write_pair(self.documents[number].text, find, cluster, f"{number + 1}-{find.start}")
            pairs.append(Pair(number, find, cases))
        dealt = deal_pairs(pairs)
        return Mined(balance(apart(dealt) if parts else dealt, most), tally([find for _, find in numbered]))


def tally(finds: Sequence[Find]) -> dict[str, Tally]:
    """The tally of each task that has any of ``finds``."""
    tallies = {}
    for task in TASKS:
        own = [find for find in finds if find.task == task]
        if own:
            nearest = sum(find.nearest_is_right for find in own)
            tallies[task] = Tally(len(own), nearest, sum(find.last_pronoun == GOLD for find in own))
    return tallies


def mine_tokens(
    tokens: np.ndarray, tokenizer: Tokenizer, block_size: int, language: str | None = "en", most: int | None = None
) -> Mined:
    """Mines the first MOST_TOKENS of a text that is kept as ids [n], such as a run's validation split, in which the end
    token ends documents.

    Excerpts are as long as most of them may be to fit into ``block_size`` tokens.
    """
    tokens = tokens[:MOST_TOKENS]
    documents = [tokenizer.decode(part) for part in np.split(tokens, np.flatnonzero(tokens == tokenizer.end) + 1)]
    miner = Miner(documents, language)
    fitting = round(FITTING * block_size * miner.names.n_words / max(1, len(tokens)))
    return miner.mine(most, min(WINDOW, fitting))


def read_documents(paths: Sequence[str]) -> list[str]:
    """The documents of files, folders and globs, in sorted order, as training reads them; each file once."""
    documents, parts, counts, read = [], [], Counts(), set()
    for path in paths:
        files = [file for file in find_files(path, "TEXT", CACHE).files if file.resolve() not in read]
        read |= {file.resolve() for file in files}
        try:
            for piece in Files(path).documents(files, counts):
                parts.append(piece.text)
                if piece.ends_document:
                    documents.append("".join(parts))
                    parts.clear()
        except NoTextError as error:
            raise InputError(error.elsewhere) from None
    if counts.replaced:
        print(f"note: {counts.replaced:,} bytes were no UTF-8 and became U+FFFD", file=sys.stderr)
    return [document for document in documents if document]


def describe(mined: Mined) -> str:
    """How many references of each task were found, and how many are left once the nearest is right in one half."""
    lines = []
    for task, (n, nearest, last_pronoun) in mined.tallies.items():
        pairs = Counter(case.split for case in mined.cases if case.task == task)
        clusters = len({case.template for case in mined.cases if case.task == task})
        kept = ", ".join(f"{pairs[split] // 2} pairs in {split}" for split in OWN_SPLITS)
        pronoun = f", in {last_pronoun} the last pronoun has its gender" if task == AFTER_PRONOUNS else ""
        lines.append(
            f"{task}: {n} found, in {nearest} of them the nearest candidate is right{pronoun}; balanced: {kept}, "
            f"from {clusters} documents or parts"
        )
    return "\n".join(lines) or "no references were found"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.mine", description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", metavar="TEXT", help=f"a file, folder or glob ({KNOWN})")
    add_window(parser, WINDOW)
    parser.add_argument("--most", type=count, help="pairs of each task and split, at most (default: all)")
    arguments = parser.parse_args()
    mined = Miner(read_documents(arguments.texts)).mine(arguments.most, arguments.window)
    print_cases(mined.cases)
    print(describe(mined), file=sys.stderr)


if __name__ == "__main__":
    run(main)
