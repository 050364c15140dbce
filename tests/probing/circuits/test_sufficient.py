"""Which heads suffice: on models whose heads are known, and against the same sets ablated in other ways."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import toys
from networks import loud_model
from tolerance import additions, tolerance

from data import encode_case
from model import GPT, GPTConfig
from probing.circuits import HeadSets, NecessaryHeads, Sufficiency, measure_sufficiency
from probing.circuits.sufficient import first_heads, greedy_order, smallest_set
from probing.heads import head_names
from probing.interventions import mean_outputs, measure, single_heads, without_sets
from probing.splits import Split

SITES = dict.fromkeys(("0.0", "0.1", "1.0", "1.1"), "A-1")


def one_head() -> GPT:
    """The hand-set model with a last layer that reads the pronoun itself, and a first layer that says nothing: 1.0 does
    it all.
    """
    model = toys.hand_set_model()
    with torch.no_grad():
        model.blocks[0].attention.o.weight.zero_()
        model.blocks[1].attention.q.weight[:2, 2:4] = 2 * torch.eye(2)  # from he and she to man and woman
    return model


def at_the_pronoun(split: str, n: int) -> Split:
    """Toy cases in which the pronoun itself predicts the answer."""
    found = []
    for case in toys.toy_cases(split, n):
        end = case.spans.pronoun[1]
        text = case.text[:end] + case.text[-1]
        found.append(replace(case, text=text, spans=replace(case.spans, answer=(end, end + 1))))
    return Split([encode_case(case, toys.TOKENIZER) for case in found])


def necessary(*heads: str) -> NecessaryHeads:
    n = len(heads)
    return NecessaryHeads(heads, (0.5,) * n, ((0.4, 0.6),) * n, (1.0,) * n, ((0.0, 0.0),) * n, complete=True)


def sufficiency(model: GPT, splits: list[Split], *heads: str) -> Sufficiency:
    select, report = splits
    return measure_sufficiency(sets_of(model, select), select, report, SITES, necessary(*heads), "likeliest", seed=0)


def sets_of(model: GPT, split: Split) -> HeadSets:
    """Heads whose means are those over a split."""
    return HeadSets(model, mean_outputs(model, split.cases).over_rows)


@pytest.fixture(scope="module")
def found() -> Sufficiency:
    return sufficiency(one_head(), [at_the_pronoun(split, 40) for split in ("select", "report")], "1.0")


@pytest.fixture(scope="module")
def of_two() -> Sufficiency:
    """Of the hand-set model, whose 0.0 and 1.0 do nothing one without the other."""
    splits = [Split(toys.encoded(split, 40)) for split in ("select", "report")]
    return sufficiency(toys.hand_set_model(), splits, "0.0", "1.0")


def test_the_one_head_that_is_needed_comes_first_and_brings_everything(found):
    assert found.all.log_odds > 10
    assert found.none.log_odds == pytest.approx(0, abs=0.1)
    assert found.heads == ("1.0",)
    assert found.reached
    assert found.share == pytest.approx(1, abs=1e-3)
    for name in ("necessary", "effect", "greedy"):
        curve = found.curves[name]
        assert curve.heads[0] == "1.0"
        assert [point.log_odds for point in curve.points[1:]] == pytest.approx([found.all.log_odds] * 4, rel=1e-3)
        assert [point.preference for point in curve.points[1:]] == [1.0] * 4
        assert curve.area == pytest.approx(1, abs=1e-3)


def test_random_orders_find_it_halfway(found):
    """At each of four positions with the same chance: the mean of 1, 3/4, 1/2 and 1/4."""
    random = found.curves["random"]
    assert random.area == pytest.approx(0.625, abs=0.2)
    least, most = random.area_ci
    assert 0.24 < least < random.area < most < 1.01
    assert random.points[2].ci[0] == pytest.approx(found.none.log_odds)
    assert random.points[2].ci[1] == pytest.approx(found.all.log_odds)


def test_heads_that_work_together_alone_are_found_without_those_that_do_nothing(of_two):
    assert set(of_two.heads) == {"0.0", "1.0"}
    assert of_two.share == pytest.approx(1, abs=1e-3)
    assert of_two.curves["necessary"].points[1].log_odds == pytest.approx(0, abs=0.1)
    assert of_two.curves["necessary"].points[2].log_odds == pytest.approx(of_two.all.log_odds, rel=1e-3)


def test_the_set_that_does_it_all_is_as_good_as_the_model_and_its_complement_is_not(found):
    assert not found.circuit.rejected
    assert found.circuit.better == found.circuit.groups / 2
    assert found.complement.rejected
    assert found.complement.better == 0
    assert [member.superfluous for member in found.members] == [False]


def test_where_heads_bring_nothing_no_share_is_quoted():
    """A network without anything after its embeddings: no head is needed, and none helps."""
    silent = one_head()
    with torch.no_grad():
        silent.blocks[1].attention.o.weight.zero_()
    nothing = sufficiency(silent, [at_the_pronoun(split, 20) for split in ("select", "report")], "1.0")
    assert nothing.heads == ()
    assert nothing.share is None
    assert nothing.members == ()
    assert all(curve.area is None for curve in nothing.curves.values())


@pytest.fixture(scope="module")
def loud() -> GPT:
    return loud_model(GPTConfig(toys.TOKENIZER.vocab_size, block_size=toys.BLOCK, n_layer=3, n_head=2, n_embd=32))


def test_all_heads_are_the_clean_model_and_none_are_all_of_them_ablated(loud):
    split = Split(toys.encoded("report", 12))
    head_sets = sets_of(loud, split)
    kept = np.array([[True] * 6, [False] * 6, [True] * 6, [False, True, True, True, True, True]])
    odds = head_sets.keeping(split, kept)
    singles = single_heads(loud)
    sets = without_sets(torch.stack([singles.any(0), singles[0]]), head_sets.means)
    expected = {name: values.double().numpy() for name, values in measure(loud, split.cases, {"sets": sets}).items()}
    assert (odds[0] == expected["clean"][0]).all()
    assert (odds[2] == odds[0]).all()
    rounding = tolerance(n_terms=additions(loud.config, toys.BLOCK), scale=30)
    assert odds[1] == pytest.approx(expected["sets"][0], abs=rounding)
    assert odds[3] == pytest.approx(expected["sets"][1], abs=rounding)
    assert abs(odds[1] - odds[0]).max() > 0.01


def test_sets_of_an_order_grow_by_one_head(loud):
    masks = first_heads([4, 0, 2], 6)
    assert masks.sum(1).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(masks[2]).tolist() == [0, 4]


def test_each_head_of_the_greedy_order_is_the_best_beside_those_before_it(loud):
    split = Split(toys.encoded("select", 12))
    head_sets = sets_of(loud, split)
    order = greedy_order(head_sets, split, [5, 3, 2, 0], lambda what: None)
    assert sorted(order) == [0, 2, 3, 5]
    for k, head in enumerate(order):
        sets = np.array([np.isin(range(6), [*order[:k], other]) for other in order[k:]])
        means_of_sets = head_sets.keeping(split, sets).mean(1)
        assert means_of_sets.argmax() == 0, head


def test_the_smallest_set_has_no_idle_head_whatever_order_it_is_of():
    select, model = Split(toys.encoded("select", 20)), toys.hand_set_model()
    head_sets = sets_of(model, select)
    late, early, never = [3, 1, 0, 2], [1, 0, 2, 3], [1, 3, 0]

    def smallest(orders: dict[str, list[int]]) -> list[int] | None:
        return smallest_set(head_sets, select, orders, lambda what: None)

    assert smallest({"late": late, "early": early}) == smallest({"late": late}) == [0, 2]
    assert smallest({"never": never}) is None


def test_of_many_heads_the_most_promising_alone_are_tried(monkeypatch):
    monkeypatch.setattr("probing.circuits.sufficient.MOST_HEADS", 2)
    few = sufficiency(one_head(), [at_the_pronoun(split, 20) for split in ("select", "report")], "0.1")
    assert (few.n_heads, few.largest) == (4, 2)
    assert set(few.curves["greedy"].heads) == {"0.1", "1.0"}
    assert few.curves["necessary"].heads == ("0.1", "1.0")
    assert len(few.curves["random"].points) == 3
    assert few.heads == ("1.0",)


def test_names_of_heads_are_those_of_the_model(found):
    assert set(found.curves["greedy"].heads) == set(head_names(one_head()))
