"""Which predictor is chosen on the *select* cases, and how stable that choice is.

Had other cases been drawn, another head might have been chosen. So the choice is repeated on resamples of whole
clusters of cases, those over which intervals are taken (``Split.clusters``), by the same rule.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from probing.heads import HeadScores, lift_over
from probing.predictions import Predictions
from probing.splits import CLUSTERINGS, Split

# At A the answer itself has been read, so that any same-word head finds its antecedent: shown, never chosen.
NEVER_CHOSEN = ("A",)
RESAMPLES = 200
# In units of choice accuracy, of which one case of up to 45,000 is more than both of the first two together.
FOR_A1, FOR_MASS, FOR_LITTLE_LIFT = 1e-5, 1e-6, -2.0


def merit(select_scores: Predictions, weights: np.ndarray) -> np.ndarray:
    """What is maximised by a choice: [R, S, K] for each of R ways ``weights`` [R, N] to weight the *select* cases.

    Choice accuracy. Ties go to A-1, which leads to the answer from every layer, then to more mass. Heads of a lift
    below 1 come after all others; -inf where none is chosen.
    """
    total = weights.sum(1)[:, None, None]
    mass = np.tensordot(weights, select_scores.gold, 1) / total
    value = np.tensordot(weights, select_scores.choice(), 1) / total + FOR_MASS * mass
    value += FOR_A1 * np.array([site == "A-1" for site in select_scores.sites])[:, None]
    if isinstance(select_scores, HeadScores):
        lift = lift_over(mass, np.tensordot(weights, select_scores.uniform, 1) / total)
        value = np.where(lift < 1, value + FOR_LITTLE_LIFT, value)
    allowed = np.array([site not in NEVER_CHOSEN for site in select_scores.sites])
    return np.where(allowed[:, None], value, -np.inf)


def best_predictor(select_scores: Predictions) -> tuple[int, int]:
    """(site, predictor) of the greatest merit on *select*, the earlier one of equals."""
    value = merit(select_scores, np.ones((1, len(select_scores.gold))))[0]
    site, predictor = np.unravel_index(value.argmax(), value.shape)
    return int(site), int(predictor)


def best_sites(select_scores: Predictions) -> list[int]:
    """The site at which each predictor has the greatest merit on *select*: [K]."""
    return merit(select_scores, np.ones((1, len(select_scores.gold))))[0].argmax(0).tolist()


@dataclass(frozen=True)
class Stability:
    """In how many of ``resamples`` of the *select* cases each head would have been chosen, the most frequent first.

    ``clusters``: what was drawn, of CLUSTERINGS the way in which the chosen ``head`` comes out least often.
    ``same_site``: in how many it would have been chosen at the same site.
    """

    head: str
    resamples: int
    clusters: str
    same_site: int
    heads: Mapping[str, int]

    @property
    def same_head(self) -> int:
        return self.heads.get(self.head, 0)

    @property
    def runner_up(self) -> str | None:
        """The head chosen most often of all others; None where the choice never falls on another."""
        return next((name for name in self.heads if name != self.head), None)


def measure_stability(select_scores: HeadScores, select: Split) -> Stability:
    """Repeats the choice of a head on resamples of the *select* cases.

    Templates, and groups of counterfactuals and words, are each drawn for themselves, as for intervals; the way in
    which the choice is less stable counts, since either may have turned out otherwise.
    """
    site, head = best_predictor(select_scores)
    found = []
    for clusters, weights in zip(CLUSTERINGS, select.clusters.resamples(RESAMPLES), strict=True):
        values = merit(select_scores, weights)
        sites, heads = np.unravel_index(values.reshape(len(values), -1).argmax(1), values.shape[1:])
        counts = Counter(select_scores.names[k] for k in heads).most_common()
        same_site = int(((heads == head) & (sites == site)).sum())
        found.append(Stability(select_scores.names[head], len(weights), clusters, same_site, dict(counts)))
    return min(found, key=lambda stability: (stability.same_head, stability.same_site))
