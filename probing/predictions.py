"""A head, and a baseline, as one kind of thing: for a case and a site, weights on the candidates.

The candidate with the larger weight is the choice. Because everything that is compared goes through the same class,
is selected by the same rule and quoted on the same held-out cases, the comparison is fair by construction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data import EncodedCase
from data.cases.case import SITES, Span

Weight = Callable[[EncodedCase, Span, int], float]  # of one mention, seen from the token at a site


@dataclass(frozen=True)
class Predictions:
    """Weights of K predictors at S sites of N cases of one task.

    ``gold`` [N, S, K]: weight on the right candidate; ``rival``: on the best wrong one. ``names`` [K]. ``sites`` are
    the S sites that this task has, in the order of ``data.cases.case.SITES``.
    """

    names: tuple[str, ...]
    sites: tuple[str, ...]
    gold: np.ndarray
    rival: np.ndarray

    def choice(self) -> np.ndarray:
        """1 where gold outweighs its rival, 0 where the rival does, 1/2 for a tie: [N, S, K]."""
        return np.where(self.gold == self.rival, 0.5, self.gold > self.rival)

    def accuracy(self) -> np.ndarray:
        """Choice accuracy [S, K]."""
        return self.choice().mean(0)


def sites_of(cases: Sequence[EncodedCase]) -> tuple[str, ...]:
    """The sites that every one of these cases has."""
    return tuple(site for site in SITES if all(site in case.sites for case in cases))


def nearest(cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> Predictions:
    """Chooses the candidate mentioned last before the site."""
    return by_mention("nearest", cases, sites, lambda case, span, site: span[0] if span[0] <= site else -1)


def first(cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> Predictions:
    """Chooses the candidate mentioned first."""
    return by_mention("first", cases, sites, lambda case, span, site: -span[0])


def subject(cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> Predictions:
    """Chooses the grammatical subject of the sentence that brings the candidates; none of them, where neither is it."""
    return by_mention("subject", cases, sites, lambda case, span, site: span == case.subject)


def last_pronoun(cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> Predictions:
    """Chooses whom the pronoun before the answer means; none of them, where there is no such pronoun."""
    return by_mention("last pronoun", cases, sites, lambda case, span, site: span == case.last_pronoun)


def frequent(cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> Predictions:
    """Chooses the candidate whose words occur most often before the site."""

    def count(case: EncodedCase, span: Span, site: int) -> int:
        word, size = case.tokens[slice(*span)], span[1] - span[0]
        return sum(case.tokens[i : i + size] == word for i in range(site + 2 - size))

    return by_mention("frequent", cases, sites, count)


def by_mention(name: str, cases: Sequence[EncodedCase], sites: tuple[str, ...], weight: Weight) -> Predictions:
    """One predictor; a candidate weighs as much as the heaviest of its mentions."""

    def weigh(spans_of: Callable[[EncodedCase], Sequence[Span]]) -> np.ndarray:
        return np.array(
            [
                [[float(max(weight(case, span, case.sites[site]) for span in spans_of(case)))] for site in sites]
                for case in cases
            ]
        )

    return Predictions((name,), sites, weigh(lambda case: case.gold), weigh(lambda case: case.distractors))


def chance(cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> Predictions:
    """Gives all candidates the same weight."""
    same = np.ones((len(cases), len(sites), 1))
    return Predictions(("chance",), sites, same, same)


def offsets(cases: Sequence[EncodedCase], sites: tuple[str, ...], longest: int) -> Predictions:
    """One predictor for every fixed distance 1 .. ``longest``: puts all its weight that many tokens back."""
    shape = len(cases), len(sites), longest
    gold, rival = np.zeros(shape), np.zeros(shape)
    for i, case in enumerate(cases):
        for j, site in enumerate(sites):
            for weights, spans in ((gold, case.gold), (rival, case.distractors)):
                for start, end in spans:
                    distances = case.sites[site] - np.arange(start, end)
                    weights[i, j, distances[(distances >= 1) & (distances <= longest)] - 1] = 1
    return Predictions(tuple(f"offset -{k}" for k in range(1, longest + 1)), sites, gold, rival)
