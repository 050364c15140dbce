"""A head, and a baseline, as one kind of thing: for a case and a site, weights on the candidates.

The candidate with the larger weight is the choice. Because everything that is compared goes through the same class,
is selected by the same rule and quoted on the same held-out cases, the comparison is fair by construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data import EncodedCase
from data.cases import SITES


@dataclass(frozen=True)
class Predictions:
    """Weights of K predictors at S sites of N cases of one family.

    ``gold`` [N, S, K]: weight on the right candidate; ``rival``: on the best wrong one. ``names`` [K]. ``sites`` are
    the S sites that this family has, in the order of ``data.cases.SITES``.
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
    return by_place("nearest", cases, sites, lambda start, site: start if start <= site else -1)


def first(cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> Predictions:
    """Chooses the candidate mentioned first."""
    return by_place("first", cases, sites, lambda start, site: -start)


def by_place(name: str, cases: Sequence[EncodedCase], sites: tuple[str, ...], weight) -> Predictions:
    """``weight(start, site)`` of a mention that starts at one token, seen from another."""
    gold, rival = (
        np.array(
            [
                [[max(weight(start, case.sites[site]) for start, _ in spans)] for site in sites]
                for case, spans in ((case, spans_of(case)) for case in cases)
            ]
        )
        for spans_of in (lambda case: case.gold, lambda case: case.distractors)
    )
    return Predictions((name,), sites, gold, rival)


def chance(cases: Sequence[EncodedCase], sites: tuple[str, ...]) -> Predictions:
    """Weighs all candidates alike."""
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
