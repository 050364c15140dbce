"""Cases of which nothing counts but the clusters that they fall into, and heads whose choices are given."""

from collections.abc import Sequence

import numpy as np

from data.cases.case import Case, EncodedCase, Spans
from probing.heads import HeadScores
from probing.splits import Split


def split_into(templates: Sequence[object], words: Sequence[object]) -> Split:
    """One case for each template and group of words that are named."""
    return Split(
        [case_of(i, str(template), str(word)) for i, (template, word) in enumerate(zip(templates, words, strict=True))]
    )


def case_of(i: int, template: str, word: str) -> EncodedCase:
    span = (0, len(word.encode()))
    spans = Spans(gold=(span,), distractors=(span,), answer=span)
    case = Case(f"{i}", word, "toy", template, "report", spans, foil="")
    return EncodedCase(case, (0,), ((0, 1),), ((0, 1),), {"A-1": 0}, 0, 1)


def scores_of(right: np.ndarray, sites: tuple[str, ...] = ("A-1",)) -> HeadScores:
    """Heads 0.0, 0.1, ... that give gold more where ``right`` [N, S, K] is true, else the rival; lift 3."""
    gold, none = np.where(right, 0.6, 0.3), np.zeros(right.shape)
    names = tuple(f"0.{k}" for k in range(right.shape[2]))
    return HeadScores(names, sites, gold, 0.9 - gold, np.full(right.shape, 0.15), none, none)
