"""What is said of a model whose heads are known: the one that looks and matters is named, the others are not."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
import toys
from tolerance import additions, tolerance

from data.cases.case import encode_case
from data.stories import TASKS, cases
from model import GPT, GPTConfig
from probing import Findings, probe, to_json, write_files
from probing.effects import Effect, measure_effects
from probing.heads import score_heads
from probing.interventions import mean_outputs
from probing.lists import TASK as LISTS
from probing.negative_control import negative_control
from probing.predictions import sites_of
from probing.quotes import HeadQuote, Quoted
from probing.splits import Split, TaskCases
from probing.tasks import measure_task
from probing.untrained import measure_untrained, untrained_models

N_CASES, SOME = 60, ("agreement", "cue", "recall")


@pytest.fixture(scope="module")
def found() -> Findings:
    """Findings on the model whose weights were set by hand."""
    return probe(toys.hand_set_model(), toys.TOKENIZER, toys.toy_cases("select", 100), toys.toy_cases("report", 100))


def test_the_head_that_decides_is_named_and_no_other(found):
    (task,) = to_json(found)["tasks"].values()
    assert task["model_accuracy"] == 1
    assert task["resolved"]
    heads = {head["head"]: head for head in task["heads"]}
    assert task["best"] == heads["1.0"]
    best = heads.pop("1.0")
    assert best["site"] == "A-1"
    assert best["choice_accuracy"] == 1
    assert best["mass"] == pytest.approx(1, abs=0.01)
    assert best["contrast"] == pytest.approx(1, abs=0.01)
    assert best["looks"]
    assert best["matters"]
    assert best["weight_swap_flip"] == 1
    assert best["weight_swap_drop"] == pytest.approx(20.24, abs=0.1)
    for name, head in heads.items():
        assert not head["looks"]
        assert not head["matters"]
        if name != "1.1":  # of the last layer, best at the pronoun, from where nothing leads to the answer
            assert head["weight_swap_drop"] == pytest.approx(0, abs=1e-3)
    roles = to_json(found)["all_roles"]
    assert [[[role["role"] for role in head] for head in layer] for layer in roles] == [[[], []], [["pronoun"], []]]


def test_sets_of_heads_and_edges_are_measured_where_asked_for(monkeypatch):
    monkeypatch.setattr("probing.circuits.edges.FEW_HEADS", 3)  # so that receivers are chosen
    both = (toys.toy_cases(split, 40) for split in ("select", "report"))
    (task,) = to_json(probe(toys.hand_set_model(), toys.TOKENIZER, *both, circuits=True))["tasks"].values()
    assert task["sufficient"]["heads"] == ("0.0", "1.0")
    first, *others = task["edges"]["edges"]
    assert (first["from"], first["to"], first["input"], first["counts"]) == ("0.0", "1.0", "q", True)
    assert not any(edge["counts"] for edge in others)


def test_what_is_being_measured_is_told_on_the_way(monkeypatch):
    monkeypatch.setattr("probing.heads.BATCH", 10)
    monkeypatch.setattr("probing.parallel.WORKERS", 1)  # so that reports come in order
    both = [toys.toy_cases(split, 20) for split in ("select", "report")]
    both = [[*cases, *(replace(case, task="second") for case in cases)] for cases in both]
    first, reported = both[0][0].task, []
    probe(toys.hand_set_model(), toys.TOKENIZER, *both, progress=lambda *now: reported.append(now))
    assert reported[0] == (f"untrained network 1 of 8, {first}", 0, 2)
    assert reported[-9:] == [
        (f"{first}: why the head looks there", 0, 2),
        ("second: what heads attend to", 1, 2),
        ("second: changing heads at their sites, 0 of 20 cases", 1, 2),
        ("second: changing heads at their sites, 10 of 20 cases", 1, 2),
        ("second: taking whole heads away, 0 of 20 cases", 1, 2),
        ("second: taking whole heads away, 10 of 20 cases", 1, 2),
        ("second: which heads are necessary together, 0 found", 1, 2),
        ("second: why the head looks there", 1, 2),
        ("attention patterns of all heads", 2, 2),
    ]


def test_tasks_side_by_side_have_the_numbers_of_one_after_the_other():
    names, both = ("one", "two", "three", "four"), [toys.toy_cases(split, 20) for split in ("select", "report")]
    both = [[*cases, *(replace(case, task=name) for name in names for case in cases)] for cases in both]
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(dict(leaves(to_json(probe(toys.hand_set_model(), toys.TOKENIZER, *both)))))
    finally:
        torch.set_num_threads(before)
    assert found[0].keys() == found[1].keys()
    for path, value in found[0].items():
        other = found[1][path]  # two threads add in another order
        assert value == (pytest.approx(other, rel=1e-5, abs=1e-5, nan_ok=True) if isinstance(other, float) else other)


def leaves(found: object, path: tuple = ()) -> Iterator[tuple[tuple, object]]:
    """The path and the value of everything in nested dictionaries and lists that is neither."""
    if not isinstance(found, dict | list | tuple):
        yield path, found
        return
    for key, value in found.items() if isinstance(found, dict) else enumerate(found):
        yield from leaves(value, (*path, key))


def test_every_change_to_the_head_that_decides_costs_the_answer(found):
    (result,) = found.tasks
    by_kind = {kind: effects["1.0"] for kind, effects in result.effects.items()}
    assert by_kind.keys() == {
        "weight_swap",
        "edge_ablation",
        "pattern_patching",
        "activation_patching",
        "zero_ablation",
        "mean_ablation",
        "mean_ablation_per_position",
        "resample_ablation",
    }
    assert all(effect.drop > 5 for effect in by_kind.values())
    assert all(0 < effect.log_prob_drop < effect.drop for effect in by_kind.values())  # the foil gains as well
    for kind in ("weight_swap", "pattern_patching", "activation_patching"):  # the whole preference turns round
        assert by_kind[kind].flip == 1
    assert by_kind["pattern_patching"].directions == pytest.approx((by_kind["pattern_patching"].drop,) * 2, abs=1e-3)


def test_a_head_that_only_carries_the_gender_is_needed_but_neither_looks_nor_matters(found):
    (result,) = found.tasks
    assert result.effects["mean_ablation"]["0.0"].drop > 5
    assert not result.quotes["0.0"].looks
    assert result.necessary.complete
    assert set(result.necessary.heads) <= {"0.0", "1.0"}
    assert result.necessary.preference[-1] <= 0.5


def test_what_is_told_by_site_is_what_the_table_has(found, tmp_path):
    write_files(found, tmp_path)
    by_site = json.loads((tmp_path / "heads.json").read_text())["tasks"]["agreement"]["by_site"]
    with open(tmp_path / "heads.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["head"] == "1.0"]
    assert [row["site"] for row in rows] == by_site["sites"]
    accuracies = [float(row["choice_accuracy"]) for row in rows]
    assert accuracies == pytest.approx(by_site["choice_accuracy"]["1.0"], abs=1e-4)
    for accuracy, (low, high) in zip(by_site["choice_accuracy"]["1.0"], by_site["ci"]["1.0"], strict=True):
        assert low <= accuracy <= high


def test_a_head_is_quoted_at_its_own_site_or_not_at_all(found):
    """1.0 judged at the pronoun, from where nothing leads on; its change at A-1 is for the reference alone."""
    report, sites = Split(toys.encoded("report", 40)), {"0.0": "A-1", "0.1": "P", "1.0": "P", "1.1": "P"}
    means = mean_outputs(found.model, report.cases)
    effects = measure_effects(found.model, report, sites, ("0.0",), means, seed=0)
    assert effects["weight_swap"].keys() == {"0.0", "0.1"}
    assert effects["weight_swap"]["0.0"].reference == pytest.approx(20.24, abs=0.1)
    assert effects["mean_ablation"].keys() == sites.keys()


@pytest.mark.parametrize(
    ("ci", "reference", "p_adj", "matters"),
    [
        ((0.2, 0.4), None, 0.001, True),
        ((0.01, 0.02), None, 0.001, False),  # surely above 0, and nothing that an answer would show
        ((0.2, 0.4), 0.3, 0.001, False),
        ((0.2, 0.4), None, 0.02, False),
        ((0.2, 0.4), None, None, False),
    ],
)
def test_a_head_matters_by_its_interval_its_p_and_what_counts_as_an_effect(ci, reference, p_adj, matters):
    assert Effect(sum(ci) / 2, ci, 0.0, reference, 0.0, p_adj=p_adj).matters == matters


def test_the_p_of_a_swap_is_adjusted_for_every_task_of_the_probe(found):
    report, sites = Split(toys.encoded("report", 40)), dict.fromkeys(("0.0", "0.1", "1.0", "1.1"), "A-1")
    means = mean_outputs(found.model, report.cases)
    of_one, of_ten = (
        measure_effects(found.model, report, sites, ("1.0",), means, seed=0, n_tasks=n)["weight_swap"] for n in (1, 10)
    )
    assert of_ten["1.0"].p_adj == pytest.approx(10 * of_one["1.0"].p_adj)
    assert of_one["1.0"].p_adj < 0.001 < of_one["1.1"].p_adj
    assert of_one["1.0"].detectable > 0


def test_lift_over_untrained_heads_is_one_for_such_a_head(monkeypatch):
    """On average over a layer, where the untrained network is the measured one itself."""
    monkeypatch.setattr("probing.untrained.UNTRAINED", 1)
    split = Split(toys.encoded("report", 40))
    model = GPT(toys.hand_set_model().config, seed=1).eval()
    untrained = measure_untrained(model, {"agreement": TaskCases(split, split)}, seed=0)["agreement"]
    result = measure_task(model, split, split, untrained, seed=0)
    lift = untrained.lift(result.heads)
    assert lift.reshape(-1, 2, 2).mean(-1) == pytest.approx(1)
    quoted = result.quotes["1.1"]
    assert quoted.lift_untrained == pytest.approx(lift[result.heads.sites.index(quoted.site), 3])
    assert quoted.lift_untrained != pytest.approx(quoted.lift), "untrained attention is not uniform"


def test_lift_over_untrained_heads_is_on_the_cases_that_these_were_measured_on(monkeypatch):
    """A third of all; on these, the one untrained network is the measured one itself."""
    monkeypatch.setattr("probing.untrained.UNTRAINED", 1)
    cases = toys.encoded("report", 300)
    split = Split(cases)
    model = GPT(toys.hand_set_model().config, seed=1).eval()
    untrained = measure_untrained(model, {"agreement": TaskCases(split, split)}, seed=0)["agreement"]
    assert untrained.cases.sum() == 100
    lift = untrained.lift(score_heads(model, cases, sites_of(cases)))  # [S, K]
    rounding = tolerance(n_terms=additions(model.config, toys.BLOCK))
    assert lift.reshape(-1, 2, 2).mean(-1) == pytest.approx(1, abs=rounding)


def test_untrained_networks_are_eight_and_all_different():
    weights = {other.embed.weight[0, 0].item() for other in untrained_models(toys.hand_set_model(), seed=0)}
    assert len(weights) == 8


def test_a_choice_and_what_would_have_been_found_are_in_the_file(found):
    (task,) = to_json(found)["tasks"].values()
    assert task["stability"] == {
        "head": "1.0",
        "resamples": 200,
        "clusters": "templates",
        "same_site": 200,
        "heads": {"1.0": 200},
        "same_head": 200,
        "runner_up": None,
    }
    best = task["best"]
    assert task["power"]["probability"] == 0.8
    assert task["power"]["weight_swap_drop"] == best["effects"]["weight_swap"]["detectable"]
    assert max(task["baselines"].values()) < task["power"]["choice_accuracy"] < 1
    assert best["matters_p_adj"] == best["effects"]["weight_swap"]["p_adj"] < 0.01


def test_a_head_that_looks_at_the_man_always_is_right_in_one_half(found):
    (result,) = found.tasks
    assert result.heads.mass()[result.heads.sites.index("A-1"), 3] > 0.4
    assert result.heads.accuracy()[result.heads.sites.index("A-1"), 3] == 0.5


def test_no_interval_of_successes_is_without_width(found):
    (result,) = found.tasks
    low, high = result.quotes["1.0"].ci
    assert 0.9 < low < 0.95  # 50 independent stories exclude no less
    assert high == 1


def test_a_model_trained_on_shuffled_antecedents_gets_no_pronoun_head():
    """Not even where its behaviour, which is at chance, is left out of account."""
    task = TaskCases(*(Split(toys.encoded(split, 100)) for split in ("select", "report")))
    model = toys.train(seed=0, steps=100, shuffled=True)
    untrained = measure_untrained(model, {"agreement": task}, seed=0)["agreement"]
    result = measure_task(model, *task, untrained, seed=0)
    assert not result.resolved
    bar = result.best_baseline[1].accuracy
    assert not any(passes(quoted, bar) for quoted in result.quotes.values())
    control = measure_task(toys.hand_set_model(), *task, untrained, seed=0)
    assert [name for name, quoted in control.quotes.items() if passes(quoted, bar)] == ["1.0"]


def passes(quoted: HeadQuote, bar: float) -> bool:
    """All that is asked of a head that looks, but for the model's behaviour."""
    return quoted.ci[0] > bar and quoted.p_adj < 0.01 and quoted.lift >= 1


def test_the_files_have_the_findings(found, tmp_path):
    write_files(found, tmp_path)
    assert json.loads((tmp_path / "heads.json").read_text()) == json.loads(json.dumps(to_json(found)))


def test_a_model_that_resolves_nothing_has_no_head_named(stories):
    tokenizer = stories.tokenizer
    model = GPT(GPTConfig(tokenizer.vocab_size), seed=0).eval()
    found = probe(model, tokenizer, *(cases(split, N_CASES, 0, SOME) for split in ("select", "report")))
    tasks = to_json(found)["tasks"]
    assert tasks.keys() == {*SOME, LISTS}
    for task in tasks.values():
        assert not task["resolved"]
        assert not any(head["looks"] or head["matters"] for head in task["heads"])
    assert negative_control(found.tasks) == 0.5


def test_the_luckiest_untrained_network_is_the_baseline(monkeypatch):
    drawn = iter([0.5, 0.7, *[0.4] * 6])

    def quoted(*_: object) -> tuple[Quoted, np.ndarray]:
        return Quoted("0.0", "A-1", next(drawn), (0.0, 1.0)), np.zeros((1, 4))

    monkeypatch.setattr("probing.untrained.quote_untrained", quoted)
    task = TaskCases(*[Split(toys.encoded("report", 20))] * 2)
    assert measure_untrained(toys.hand_set_model(), {"a": task}, seed=0)["a"].quoted.accuracy == 0.7


def test_untrained_heads_rarely_beat_the_luckiest_untrained_model(stories):
    """Even without asking whether the model resolves the task, which none of these does."""
    tokenizer = stories.tokenizer
    drawn = (cases(split, 100, 0, ("agreement",)) for split in ("select", "report"))
    task = TaskCases(*(Split([encode_case(case, tokenizer) for case in own]) for own in drawn))
    untrained = measure_untrained(GPT(GPTConfig(tokenizer.vocab_size)), {"agreement": task}, seed=100)
    lucky = 0
    for seed in range(10):
        model = GPT(GPTConfig(tokenizer.vocab_size), seed=seed).eval()
        result = measure_task(model, *task, untrained["agreement"], seed=0)
        bar = result.best_baseline[1].accuracy
        lucky += any(passes(quoted, bar) for quoted in result.quotes.values())
    assert lucky <= 1


@pytest.mark.parametrize("split", ["select", "report"])
def test_every_task_has_pairs_and_templates_enough_to_be_sure(split):
    """With fewer than seven groups no p can fall below .01, whatever a head does."""
    for task in TASKS:
        reported = cases(split, 400, 0, (task,))
        assert len({case.candidates for case in reported}) >= 8, task
        assert len({case.template for case in reported}) >= 7, task
