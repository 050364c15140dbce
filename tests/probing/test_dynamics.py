"""Quick probes and training dynamics say what a whole probe says."""

import pytest
import torch
import toys
from networks import loud_model
from tolerance import additions, tolerance
from torch import nn

from data import encode_case
from data.stories import cases
from model import GPTConfig
from probing import dynamics_at, encode_tasks, probe, quick_probe
from probing.dynamics import quick_probe_metrics
from probing.interventions import AtSites, measure, paths_to_answer
from probing.splits import Split, TaskCases


@pytest.fixture(scope="module")
def tasks():
    drawn = (toys.toy_cases(split, 60) for split in ("select", "report"))
    return encode_tasks(toys.TOKENIZER, *drawn, toys.BLOCK, seed=0)[0]


def test_a_quick_probe_says_what_a_probe_says(tasks):
    model = toys.hand_set_model()
    look = quick_probe(model, tasks)["agreement"]
    found = probe(model, toys.TOKENIZER, *(toys.toy_cases(split, 60) for split in ("select", "report")))
    (result,) = found.tasks
    quoted = result.quotes[result.best]
    assert (look.head, look.site, look.choice_accuracy, look.model_accuracy) == ("1.0", "A-1", 1.0, 1.0)
    rounding = tolerance(n_terms=additions(model.config, toys.BLOCK), scale=30)  # of log-probabilities down to -30
    assert look.mass == pytest.approx(quoted.mass, abs=rounding)
    assert look.model_loss == pytest.approx(result.behaviour.loss, abs=rounding)
    assert look.weight_swap_drop == pytest.approx(result.effects["weight_swap"]["1.0"].drop, abs=rounding)
    assert look.resample_ablation_drop == pytest.approx(result.effects["resample_ablation"]["1.0"].drop, abs=rounding)


def test_training_dynamics_follow_one_head(tasks):
    before, after = toys.hand_set_model(), toys.hand_set_model()
    nn.init.zeros_(before.blocks[1].attention.q.weight)  # the head looks at everything alike
    chosen = {"agreement": ("1.0", "A-1")}
    moments = [dynamics_at({"step": 0}, before, tasks, chosen), dynamics_at({"step": 8}, after, tasks, chosen)]
    assert [moment["step"] for moment in moments] == [0, 8]
    first, last = (moment["tasks"]["agreement"] for moment in moments)
    assert first["head"] == last["head"] == "1.0"
    assert (first["choice_accuracy"], last["choice_accuracy"]) == (0.5, 1.0)
    assert first["resample_ablation_drop"] == pytest.approx(0, abs=0.5)
    assert last["resample_ablation_drop"] > 5


def test_a_swap_that_nothing_reads_has_no_cost(tasks):
    """In the last layer, at the pronoun: no path leads from there to the answer."""
    looks = quick_probe(toys.hand_set_model(), tasks, {"agreement": ("1.1", "P")})
    assert looks["agreement"].weight_swap_drop is None
    assert looks["agreement"].choice_accuracy == 0.5
    assert "probe/agreement/weight_swap_drop" not in quick_probe_metrics(looks)


def test_a_swap_is_a_mean_over_those_cases_in_which_it_can_reach_the_answer(stories):
    """As in a whole probe: from half of the pronouns a window leads to the answer."""
    encoded = [encode_case(case, stories.tokenizer) for case in cases("report", 40, 0, ("agreement",))]
    window = 1 + sorted(case.sites["A-1"] - case.sites["P"] for case in encoded)[len(encoded) // 2]
    shape = {"block_size": 64, "n_layer": 2, "n_head": 2, "n_embd": 32, "attention": "FW", "window": window}
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, **shape))
    split = Split(encoded)
    look = quick_probe(model, {"agreement": TaskCases(split, split)}, {"agreement": ("0.0", "P")})["agreement"]
    path = torch.tensor(paths_to_answer(model, encoded, "0.0", "P"))
    assert 0 < path.sum() < len(encoded)
    odds = measure(model, encoded, {"swap": AtSites(model, encoded, ["0.0"], ["P"], "weight_swap")})
    expected = (odds["clean"] - odds["swap"])[0, path].mean()
    assert abs(expected) > 1e-3
    assert look.weight_swap_drop == pytest.approx(float(expected))


def test_metrics_are_named_by_task(tasks):
    row = quick_probe_metrics(quick_probe(toys.hand_set_model(), tasks))
    assert row["probe/agreement/head"] == "1.0"
    assert row["probe/agreement/choice_accuracy"] == 1.0
