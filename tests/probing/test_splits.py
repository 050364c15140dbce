"""Parts of the cases of a task stand for all of them."""

from collections import Counter
from dataclasses import replace

import pytest
import toys

from data import encode_case
from probing.splits import Split


@pytest.mark.parametrize(("n_cases", "n"), [(800, 100), (198, 100), (250, 100), (60, 100)])
def test_a_part_has_as_many_cases_as_asked_for_of_all_templates(n_cases, n):
    """Also where a file goes through its templates in turn, so that every eighth pair is of one template."""
    cases = [encode_case(case, toys.TOKENIZER) for case in toys.toy_cases("report", 60)]
    turns = [
        replace(cases[i % 60], case=replace(cases[i % 60].case, template=f"template {i // 2 % 8}"))
        for i in range(n_cases)
    ]
    part = Split(turns).part(n)
    assert abs(len(part.cases) - min(n, n_cases)) <= 1
    assert len(Counter(case.case.template for case in part.cases)) == 8
