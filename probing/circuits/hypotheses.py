"""Is a set of heads as good as the whole model, and is each of its members needed?

Two of the idealised tests of Shi et al. 2024, "Hypothesis testing the circuit hypothesis in LLMs": *equivalence* and
*minimality*, with heads where they have edges. In both the null hypothesis speaks for the set, so that only a rejection
says something; that it is not rejected proves nothing. A score is log P(answer) - log P(foil).

The independent unit is a group of cases, whose scores are averaged: counterfactuals, and all cases about the same
words. p is exact, of a binomial distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing.statistics import means_of

EPSILON = 0.1  # how far from 1/2 the chance of beating the model may be
QUANTILE = 0.9  # in how many draws a member has to change more than a random head does
INFLATED = 25  # draws: random sets that members are compared with
REJECTED_P = 0.05
SAME = 1e-4  # nats, below which a difference is rounding


@dataclass(frozen=True)
class Equivalence:
    """In how many of ``groups`` of cases a set of heads scores higher than the whole model, ties counting one half.

    ``p``: of such a number, or one further from the half, if the chance were within EPSILON of 1/2.
    """

    better: float
    groups: int
    p: float
    rejected: bool


@dataclass(frozen=True)
class Member:
    """A head of a set: the mean ``drop`` in nats, over cases, where it alone is taken out of the set; in how many of
    ``draws`` that changes the scores more than taking a random head out of a randomly inflated set.

    ``p``: of so few draws if the chance were QUANTILE, adjusted for all members (Holm 1979). ``superfluous``: rejected.
    """

    head: str
    drop: float
    larger: int
    draws: int
    p: float
    superfluous: bool


def equivalence(odds: np.ndarray, whole: np.ndarray, groups: np.ndarray) -> Equivalence:
    """Whether a set of heads, with log-odds ``odds`` [N], beats the whole model, with ``whole`` [N], half the time.

    ``groups`` [N]: the group of each case. The null hypothesis: the chance that it scores higher in a group lies within
    1/2 - EPSILON and 1/2 + EPSILON. The largest p of all these chances is that of the ends.
    """
    from scipy.special import bdtr, bdtrc  # slow to import

    change = means_of(odds - whole, groups)
    n, better = len(change), float((change > SAME).sum() + (np.abs(change) <= SAME).sum() / 2)
    far = abs(better - n / 2)
    low, high = int(np.ceil(n / 2 - far)), int(np.floor(n / 2 + far))  # half a tie counts against rejection
    p = min(1.0, float(bdtr(low, n, 0.5 + EPSILON) + bdtrc(high - 1, n, 0.5 + EPSILON)))
    return Equivalence(better, n, p, rejected=p < REJECTED_P)


def inflate(circuit: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """INFLATED times ``circuit`` [K], a mask over heads, with some of the other heads at random; and the same without
    a random one of those: two masks [INFLATED, K]. Empty where there are no other heads.
    """
    rng, others = np.random.default_rng(seed), np.flatnonzero(~circuit)
    inflated = np.tile(circuit, (INFLATED if len(others) else 0, 1))
    fewer = inflated.copy()
    for more, less in zip(inflated, fewer, strict=True):
        added = rng.choice(others, rng.integers(1, len(others) + 1), replace=False)
        more[added] = less[added[1:]] = True
    return inflated, fewer


def minimality(
    heads: Sequence[str],
    changes: np.ndarray,
    random: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> tuple[Member, ...]:
    """Whether each of ``heads`` is needed in their set, from the ``changes`` [M, N] of log-odds where each is taken
    out, and those [V, N] where the random heads are that ``inflate`` chooses. No answer where V is 0.

    The null hypothesis of a member: in QUANTILE of all draws or more, taking it out changes the scores of groups
    more, up or down, than taking the random head out of the inflated set. Each draw has a set of its own, and groups of
    its own, resampled with replacement; ``groups`` [N] has the group of each case.
    """
    from scipy.special import bdtr  # slow to import

    if not len(random) or not heads:
        return ()
    own, other = (np.abs(means_of(each.T, groups)).T for each in (changes, random))  # [M, G], [V, G]
    n, n_groups = other.shape
    drawn = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), n) / n_groups  # [V, G]
    larger = (own @ drawn.T > (other * drawn).sum(1) + SAME).sum(1)  # of V draws: [M]
    adjusted = holm(bdtr(larger, n, QUANTILE))
    return tuple(
        Member(head, float(change.mean()), int(k), n, float(p), superfluous=bool(p < REJECTED_P))
        for head, change, k, p in zip(heads, changes, larger, adjusted, strict=True)
    )


def holm(p: np.ndarray) -> np.ndarray:
    """p [M] adjusted so that a false rejection among all M is as rare as in one test (Holm 1979)."""
    order = p.argsort()
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted
