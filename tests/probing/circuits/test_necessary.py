"""The search for heads without which the answer is not known, on networks in which it is known which these are."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import toys
from torch import Tensor

from probing.behaviour import PAIRS
from probing.circuits import HeadSets, NecessaryHeads, find_necessary_heads
from probing.interventions import mean_outputs
from probing.splits import Split


def test_cases_to_choose_on_need_no_counterfactuals_where_those_to_report_have_them():
    model = toys.hand_set_model()
    select, report = Split(toys.encoded("select", 22)[:21]), Split(toys.encoded("report", 20))
    head_sets = HeadSets(model, mean_outputs(model, select.cases).over_rows)
    found = find_necessary_heads(head_sets, select, report, PAIRS, seed=0)
    assert found.complete
    assert set(found.heads) <= {"0.0", "1.0"}


class KnownSets:
    """Stands in for HeadSets. Log-odds are 4 nats where those of the heads that are left know the answer, a mask [K],
    and -4 where they do not; less what each head that is out costs in cases of that split.
    """

    def __init__(self, knows: Callable[[np.ndarray], bool], **costs: Sequence[float]) -> None:
        self.knows, self.costs = knows, {split: np.array(each) for split, each in costs.items()}
        n = len(self.costs["report"])
        self.names, self.each = tuple(f"0.{k}" for k in range(n)), np.eye(n, dtype=bool)

    def without(self, split: Split, sets: np.ndarray) -> Tensor:
        return self.without_and_clean(split, sets)[0]

    def without_and_clean(self, split: Split, sets: np.ndarray) -> tuple[Tensor, Tensor]:
        costs = self.costs[split.cases[0].case.split]
        odds = [(4 if self.knows(~out) else -4) - costs[out].sum() for out in (*sets, np.zeros_like(sets[0]))]
        every = torch.tensor(odds)[:, None].expand(-1, len(split.cases))
        return every[:-1], every[-1:]


def find_known(head_sets: KnownSets) -> NecessaryHeads:
    select, report = (Split(toys.encoded(split, 20)) for split in ("select", "report"))
    return find_necessary_heads(head_sets, select, report, PAIRS, seed=0)


def test_heads_that_repair_each_other_are_found_together_and_without_one_that_only_seemed_to_matter():
    """1 and 11 each know the answer. In cases of *select*, 0 alone costs most, and 11 least, as long as 1 is there."""
    head_sets = KnownSets(
        lambda left: left[1] or left[11],
        select=[0.5, 0.375, *[0.25] * 9, 0.125],
        report=[0.25, 0.5, *[0.25] * 9, 0.5],
    )
    found = find_known(head_sets)
    assert found.heads == ("0.1", "0.11")
    assert found.preference == (1, 0)
    assert found.drop == (0.5, 9)
    assert found.random == ((0.25, 0.25), (0.5, 0.5)), "of as many of the others"
    assert found.complete


def test_eight_heads_that_do_not_suffice_are_quoted_as_incomplete():
    """Any of nine knows the answer. Too few are left to draw from, so random sets are of all."""
    found = find_known(KnownSets(np.any, select=[0.25] * 9, report=[0.25] * 9))
    assert len(found.heads) == 8
    assert found.preference == (1,) * 8
    assert found.drop == tuple(k / 4 for k in range(1, 9))
    assert found.random == tuple((k / 4, k / 4) for k in range(1, 9))
    assert not found.complete
