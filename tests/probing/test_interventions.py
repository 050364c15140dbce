"""Interventions, against the same change made naively in a whole forward pass, one head and one case at a time."""

from dataclasses import replace

import pytest
import torch
import toys
from conftest import ATTENTION_ALONE, GPT2_SHAPE
from networks import Heads, loud_model
from tolerance import additions, assert_near, tolerance
from torch import Tensor

from data import encode_case
from data.stories import cases
from model import GPT, GPTConfig, Hooks
from probing.heads import case_batches, head_names, parse_head
from probing.interventions import (
    AtSites,
    Batch,
    mean_outputs,
    measure,
    paths_to_answer,
    resampled,
    single_heads,
    without_sets,
)
from probing.interventions.at_sites import cut_gold, swap_masses
from probing.interventions.batch import clean_batches
from probing.interventions.whole_heads import donors
from probing.replay import Replay

SHAPES = {
    "modern, grouped": {"n_head": 4, "n_kv_head": 2},
    "gpt2": {"n_head": 4, **GPT2_SHAPE},
    "attention alone": {"n_head": 4, **ATTENTION_ALONE, "qk_norm": True, "softcap": 15.0},
    "window, strided, full": {"n_head": 4, "attention": "WSF", "window": 8, "stride": 3},
    "linear, window": {"n_head": 4, "attention": "LWL", "window": 12},
}


@pytest.fixture(scope="module", params=SHAPES)
def model(request, stories) -> GPT:
    """Three layers of random weights, large enough that patterns are far from uniform."""
    shape = {"block_size": 64, "n_layer": 3, "n_embd": 32, **SHAPES[request.param]}
    return loud_model(GPTConfig(stories.tokenizer.vocab_size, **shape))


@pytest.fixture(scope="module")
def encoded(stories) -> list:
    """Cases of many lengths; counterfactuals next to each other."""
    return [encode_case(case, stories.tokenizer) for case in cases("report", 6, 0, ("cue", "agreement"))]


def near(model: GPT, expected: float) -> object:
    """``expected`` log-odds, of log-probabilities down to -30, but for rounding."""
    return pytest.approx(expected, abs=tolerance(n_terms=additions(model.config, 64), scale=30))


@torch.no_grad()
def odds(model: GPT, case, hooks: Hooks | None = None) -> float:
    logits = model(torch.tensor([case.tokens]), hooks=hooks)[0, case.sites["A-1"]].log_softmax(-1)
    return float(logits[case.answer] - logits[case.foil])


def recorded(model: GPT, case) -> Heads:
    watch = Heads()
    odds(model, case, watch)
    return watch


def by_hand(model: GPT, case, other: Heads, site: str, head: str, kind: str) -> float:
    """Log-odds with this change of one row; ``other``: what was recorded of the counterfactual."""
    layer, h = parse_head(head)
    row, (gold, _), (rival, _) = case.sites[site], case.gold[0], case.distractors[0]

    def pattern(new: Tensor) -> Tensor:
        line = new[0, h, row]
        if kind == "weight_swap" and (line[[gold, rival]] == 0).any():
            return new  # one of them is out of sight
        if kind == "weight_swap":
            line[[gold, rival]] = line[[rival, gold]]
        elif kind == "edge_ablation":
            line[gold] = 0
            line /= line.sum()
        else:
            line.copy_(other.patterns[layer][0, h, row])
        return new

    def z(new: Tensor) -> Tensor:
        new[0, h, row] = other.outputs[layer][0, h, row]
        return new

    return odds(model, case, Heads(layer, z=z) if kind == "activation_patching" else Heads(layer, pattern=pattern))


@pytest.mark.parametrize("kind", ["weight_swap", "edge_ablation", "pattern_patching", "activation_patching"])
def test_a_change_at_a_site_is_the_same_change_by_hand(model, encoded, kind, monkeypatch):
    monkeypatch.setattr("probing.heads.BATCH", 8)  # batches whose cases differ in length
    places = [(head, "A-1") for head in head_names(model)] + [(head, "P") for head in head_names(model)[:8]]
    places = [places[i] for i in torch.randperm(len(places), generator=torch.Generator().manual_seed(0))]
    got = measure(model, encoded, {kind: AtSites(model, encoded, *zip(*places, strict=True), kind)})
    recordings = [recorded(model, case) for case in encoded]
    for i, case in enumerate(encoded):
        assert got["clean"][0, i] == near(model, odds(model, case))
        for k, (head, site) in enumerate(places):
            expected = by_hand(model, case, recordings[i ^ 1], site, head, kind)
            assert got[kind][k, i] == near(model, expected), (site, head, case.case.id)


def test_mean_ablation_is_the_same_by_hand(model, encoded, monkeypatch):
    monkeypatch.setattr("probing.heads.BATCH", 8)
    monkeypatch.setattr("probing.interventions.batch.NUMBERS_PER_BATCH", 1)  # one variant at a time
    means = mean_outputs(model, encoded).over_rows
    rows = [torch.cat([z[0, :, :-1].mT for z in recorded(model, case).outputs], 0) for case in encoded]
    expected = torch.cat(rows, -1).mean(-1).view(means.shape)  # every row up to A-1, of every case
    assert_near(means, expected, additions(model.config, 64) + len(encoded) * 64)
    got = measure(model, encoded, {"mean_ablation": without_sets(single_heads(model), means)})["mean_ablation"]
    for k, name in enumerate(head_names(model)):
        layer, h = parse_head(name)

        def z(new: Tensor, layer=layer, h=h) -> Tensor:
            new[0, h] = means[layer, h]
            return new

        for i, case in enumerate(encoded):
            assert got[k, i] == near(model, odds(model, case, Heads(layer, z=z)))


def test_a_set_without_heads_changes_nothing_where_the_first_layer_has_none(stories, encoded):
    shape = {"block_size": 64, "n_layer": 2, "n_embd": 32, "n_head": 4, "attention": "RF"}
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, **shape))
    sets = torch.stack((torch.zeros(2, 4), torch.tensor([[0.0] * 4, [0, 1, 0, 0]]))).bool()
    got = measure(model, encoded, {"sets": without_sets(sets, mean_outputs(model, encoded).over_rows)})
    assert_near(got["sets"][:1], got["clean"], additions(model.config, 64), scale=30)
    assert not torch.allclose(got["sets"][1], got["clean"][0])


def test_zero_ablation_and_means_per_position_are_the_same_by_hand(model, encoded, monkeypatch):
    """Each position, counted back from A-1, has its own mean; earlier rows than any that was averaged take the last."""
    monkeypatch.setattr("probing.heads.BATCH", 8)
    recordings = [recorded(model, case) for case in encoded]
    few = sorted(range(len(encoded)), key=lambda i: len(encoded[i].tokens))[:-2]  # the longest are not averaged
    means = mean_outputs(model, [encoded[i] for i in few]).per_position
    for back in range(means.size(2)):
        rows = [(recordings[i].outputs, encoded[i].sites["A-1"] - back) for i in few]
        expected = torch.stack([torch.cat([z[0, :, row] for z in outputs]) for outputs, row in rows if row >= 0])
        assert_near(means[:, :, back].flatten(0, 1), expected.mean(0), additions(model.config, 64) + len(encoded))
    kinds = {"zero": torch.zeros_like(means[:, :, 0]), "per position": means}
    got = measure(model, encoded, {name: without_sets(single_heads(model), new) for name, new in kinds.items()})
    for k, name in enumerate(head_names(model)):
        layer, h = parse_head(name)
        for i, case in enumerate(encoded):
            back = (case.sites["A-1"] - torch.arange(len(case.tokens))).clamp(0, means.size(2) - 1)
            for kind, rows in {
                "zero": torch.zeros(len(back), means.size(-1)),
                "per position": means[layer, h, back],
            }.items():

                def z(new: Tensor, h=h, rows=rows) -> Tensor:
                    new[0, h] = rows
                    return new

                assert got[kind][k, i] == near(model, odds(model, case, Heads(layer, z=z))), (kind, name)


def test_what_a_job_reads_is_the_odds_and_the_probability_of_the_answer(model, encoded):
    heads = ["1.1", "0.3"]  # in an order that is not that of the layers
    sets = single_heads(model)[[head_names(model).index(head) for head in heads]]
    zeros = torch.zeros(3, 4, model.config.head_dim)
    jobs = {
        "swap": lambda read: AtSites(model, encoded, heads, ["A-1", "P"], "weight_swap", read),
        "zero": lambda read: without_sets(sets, zeros, read),
        "resample": lambda read: resampled(sets, 0, read),
    }
    both = measure(model, encoded, {name: job(Batch.answers) for name, job in jobs.items()})
    odds_alone = measure(model, encoded, {name: job(Batch.log_odds) for name, job in jobs.items()})
    assert all(both[name][..., 0].equal(odds_alone[name]) for name in jobs)

    def z(new: Tensor) -> Tensor:
        new[0, 1] = 0
        return new

    for i, case in enumerate(encoded):
        with torch.no_grad():
            logits = model(torch.tensor([case.tokens]), hooks=Heads(1, z=z))[0, case.sites["A-1"]]
        assert both["zero"][0, i, 1] == near(model, float(logits.log_softmax(-1)[case.answer]))


def test_several_heads_out_at_once_are_the_same_by_hand(model, encoded):
    means = mean_outputs(model, encoded).over_rows
    sets = torch.zeros(3, 3, 4, dtype=torch.bool)
    sets[0, 0, 1] = sets[0, 2, 3] = sets[1, 1, 2] = sets[1, 1, 0] = True  # the third set is empty
    got = measure(model, encoded, {"sets": without_sets(sets, means)})["sets"]

    class Several(Hooks):
        def __init__(self, chosen: Tensor) -> None:
            super().__init__()
            self.chosen = chosen

        def z(self, layer: int, z: Tensor) -> Tensor:
            return torch.where(self.chosen[layer, :, None, None], means[layer, :, None], z)

    for chosen, row in zip(sets, got, strict=True):
        for i, case in enumerate(encoded):
            assert row[i] == near(model, odds(model, case, Several(chosen)))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("n", range(1, 12))
def test_no_output_is_resampled_from_the_case_itself_or_its_counterfactual(n, first):
    """Also where a case without a counterfactual stands before the pairs."""
    drawn = [encode_case(case, toys.TOKENIZER) for case in toys.toy_cases("report", 60)][first : first + n]
    every = torch.stack([donors(drawn, torch.Generator().manual_seed(seed)) for seed in range(300)]).T  # [n, seeds]
    for case, own in zip(drawn, every, strict=True):
        given = {drawn[i].case.id for i in own.tolist()}
        others = {other.case.id for other in drawn} - {case.case.id}
        assert given == (others - {case.case.counterfactual} or others or {case.case.id})


@pytest.mark.parametrize("numbers", [1, 1 << 23, 1 << 26])
def test_every_batch_of_cases_has_some_of_other_pairs(numbers):
    for n in range(4, 70):
        parts = case_batches([5] * n, numbers)
        assert [i for part in parts for i in range(n)[part]] == [*range(n)]
        assert all(part.start % 2 == 0 for part in parts)
        assert all(len(range(n)[part]) >= 4 for part in parts)


def test_resampling_takes_the_output_of_another_case_counted_from_its_end(model, encoded):
    pair = [encoded[0], encoded[-1]]
    assert len(pair[0].tokens) != len(pair[1].tokens)
    got = measure(model, pair, {"resample_ablation": resampled(single_heads(model), seed=0)})["resample_ablation"]
    for i, (case, donor) in enumerate(zip(pair, pair[::-1], strict=True)):
        outputs = recorded(model, donor).outputs
        shift = donor.sites["A-1"] - case.sites["A-1"]
        for k, name in enumerate(head_names(model)):
            layer, h = parse_head(name)

            def z(new: Tensor, layer=layer, h=h, outputs=outputs, shift=shift) -> Tensor:
                there = (torch.arange(new.size(2)) + shift).clamp(0, outputs[layer].size(2) - 1)
                new[0, h] = outputs[layer][0, h, there]
                return new

            assert got[k, i] == near(model, odds(model, case, Heads(layer, z=z)))


def test_a_swap_exchanges_two_masses_and_leaves_the_rest():
    pattern = torch.tensor([0.1, 0.4, 0.2, 0.05, 0.25]).expand(1, 2, 5)
    marks = torch.tensor([[[0, 1.0, 1, 0, 0], [0, 0, 0, 1, 0]]])
    swapped = swap_masses(pattern, marks)
    assert_near(swapped[0, 1], torch.tensor([0.1, 0.05 * 2 / 3, 0.05 / 3, 0.6, 0.25]))


def test_a_swap_takes_the_distractor_with_the_most_mass_and_spreads_over_an_unseen_span():
    pattern = torch.tensor([0.0, 0.0, 0.3, 0.7]).expand(1, 1, 4)
    marks = torch.tensor([[[1.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]])
    assert_near(swap_masses(pattern, marks)[0, 0], torch.tensor([0.35, 0.35, 0.3, 0.0]))


def test_a_cut_scales_up_what_is_left():
    pattern, marks = torch.tensor([[[0.5, 0.3, 0.2]]]), torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    assert_near(cut_gold(pattern, marks)[0, 0], torch.tensor([0.0, 0.6, 0.4]))
    nothing_left = torch.tensor([[[1.0, 0.0, 0.0]]])
    assert_near(cut_gold(nothing_left, marks)[0, 0], torch.zeros(3))


def test_no_path_and_no_such_head_are_errors(model, encoded):
    with pytest.raises(ValueError, match=r"head 2\.1 at P: nothing leads from there to the answer"):
        measure(model, encoded, {"weight_swap": AtSites(model, encoded, ["2.1"], ["P"], "weight_swap")})
    with pytest.raises(
        ValueError,
        match="'twist': heads can be changed at a site by weight_swap, edge_ablation, pattern_patching, ",
    ):
        AtSites(model, encoded, ["0.0"], ["P"], "twist")
    with pytest.raises(ValueError, match=r"head 3\.0: the model has layers 0, 1, 2 of 4 heads"):
        measure(model, encoded, {"weight_swap": AtSites(model, encoded, ["3.0"], ["P"], "weight_swap")})
    with pytest.raises(ValueError, match=r"head 0\.0 at A: nothing leads from there to the answer"):
        AtSites(model, encoded, ["0.0"], ["A"], "weight_swap")


@pytest.mark.parametrize("head", ["0.2", "1.3", "2.1"])
@pytest.mark.parametrize("kind", ["edge_ablation", "activation_patching"])
def test_a_site_may_be_a_1_in_some_cases_of_a_batch(model, encoded, head, kind):
    """In the last layer only those have a path; the others stay as they are."""
    moved = [replace(case, sites=case.sites | {"P": case.sites["A-1"]}) for case in encoded[:2]] + encoded[2:4]
    got = measure(model, moved, {kind: AtSites(model, moved, [head], ["P"], kind)})
    assert paths_to_answer(model, moved, head, "P") == [True, True, head[0] != "2", head[0] != "2"]
    for i, case in enumerate(moved):
        other = recorded(model, moved[i ^ 1])
        expected = by_hand(model, case, other, "P", head, kind) if i < 2 or head[0] != "2" else odds(model, case)
        assert got[kind][0, i] == near(model, expected)


def test_what_comes_after_the_row_is_never_looked_at(model, encoded):
    """A swap in a row before the rival, and a cut before gold, change nothing."""
    early = [replace(case, sites=case.sites | {"P": min(case.gold[0][0], case.distractors[0][0])}) for case in encoded]
    got = measure(
        model, early, {kind: AtSites(model, early, ["0.0"], ["P"], kind) for kind in ("weight_swap", "edge_ablation")}
    )
    assert_near(got["weight_swap"], got["clean"], additions(model.config, 64), scale=30)
    gold_later = torch.tensor([case.gold[0][0] > case.sites["P"] for case in early])
    assert gold_later.any()
    assert_near(got["edge_ablation"][0, gold_later], got["clean"][0, gold_later], additions(model.config, 64), scale=30)


@pytest.fixture
def changes_are_lost(monkeypatch) -> None:
    """As if a change were made in a row or a layer that is not read."""
    run = Replay.run
    monkeypatch.setattr(Replay, "run", lambda self, layer, rows, n, edit: run(self, layer, rows, n, lambda _, z, __: z))


@pytest.mark.parametrize("model", [name for name in SHAPES if name != "linear, window"], indirect=True)
def test_a_change_that_is_not_carried_on_is_noted(model, encoded, changes_are_lost, capsys):
    sparse = "W" in model.config.attention
    layer, kind = (1, "activation_patching") if sparse else (0, "edge_ablation")  # after it is full attention alone
    job = {kind: AtSites(model, encoded, [f"{layer}.{h}" for h in range(4)], ["A-1"] * 4, kind)}
    measure(model, encoded, job)
    notes = [f"note   {kind} at A-1: head {layer}.{h} changed, and no answer with it" for h in range(4)]
    said = capsys.readouterr().err.splitlines()
    assert said
    assert set(said) <= set(notes)


@pytest.mark.parametrize("model", ["linear, window"], indirect=True)
def test_a_change_that_a_memory_may_have_dropped_is_not_noted(model, encoded, changes_are_lost, capsys):
    job = {"patched": AtSites(model, encoded, ["1.0"], ["A-1"], "activation_patching")}
    got = measure(model, encoded, job)
    assert_near(got["patched"], got["clean"], additions(model.config, 64), scale=30)
    assert not capsys.readouterr().err


def test_a_head_whose_change_shows_in_one_batch_alone_is_not_noted(encoded, stories, monkeypatch, capsys):
    monkeypatch.setattr("probing.heads.BATCH", 2)
    run, shape = Replay.run, {"block_size": 64, "n_layer": 2, "n_embd": 32, "n_head": 4}
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, **shape))
    n_batches, replays = len(list(clean_batches(model, encoded))), []

    def only_the_last(self: Replay, layer: int, rows: Tensor, n: int, edit: object) -> Tensor:
        if not any(self is other for other in replays):
            replays.append(self)
        return run(self, layer, rows, n, edit if len(replays) == n_batches else lambda _, z, __: z)

    monkeypatch.setattr(Replay, "run", only_the_last)
    odds = measure(model, encoded, {"cut": AtSites(model, encoded, ["0.0"], ["A-1"], "edge_ablation")})
    assert len(replays) == n_batches > 1
    assert odds["cut"][0, -1] != odds["clean"][0, -1]
    assert not capsys.readouterr().err


@pytest.mark.parametrize("attention", ["W", "WS"])
def test_changes_that_no_later_layer_sees_have_no_path(stories, encoded, attention):
    """Of four layers with little sight, and every kind of change, at every site: a note would be a bug."""
    shape = {"block_size": 64, "n_layer": 4, "n_embd": 32, "attention": attention, "window": 3, "stride": 8}
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, **shape))
    last = head_names(model)[-8]  # in front of one layer more
    assert not all(paths_to_answer(model, encoded, last, "P"))
    for site in ("P", "C"):
        having = [case for case in encoded if site in case.sites]
        heads = [head for head in head_names(model) if any(paths_to_answer(model, having, head, site))]
        for kind in ("weight_swap", "edge_ablation", "pattern_patching", "activation_patching"):
            if heads:
                measure(model, having, {kind: AtSites(model, having, heads, [site] * len(heads), kind)})
