"""Scores of heads, against a model whose pattern is known, and against the explicit definition."""

import numpy as np
import pytest
import torch

from data import encode_case
from data.stories import cases
from model import GPT, GPTConfig, Watch
from model.watch import PatternRecorder
from probing import families
from probing.families import impossible_probe, measure_family
from probing.heads import HeadScores, score_heads
from probing.interventions import SwapWatch, swap
from probing.predictions import sites_of
from probing.roles import HABITS, habits


@pytest.fixture(scope="module")
def model(stories) -> GPT:
    """Random weights, large enough that patterns are far from uniform."""
    model = GPT(GPTConfig(stories.tokenizer.vocab_size, block_size=64, n_layer=2, n_head=4, n_embd=32)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 3 if ".q." in name or ".k." in name else 0.3
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model


@pytest.fixture(scope="module")
def encoded(stories) -> dict[str, list]:
    drawn = [encode_case(case, stories.tokenizer) for case in cases("report", 40, 0)]
    return {name: [case for case in drawn if case.case.family == name] for name in ("agreement", "cue", "recall")}


def test_masses_are_sums_of_the_pattern(model, encoded, monkeypatch):
    monkeypatch.setattr("probing.heads.BATCH", 16)
    scores = score_heads(model, encoded["cue"], sites_of(encoded["cue"]))
    assert scores.sites == ("P-1", "P", "C", "A-1", "A")
    for i, case in list(enumerate(encoded["cue"]))[::7]:
        recorder = PatternRecorder()
        model(torch.tensor([case.tokens]), watch=recorder)
        for s, site in enumerate(scores.sites):
            for k, name in enumerate(scores.names):
                layer, head = map(int, name.split("."))
                row = recorder.patterns[layer][0, head, case.sites[site]]
                (gold,), (rival,) = case.gold, case.distractors
                assert scores.gold[i, s, k] == pytest.approx(row[slice(*gold)].sum().item(), abs=1e-5)
                assert scores.rival[i, s, k] == pytest.approx(row[slice(*rival)].sum().item(), abs=1e-5)
            assert scores.uniform[i, s] == pytest.approx(1 / (case.sites[site] + 1))


def test_uniform_attention_has_engagement_one(encoded, stories):
    model = GPT(GPTConfig(stories.tokenizer.vocab_size, n_layer=1, n_embd=32)).eval()
    torch.nn.init.zeros_(model.blocks[0].attention.q.weight)
    scores = score_heads(model, encoded["recall"], ("C", "A-1"))
    np.testing.assert_allclose(scores.engagement(), 1, rtol=1e-5)
    np.testing.assert_array_equal(scores.accuracy(), 0.5)


def test_the_impossible_probe_is_exactly_one_half_for_any_model(model, encoded):
    result = measure_family(model, encoded["cue"], encoded["cue"], seed=0)
    assert (result.heads.accuracy()[result.heads.sites.index("P")] == 0.5).all()
    assert impossible_probe([result]) == 0.5


def test_families_whose_twins_differ_earlier_are_not_asked_the_impossible(model, encoded):
    assert impossible_probe([measure_family(model, encoded["agreement"], encoded["agreement"], seed=0)]) is None


def test_a_swap_exchanges_two_masses_and_leaves_the_rest():
    pattern = torch.tensor([0.1, 0.4, 0.2, 0.05, 0.25]).expand(1, 2, 1, 5)
    marks = torch.tensor([[[0, 1.0, 1, 0, 0], [0, 0, 0, 1, 0]]])
    swapped = SwapWatch(torch.zeros(1, 1), marks, layer=0, head=1).pattern(0, pattern)
    torch.testing.assert_close(swapped[0, 1, 0], torch.tensor([0.1, 0.05 * 2 / 3, 0.05 / 3, 0.6, 0.25]))
    torch.testing.assert_close(swapped[0, 0, 0], pattern[0, 0, 0])
    torch.testing.assert_close(swapped.sum(-1), torch.ones(1, 2, 1))


def test_a_swap_takes_the_distractor_with_the_most_mass_and_spreads_over_an_unseen_span():
    pattern = torch.tensor([0.0, 0.0, 0.3, 0.7]).expand(1, 1, 1, 4)
    marks = torch.tensor([[[1.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]])
    swapped = SwapWatch(torch.zeros(1, 1), marks, layer=0, head=0).pattern(0, pattern)
    torch.testing.assert_close(swapped[0, 0, 0], torch.tensor([0.35, 0.35, 0.3, 0.0]))


def test_swapping_is_the_same_edit_by_hand(model, encoded):
    """One case, one head, one row: the two masses exchanged in the recorded pattern, and nothing else."""

    class Exchange(Watch):
        def pattern(self, layer, pattern):
            if layer == 0:
                pattern = pattern.clone()
                row = pattern[0, 2, case.sites["C"]]
                (gold, _), (rival, _) = case.gold[0], case.distractors[0]
                row[[gold, rival]] = row[[rival, gold]]
            return pattern

    for case in encoded["cue"][:6]:
        logits = model(torch.tensor([case.tokens]), watch=Exchange())[0, case.sites["A-1"]].log_softmax(-1)
        expected = logits[case.answer] - logits[case.foil]
        torch.testing.assert_close(swap(model, [case], "C", "0.2").log_odds[0], expected, rtol=0, atol=1e-4)


def test_habits_of_planted_patterns_are_one(monkeypatch, stories, encoded):
    """Head 0 always looks at the previous token, head 1 at the first; nothing else gets any attention."""

    def planted(self, q, k, rows):
        pattern = torch.zeros(q.size(0), 2, rows.size(1), k.size(2))
        index = torch.arange(rows.size(1))
        pattern[:, 0, index[1:], index[:-1]] = 1
        pattern[:, :, 0, 0] = 1
        pattern[:, 1, :, 0] = 1
        return pattern

    monkeypatch.setattr("model.attention.FullAttention.pattern", planted)
    model = GPT(GPTConfig(stories.tokenizer.vocab_size, n_layer=1, n_head=2, n_embd=32)).eval()
    measured = dict(zip(HABITS, habits(model, [case.tokens for case in encoded["agreement"]]).tolist(), strict=True))
    assert measured["previous_token"] == pytest.approx([1, 0])
    assert measured["first_token"] == pytest.approx([0, 1])
    assert measured["same_word"][1] == 0


def planted_scores(accuracies: dict[str, float], n: int, mass: float = 0.5) -> HeadScores:
    """Two heads at sites P and A whose choices are right this often, in a fixed order of cases."""
    sites, names = ("P", "A"), ("0.0", "0.1")
    gold = np.full((n, 2, 2), mass)
    rival = np.full((n, 2, 2), mass * 1.5)
    for (site, name), share in accuracies.items():
        rival[: round(share * n), sites.index(site), names.index(name)] = mass / 2
    return HeadScores(names, sites, gold, rival, np.full((n, 2), 0.1))


def test_the_head_is_chosen_on_select_never_at_the_answer_and_not_below_engagement_one():
    accuracies = {("P", "0.0"): 0.8, ("P", "0.1"): 0.9, ("A", "0.0"): 1.0, ("A", "0.1"): 0.2}
    assert families.best_place(planted_scores(accuracies, 10)) == (0, 1)
    faint = planted_scores(accuracies, 10)
    faint.gold[:, 0, 1] = 0.01
    faint.rival[:, 0, 1] = 0.0
    assert families.best_place(faint) == (0, 0)
