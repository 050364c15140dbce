"""The search for heads without which the answer is not known, on a network in which it is known which these are."""

import toys

from probing.behaviour import PAIRS
from probing.circuits import HeadSets, find_necessary_heads
from probing.interventions import mean_outputs
from probing.splits import Split


def test_cases_to_choose_on_need_no_counterfactuals_where_those_to_report_have_them():
    model = toys.hand_set_model()
    select, report = Split(toys.encoded("select", 22)[:21]), Split(toys.encoded("report", 20))
    head_sets = HeadSets(model, mean_outputs(model, select.cases).over_rows)
    found = find_necessary_heads(head_sets, select, report, PAIRS, seed=0)
    assert found.complete
    assert set(found.heads) <= {"0.0", "1.0"}
