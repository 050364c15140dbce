"""The negative control: counterfactuals that are the same up to the pronoun, where every head is right in one half.

It would show a mistake in how cases, sites and scores are put together, whatever the model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data import EncodedCase
from data.cases.case import counterfactual_groups
from probing.tasks import TaskResult


class NegativeControl(NamedTuple):
    """The accuracy farthest from 1/2 of any head at the pronoun, over ``cases`` whose counterfactuals are still
    identical there: whatever a head sees, it sees in both, so that it must be right in exactly one half.
    """

    accuracy: float
    cases: int


def negative_control_at(result: TaskResult) -> NegativeControl | None:
    """The negative control of one task; None where no counterfactuals first differ after the pronoun."""
    if "P" not in result.heads.sites:
        return None
    same = np.array([same_until_pronoun(group) for group in counterfactual_groups(result.cases) for _ in group])
    if not same.any():
        return None
    accuracies = result.heads.choice()[same, result.heads.sites.index("P")].mean(0).tolist()
    return NegativeControl(max(accuracies, key=from_half), int(same.sum()))


def negative_control(results: Sequence[TaskResult]) -> float | None:
    """The accuracy farthest from 1/2 in any task: must be 1/2. None where no task has such counterfactuals."""
    accuracies = [found.accuracy for result in results if (found := negative_control_at(result))]
    return max(accuracies, key=from_half, default=None)


def from_half(accuracy: float) -> float:
    return abs(accuracy - 0.5)


def same_until_pronoun(group: Sequence[EncodedCase]) -> bool:
    """Whether both are the same up to the pronoun, which has one position, and what is gold in one is the distractor of
    the other.
    """
    if len(group) < 2 or not all("P" in case.sites for case in group):
        return False
    one, other = group
    end = one.sites["P"] + 1
    same = end == other.sites["P"] + 1 and one.tokens[:end] == other.tokens[:end]
    return same and is_only_rival(one, other) and is_only_rival(other, one)


def is_only_rival(one: EncodedCase, other: EncodedCase) -> bool:
    """Whether all mentions of one's gold, and nothing else, are what another case's gold is compared with."""
    return [sorted(spans) for spans in other.rivals] == [sorted(one.gold)]
