"""Means over tokens of each kind, with intervals over documents or windows, and p adjusted for all that was tried."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing.statistics import RESAMPLES, Clusters, SignFlips, by_own_size

FEWEST_TOKENS, FEWEST_CLUSTERS = 30, 5  # of a kind, below which an interval says nothing
ALL = "all"  # tokens, whatever their kind


@dataclass(frozen=True)
class Means:
    """Of V quantities and C columns, all tokens and each kind: ``nats`` [V, C] and 95 % intervals ``ci`` [V, C, 2]."""

    nats: np.ndarray
    ci: np.ndarray


class Columns:
    """All tokens, and those of each kind that has enough: what every mean here is over.

    ``names``: ALL and the kinds, in order; ``n_tokens`` of each; ``too_few``: the kinds that were left out. ``unit``:
    what intervals are over, "documents" or "windows"; ``flipped_unit``: what flips its sign for p.
    """

    def __init__(
        self,
        kind: np.ndarray,
        names: Sequence[str],
        codes: Sequence[int],
        clusters: tuple[str, np.ndarray],
        flipped: tuple[str, np.ndarray],
    ) -> None:
        """``kind`` [N, T] has ``codes[i]`` where a token is of the kind ``names[i]``. ``clusters``, which intervals are
        over, and ``flipped``, which flip their signs for p: the unit, and the number from 0 on of each row's [N], as
        ``Windows.clusters`` gives them.
        """
        (self.unit, cluster_of), (self.flipped_unit, flipped_of) = clusters, flipped
        cluster, self.flipped = (np.repeat(of, kind.shape[1]) for of in (cluster_of, flipped_of))
        self.n_flipped = int(flipped_of.max()) + 1
        self.names, self.tokens, self.too_few = [], [], []
        for name, code in ((ALL, None), *zip(names, codes, strict=True)):
            tokens = np.arange(kind.size) if code is None else np.flatnonzero(kind == code)
            enough = len(tokens) >= FEWEST_TOKENS and len(np.unique(cluster[tokens])) >= FEWEST_CLUSTERS
            if code is None or enough:
                self.names.append(name)
                self.tokens.append(tokens)
            else:
                self.too_few.append(name)
        self.clusters = [Clusters(cluster[tokens]) for tokens in self.tokens]

    @property
    def n_tokens(self) -> list[int]:
        return [len(tokens) for tokens in self.tokens]

    def means(self, values: np.ndarray) -> Means:
        """Of values [V, N, T], over the tokens of each column."""
        flat, nats, ci = values.reshape(len(values), -1), [], []
        for clusters, tokens in zip(self.clusters, self.tokens, strict=True):
            own = flat[:, tokens]
            nats.append(own.mean(1, dtype=np.float64))
            ci.append(clusters.intervals(own.T))
        return Means(np.stack(nats, axis=1), np.stack(ci, axis=1))

    def p_adjusted(self, values: np.ndarray) -> np.ndarray:
        """One-sided p that a mean of values [V, N, T] is above 0, adjusted over all V x C: [V, C]; see ``flip_p``."""
        flat, n = values.reshape(len(values), -1), self.n_flipped
        sums = np.array(
            [[np.bincount(self.flipped[own], row[own], minlength=n) for own in self.tokens] for row in flat]
        )  # [V, C, units]
        return flip_p(sums.reshape(-1, n).T).reshape(sums.shape[:2])


def flip_p(sums: np.ndarray, seed: int = 0) -> np.ndarray:
    """One-sided p that each column's sum over clusters is above 0, adjusted for looking at all: [K] from [clusters, K].

    Null hypothesis: a cluster's sum is as likely its negative, all columns of a cluster together. Columns are divided
    by their root sum of squares, which no flip changes, so that rare kinds count as much as frequent ones; the largest
    of all columns is the reference (Westfall & Young 1993).
    """
    return SignFlips(by_own_size(sums), RESAMPLES, seed).p()
