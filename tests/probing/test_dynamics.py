"""Glances and films say what a whole probe says, of the moments of a run."""

import pytest
import toys
from tolerance import additions, tolerance
from torch import nn

from probing import encode_families, glance, probe, record_film
from probing.dynamics import metrics


@pytest.fixture(scope="module")
def families():
    told = (toys.toy_cases(split, 60) for split in ("select", "report"))
    return encode_families(toys.TOKENIZER, *told, toys.BLOCK, seed=0)[0]


def test_a_glance_says_what_a_probe_says(families):
    model = toys.hand_set_model()
    look = glance(model, families)["agreement"]
    found = probe(model, toys.TOKENIZER, *(toys.toy_cases(split, 60) for split in ("select", "report")))
    (result,) = found.families
    quoted = result.quotes[result.best]
    assert (look.head, look.site, look.choice_accuracy, look.model_accuracy) == ("1.0", "A-1", 1.0, 1.0)
    rounding = tolerance(n_terms=additions(model.config, toys.BLOCK), scale=30)  # of log-probabilities down to -30
    assert look.mass == pytest.approx(quoted.mass, abs=rounding)
    assert look.model_loss == pytest.approx(result.loss, abs=rounding)
    assert look.swap_drop == pytest.approx(result.effects["swap"]["1.0"].drop, abs=rounding)
    assert look.resample_drop == pytest.approx(result.effects["resample"]["1.0"].drop, abs=rounding)


def test_a_film_follows_one_head(families):
    before, after = toys.hand_set_model(), toys.hand_set_model()
    nn.init.zeros_(before.blocks[1].attention.q.weight)  # the head looks at everything alike
    frames = record_film(
        [({"step": 0, "tokens": 0}, before), ({"step": 8, "tokens": 800}, after)],
        families,
        {"agreement": ("1.0", "A-1")},
    )
    assert [frame["tokens"] for frame in frames] == [0, 800]
    first, last = (frame["families"]["agreement"] for frame in frames)
    assert first["head"] == last["head"] == "1.0"
    assert (first["choice_accuracy"], last["choice_accuracy"]) == (0.5, 1.0)
    assert first["resample_drop"] == pytest.approx(0, abs=0.5)
    assert last["resample_drop"] > 5


def test_a_head_that_nothing_reads_costs_nothing(families):
    """In the last layer, at the pronoun: no path leads from there to the answer."""
    look = glance(toys.hand_set_model(), families, {"agreement": ("1.1", "P")})["agreement"]
    assert look.swap_drop == 0
    assert look.choice_accuracy == 0.5


def test_metrics_are_named_by_family(families):
    row = metrics(glance(toys.hand_set_model(), families))
    assert row["probe/agreement/head"] == "1.0"
    assert row["probe/agreement/choice_accuracy"] == 1.0
