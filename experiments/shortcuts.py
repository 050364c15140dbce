"""What finds the answers of stories without resolving a reference: ``python -m experiments.shortcuts [N]``.

For each family, the accuracy farthest from one half over all splits and sites before the answer, of every rule. By
design all of them are at chance, and over twins exactly so; here only the first of each pair counts, whose antecedent
is drawn. With N cases two standard errors are 1 / sqrt(N); the farthest of many numbers may be some more away.
"""

import math
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np

from data import Case, EncodedCase, Tokenizer, TokenizerConfig, encode_case
from data.stories import FAMILIES, SPLITS, cases, write
from data.tokenizers import train_bpe
from probing.predictions import first, frequent, nearest, offsets, sites_of, subject

LONGEST = 60


def drawn(split: str, n: int, family: str) -> list[Case]:
    """n cases without their twins."""
    return cases(split, 2 * n, 1, (family,))[::2]


def accuracies(encoded: Sequence[EncodedCase]) -> dict[str, np.ndarray]:
    """Share of right choices of every rule about places, from every site before the answer: NAME -> [S, K]."""
    sites = tuple(site for site in sites_of(encoded) if site != "A")  # there the answer has been read
    rules = {rule.__name__: rule(encoded, sites).accuracy() for rule in (nearest, first, subject, frequent)}
    return {**rules, "any fixed offset": offsets(encoded, sites, LONGEST).accuracy()}


def count_trigrams(tokenizer: Tokenizer, n: int) -> Counter:
    """How often each three tokens follow each other in n stories of the training text."""
    counts: Counter = Counter()
    for story in write("train", n, seed=0):
        tokens = [tokenizer.end, *tokenizer.encode(story).tolist()]
        counts.update(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return counts


def trigram_accuracy(counts: Counter, encoded: Sequence[EncodedCase]) -> float:
    """Which of answer and foil followed the two tokens before more often in training; equal counts are half right."""
    right = 0.0
    for case in encoded:
        before = case.tokens[case.sites["A-1"] - 1 : case.sites["A-1"] + 1]
        answer, foil = counts[*before, case.answer], counts[*before, case.foil]
        right += 0.5 if answer == foil else answer > foil
    return right / len(encoded)


def farthest(values: Sequence[float]) -> float:
    return max(values, key=lambda value: abs(value - 0.5))


def main(n: int) -> None:
    tokenizer = train_bpe(write("train", 20_000, seed=0), TokenizerConfig().vocab_size)
    trigrams = count_trigrams(tokenizer, 60_000)
    print(f"{n} cases of each family and split; two standard errors are {1 / math.sqrt(n):.3f}\n")
    for i, family in enumerate(FAMILIES):
        found: dict[str, list[float]] = {}
        for split in SPLITS:
            encoded = [encode_case(case, tokenizer) for case in drawn(split, n, family)]
            if not encoded:
                continue
            for name, accuracy in accuracies(encoded).items():
                found.setdefault(name, []).extend(accuracy.ravel().tolist())
            found.setdefault("trigram", []).append(trigram_accuracy(trigrams, encoded))
        if i == 0:
            print(f"| family | {' | '.join(found)} |\n|{'---|' * (1 + len(found))}")
        print(f"| {family} | {' | '.join(f'{farthest(values):.3f}' for values in found.values())} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
