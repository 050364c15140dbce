"""Scores of heads, against a model whose pattern is known, and against the explicit definition."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from clusters import scores_of
from networks import loud_model
from tolerance import additions, tolerance

from data import encode_case
from data.cases.case import Case, Spans
from data.stories import cases
from model import GPT, GPTConfig
from probing import quotes
from probing.heads import HeadScores, score_heads
from probing.negative_control import negative_control
from probing.patterns import PatternRecorder
from probing.predictions import sites_of
from probing.splits import Split, TaskCases
from probing.stability import best_predictor
from probing.tasks import measure_task
from probing.untrained import measure_untrained


@pytest.fixture(scope="module")
def model(stories) -> GPT:
    """Random weights, large enough that patterns are far from uniform."""
    shape = {"block_size": 64, "n_layer": 2, "n_head": 4, "n_embd": 32}
    return loud_model(GPTConfig(stories.tokenizer.vocab_size, **shape), queries=3)


@pytest.fixture(scope="module")
def encoded(stories) -> dict[str, list]:
    drawn = [encode_case(case, stories.tokenizer) for case in cases("report", 40, 0)]
    return {name: [case for case in drawn if case.case.task == name] for name in ("agreement", "cue", "recall")}


def near(model: GPT, mass: float) -> object:
    """A sum of weights of a row, which has 1 in all, but for rounding."""
    return pytest.approx(mass, abs=tolerance(n_terms=additions(model.config, 64)))


def test_masses_are_sums_of_the_pattern(model, encoded, monkeypatch):
    monkeypatch.setattr("probing.heads.BATCH", 16)
    scores = score_heads(model, encoded["cue"], sites_of(encoded["cue"]))
    assert scores.sites == ("P-1", "P", "C", "A-1", "A")
    for i, case in list(enumerate(encoded["cue"]))[::7]:
        recorder = PatternRecorder()
        model(torch.tensor([case.tokens]), hooks=recorder)
        for s, site in enumerate(scores.sites):
            for k, name in enumerate(scores.names):
                layer, head = map(int, name.split("."))
                row = recorder.patterns[layer][0, head, case.sites[site]]
                (gold,), (rival,) = case.gold, case.distractors
                assert scores.gold[i, s, k] == near(model, row[slice(*gold)].sum().item())
                assert scores.rival[i, s, k] == near(model, row[slice(*rival)].sum().item())
            np.testing.assert_allclose(scores.uniform[i, s], 1 / (case.sites[site] + 1), rtol=1e-5)


def test_uniform_attention_has_lift_one(encoded, stories):
    model = GPT(GPTConfig(stories.tokenizer.vocab_size, n_layer=1, n_embd=32)).eval()
    torch.nn.init.zeros_(model.blocks[0].attention.q.weight)
    scores = score_heads(model, encoded["recall"], ("C", "A-1"))
    np.testing.assert_allclose(scores.lift(), 1, rtol=1e-5)
    np.testing.assert_array_equal(scores.accuracy(), 0.5)


def test_lift_is_over_what_a_head_has_in_sight(encoded, stories):
    shape = {"attention": "WF", "window": 9, "n_layer": 2, "n_embd": 32}
    model = GPT(GPTConfig(stories.tokenizer.vocab_size, **shape)).eval()
    for block in model.blocks:
        torch.nn.init.zeros_(block.attention.q.weight)
    scores = score_heads(model, encoded["recall"], ("A-1",))
    for i, case in enumerate(encoded["recall"]):
        seen = [token for token in range(*case.gold[0]) if token > case.sites["A-1"] - 9]
        np.testing.assert_allclose(scores.uniform[i, 0, :4], len(seen) / 9, rtol=1e-5)
        np.testing.assert_allclose(
            scores.uniform[i, 0, 4:], len(range(*case.gold[0])) / (case.sites["A-1"] + 1), rtol=1e-5
        )
    assert 0 < scores.uniform[:, 0, 0].mean() < 1 / 9, "some are in sight"
    np.testing.assert_allclose(scores.lift(), 1, rtol=1e-5)


def control_of(model, encoded, task) -> float | None:
    split = Split(encoded[task])
    untrained = measure_untrained(model, {task: TaskCases(split, split)}, seed=0)[task]
    return negative_control([measure_task(model, split, split, untrained, seed=0)])


def test_the_negative_control_is_exactly_one_half_for_any_model(model, encoded):
    scores = score_heads(model, encoded["cue"], ("P",))
    assert scores.gold.std() > 0.01
    assert (scores.accuracy() == 0.5).all()
    assert control_of(model, encoded, "cue") == 0.5


def test_the_negative_control_is_the_accuracy_farthest_from_one_half(encoded):
    right = np.zeros((len(encoded["cue"]), 1, 2), dtype=bool)
    right[::2, 0, 0] = True  # the other head never is
    result = SimpleNamespace(cases=encoded["cue"], heads=scores_of(right, ("P",)))
    assert negative_control([result]) == 0


def test_a_task_in_which_some_case_has_no_pronoun_has_no_negative_control(model, encoded):
    *others, one, other = encoded["cue"]
    without = [
        replace(case, sites={name: at for name, at in case.sites.items() if name != "P"}) for case in (one, other)
    ]
    assert control_of(model, {"cue": [*others, *without]}, "cue") is None


def test_tasks_whose_counterfactuals_differ_earlier_are_not_asked_the_control_of(model, encoded):
    assert control_of(model, encoded, "agreement") is None


def test_the_chain_is_scored_apart_from_the_name(model, stories):
    chains = [encode_case(case, stories.tokenizer) for case in cases("report", 8, 0, ("chains",))]
    scores = score_heads(model, chains, ("P", "A-1"))
    for i, case in enumerate(chains):
        recorder = PatternRecorder()
        model(torch.tensor([case.tokens]), hooks=recorder)
        row = recorder.patterns[1][0, 2, case.sites["P"]]
        ((start, end),) = case.chain
        assert stories.tokenizer.decode(case.tokens[start:end]).strip() in ("He", "She")
        assert scores.chain[i, 0, 6] == near(model, row[start:end].sum().item())
        np.testing.assert_allclose(scores.chain_uniform[i, 0], (end - start) / (case.sites["P"] + 1), rtol=1e-5)
        assert start not in range(*case.gold[0])


def test_shuffled_labels_flip_whole_pairs_of_words_and_make_a_perfect_head_guess(encoded):
    split = Split(encoded["cue"])
    n = len(split.cases)
    perfect = HeadScores(
        ("0.0",),
        ("P",),
        np.ones((n, 1, 1)),
        np.zeros((n, 1, 1)),
        np.ones((n, 1, 1)),
        np.zeros((n, 1, 1)),
        np.zeros((n, 1, 1)),
    )
    choices = np.array([quotes.shuffled(perfect, split, (seed,)).choice()[:, 0, 0] for seed in range(200)])
    assert choices.mean() == pytest.approx(0.5, abs=0.05)
    for group in set(split.groups):
        same = choices[:, split.groups == group]
        assert (same == same[:, :1]).all()
    # One head to choose beside a head that guesses: what *select* favours by luck must not help on *report*.
    none, one = np.zeros((n, 1, 1)), np.ones((n, 1, 1))
    two = replace(perfect, names=("0.0", "0.1"), gold=np.dstack([one, one]), rival=np.dstack([none, one]))
    quoted = [quotes.quote_shuffled(two, two, split, split, seed).accuracy for seed in range(20)]
    assert np.mean(quoted) == pytest.approx(0.5, abs=0.01)


def test_mentions_of_a_candidate_add_up_for_gold_and_for_rivals_alike(model, stories):
    """One candidate is named twice: uniform attention takes it in both, and is right in one half."""
    text = "The dog saw a road, and the dog liked it. So we saw the {}."
    dogs, road = ((4, 7), (28, 31)), ((14, 18),)
    cases = [
        encode_case(
            Case(
                id=answer,
                text=text.format(answer),
                task="twice",
                template="one",
                split="report",
                spans=Spans(gold=gold, distractors=rival, answer=(56, 56 + len(answer))),
                foil=foil,
                counterfactual=foil,
            ),
            stories.tokenizer,
        )
        for answer, foil, gold, rival in (("dog", "road", dogs, road), ("road", "dog", road, dogs))
    ]
    assert [len(case.rivals) for case in cases] == [1, 1]
    even = GPT(GPTConfig(stories.tokenizer.vocab_size, n_layer=1, n_embd=32)).eval()
    torch.nn.init.zeros_(even.blocks[0].attention.q.weight)
    scores = score_heads(even, cases, ("A-1",))
    assert (scores.choice()[:, 0] == [[1], [0]]).all()


def test_the_rival_is_the_one_other_candidate_with_the_most_attention(model, stories):
    """Of three candidates, one of which is named twice."""
    text = "The dog saw a road, and the cat liked the road. So we saw the dog."
    dogs, roads, cats = ([found.span() for found in re.finditer(word, text)] for word in ("dog", "road", "cat"))
    spans = Spans(gold=(dogs[0],), distractors=(*roads, *cats), answer=dogs[1])
    case = encode_case(Case("one", text, "toy", "one", "report", spans, foil="cat"), stories.tokenizer)
    scores = score_heads(model, [case], ("A-1",))
    recorder = PatternRecorder()
    model(torch.tensor([case.tokens]), hooks=recorder)
    for k, name in enumerate(scores.names):
        layer, head = map(int, name.split("."))
        row = recorder.patterns[layer][0, head, case.sites["A-1"]]
        first, second, cat = (row[slice(*span)].sum().item() for span in case.distractors)
        assert scores.rival[0, 0, k] == near(model, max(first + second, cat))


def test_counterfactuals_are_in_one_group_whatever_their_words(encoded):
    one, other = encoded["cue"][:2]
    renamed = replace(other, case=replace(other.case, text=other.case.text.upper()))
    split = Split([one, renamed, *encoded["cue"][2:6]])
    assert split.groups[0] == split.groups[1]
    assert len(set(split.groups)) > 1


def planted_scores(accuracies: dict[str, float], n: int, mass: float = 0.5) -> HeadScores:
    """Two heads at sites P and A whose choices are right this often, in a fixed order of cases."""
    sites, names = ("P", "A"), ("0.0", "0.1")
    gold = np.full((n, 2, 2), mass)
    rival = np.full((n, 2, 2), mass * 1.5)
    for (site, name), share in accuracies.items():
        rival[: round(share * n), sites.index(site), names.index(name)] = mass / 2
    return HeadScores(names, sites, gold, rival, np.full((n, 2, 2), 0.1), np.zeros((n, 2, 2)), np.zeros((n, 2, 2)))


def test_the_head_is_chosen_on_select_never_at_the_answer_and_not_below_lift_one():
    accuracies = {("P", "0.0"): 0.8, ("P", "0.1"): 0.9, ("A", "0.0"): 1.0, ("A", "0.1"): 0.2}
    assert best_predictor(planted_scores(accuracies, 10)) == (0, 1)
    faint = planted_scores(accuracies, 10)
    faint.gold[:, 0, 1] = 0.01
    faint.rival[:, 0, 1] = 0.0
    assert best_predictor(faint) == (0, 0)
