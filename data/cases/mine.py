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
from data.text.files import Counts
from data.text.finding import KNOWN, find_files
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


@dataclass(frozen=True)
class Mined:
    """``cases``, each beside its counterfactual, and for each task how many references there were before the balance:
    all, those whose nearest candidate is right, and those in which the last pronoun has the gender of what is meant.
    """

    cases: list[Case]
    found: dict[str, tuple[int, int, int]]


class Miner:
    """Finds references in documents, whose names are known by how they are written in all of them.

    ``language``: whose words about people are used, or None (see `People`). ``window``: words of an excerpt, at most.
    """

    def __init__(self, documents: Sequence[str], language: str | None = "en", window: int = WINDOW) -> None:
        people = load_language(language).people if language else People({})
        self.window = window
        self.documents = [cut_words(text, people.titles) for text in documents]
        self.names = Names(self.documents, people)

    def finds(self) -> Iterator[tuple[int, Find]]:
        """Every find with the number of its document; repeated words only where names are few."""
        found = list(self.finds_by(repeated_names, he_or_she))
        yield from found
        if sum(find.task == REPEATED_NAME for _, find in found) < FEW_NAMES:
            yield from self.finds_by(repeated_words)

    def finds_by(self, *ways: Callable[[Words, Names, int], Iterator[Find]]) -> Iterator[tuple[int, Find]]:
        for way in ways:
            for number, document in enumerate(self.documents):
                for find in way(document, self.names, self.window):
                    yield number, find

    def mine(self, most: int | None = None) -> Mined:
        """All finds as balanced cases; ``most``: references of each task and split, evenly over the text."""
        found = list(self.finds())
        parts = len({number for number, _ in found}) < FEWEST_DOCUMENTS
        length = 1 + min(PART, sum(len(document.text) for document in self.documents) // PARTS)
        pairs = []
        for number, find in found:
            cluster = f"document {number + 1}" + (f", part {find.start // length + 1}" if parts else "")
            cases = write_pair(self.documents[number].text, find, cluster, f"{number + 1}-{find.start}")
            pairs.append(Pair(number, find, cases))
        tallies = {}
        for task in TASKS:
            own = [find for _, find in found if find.task == task]
            if own:
                last = sum(find.last_pronoun == GOLD for find in own)
                tallies[task] = (len(own), sum(find.nearest_is_right for find in own), last)
        dealt = deal_pairs(pairs)
        return Mined(balance(apart(dealt) if parts else dealt, most), tallies)


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
    miner.window = min(WINDOW, fitting)
    return miner.mine(most)


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
    for task, (n_found, nearest, last_pronoun) in mined.found.items():
        n = Counter(case.split for case in mined.cases if case.task == task)
        clusters = len({case.template for case in mined.cases if case.task == task})
        kept = ", ".join(f"{n[split] // 2} pairs in {split}" for split in OWN_SPLITS)
        pronoun = f", in {last_pronoun} the last pronoun has its gender" if task == AFTER_PRONOUNS else ""
        lines.append(
            f"{task}: {n_found} found, in {nearest} of them the nearest candidate is right{pronoun}; balanced: {kept}, "
            f"from {clusters} documents or parts"
        )
    return "\n".join(lines) or "no references were found"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.mine", description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", metavar="TEXT", help=f"a file, folder or glob ({KNOWN})")
    add_window(parser, WINDOW)
    parser.add_argument("--most", type=count, help="pairs of each task and split, at most (default: all)")
    arguments = parser.parse_args()
    mined = Miner(read_documents(arguments.texts), window=arguments.window).mine(arguments.most)
    print_cases(mined.cases)
    print(describe(mined), file=sys.stderr)


if __name__ == "__main__":
    run(main)
