"""Does a head matter? Change what it does and see what happens to the answer.

All heads of a layer are changed in one batch, each in a variant of its own (``probing.replay``). Two kinds of change:
one row of one head, at one site (``at_sites``), or the whole head, in every row (``whole_heads``).

The result is log P(answer) - log P(foil) in nats, and log P(answer) beside it where a job is asked to read ``answers``.
"""

from probing.interventions.at_sites import (
    AT_A_SITE,
    FROM_THE_COUNTERFACTUAL,
    AtSites,
    changed_row,
    paths_to_answer,
    replay_row,
)
from probing.interventions.batch import Batch, Job
from probing.interventions.measuring import measure
from probing.interventions.whole_heads import MeanOutputs, mean_outputs, resampled, single_heads, without_sets

__all__ = [
    "AT_A_SITE",
    "FROM_THE_COUNTERFACTUAL",
    "AtSites",
    "Batch",
    "Job",
    "MeanOutputs",
    "changed_row",
    "mean_outputs",
    "measure",
    "paths_to_answer",
    "replay_row",
    "resampled",
    "single_heads",
    "without_sets",
]
