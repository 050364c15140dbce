"""Attention patterns, induction and alignment, against patterns that were made by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from networks import value_sizes
from tolerance import assert_near
from torch import Tensor

from data import encode_case
from data.cases.case import by_task
from data.stories import cases
from model import GPT, GPTConfig
from probing.alignment import diagonal_errors, error_rates, linked_texts, measure_alignment
from probing.attention_patterns import ATTENTION_PATTERNS, LEAST_SHARE, attention_patterns
from probing.heads import score_heads
from probing.lists import random_lists

N_HEAD = 4


@pytest.fixture
def planted(monkeypatch, stories) -> Callable[[Callable], GPT]:
    """``planted(f)``: a one-layer model whose pattern is f(tokens [B, T]) [B, 4, T, T], whatever its weights say."""

    def plant(make: Callable[[Tensor], Tensor], **settings: object) -> GPT:
        model = GPT(GPTConfig(stories.tokenizer.vocab_size, n_layer=1, n_head=N_HEAD, n_embd=32, **settings)).eval()
        seen = []
        model.embed.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))

        def weights(self, q, k, rows, documents):
            index = rows[:, None, :, None].expand(-1, N_HEAD, -1, k.size(2))
            return make(seen[-1]).gather(2, index)

        monkeypatch.setattr("model.attention.CausalSelfAttention.weights", weights)
        return model

    return plant


def looking_back(tokens: Tensor, distances: tuple[int, ...]) -> Tensor:
    """Heads that put all their weight so many tokens back; on the first token, where there are not so many."""
    n = tokens.size(1)
    pattern = torch.zeros(len(tokens), len(distances), n, n)
    for head, distance in enumerate(distances):
        for row in range(n):
            pattern[:, head, row, max(0, row - distance)] = 1
    return pattern


@pytest.fixture
def texts(stories) -> list[tuple[int, ...]]:
    return [encode_case(case, stories.tokenizer).tokens for case in cases("report", 20, 0, ("agreement", "cue"))]


def test_attention_patterns_of_planted_patterns_are_one_over_eligible_rows(planted, texts):
    """Head 0 looks at the previous token, 1 five back, 2 at the first token."""

    def make(tokens: Tensor) -> Tensor:
        pattern = looking_back(tokens, (1, 5, 1_000, 0))
        same = (tokens[:, :, None] == tokens[:, None, :]).float().tril(-1)
        same[:, :, 0] = 0
        some = same.sum(-1, keepdim=True)
        pattern[:, 3] = torch.where(some > 0, same / some.clamp(min=1), pattern[:, 3])
        return pattern

    found = attention_patterns(planted(make), texts, texts)
    assert found.mass["previous_token"].tolist() == pytest.approx([1, 0, 0, 0], abs=0.05)
    assert found.mass["fixed_offset"][1] == pytest.approx(1)
    assert found.offset[1] == 5
    assert found.mass["first_token"][2] == pytest.approx(1)
    assert found.mass["first_token"][1] < 0.3
    assert found.mass["same_word"][3] == pytest.approx(1)
    assert found.mass["same_word"][2] == 0


def test_rows_in_which_a_head_cannot_see_the_target_do_not_count(planted, texts):
    """Every third token alone is in sight: 0 looks three back, 2 at the first token where it sees it."""

    def make(tokens: Tensor) -> Tensor:
        pattern = looking_back(tokens, (3, 6, 1_000, 0))
        row = torch.arange(tokens.size(1))
        for head in range(3):
            seen = pattern[:, head] * ((row[:, None] - row) % 3 == 0)
            pattern[:, head] = seen + (1 - seen.sum(-1, keepdim=True)) * torch.eye(len(row))
        return pattern

    model = planted(make, attention="S", stride=3)
    found = attention_patterns(model, texts, texts)
    assert found.offset[:2].tolist() == [3, 6]
    assert found.mass["fixed_offset"][:2].tolist() == pytest.approx([1, 1])
    assert found.mass["first_token"][2] == pytest.approx(1)
    assert found.mass["previous_token"].tolist() == [0, 0, 0, 0], "the token before is never in sight"


def test_distances_that_only_longer_texts_have_are_not_chosen(planted, texts):
    """The texts to choose on are shorter: the first token, where head 2 always looks, is no distance."""
    model = planted(lambda tokens: looking_back(tokens, (1, 5, 1_000, 0)))
    found = attention_patterns(model, [text[:8] for text in texts], texts)
    assert found.offset.max() <= 7
    assert found.offset[1] == 5


def test_attention_patterns_do_not_depend_on_batches(planted, texts, monkeypatch):
    model = planted(lambda tokens: looking_back(tokens, (1, 5, 1_000, 0)))
    whole = attention_patterns(model, texts, texts)
    monkeypatch.setattr("probing.attention_patterns.WEIGHTS_PER_BATCH", 1)
    one_by_one = attention_patterns(model, texts, texts)
    n_rows = sum(map(len, texts))
    for name, mass in whole.mass.items():
        assert_near(one_by_one.mass[name], mass, n_rows, scale=1)
    assert_near(one_by_one.sink_norm, whole.sink_norm, n_rows + 32)


def test_the_size_of_the_first_value_is_what_the_weights_say(stories, texts):
    model = GPT(GPTConfig(stories.tokenizer.vocab_size, n_layer=1, n_head=N_HEAD, n_embd=32)).eval()
    with torch.no_grad():
        model.embed.weight[stories.tokenizer.end] = 0
        model.embed.weight[stories.tokenizer.end, 0] = 1
        model.blocks[0].attention.v.weight[:8, 0] = 0  # head 0 puts out nothing for the end token
    every = value_sizes(model)
    first = every[[text[0] for text in texts]].mean(0)
    others = every[[token for text in texts for token in text[1:]]].mean(0)
    sizes = attention_patterns(model, texts, texts).sink_norm
    assert sizes[0] == 0
    assert_near(sizes, (first / others).float(), sum(map(len, texts)) + 32)


def test_heads_that_look_a_fixed_distance_back_are_at_chance_on_induction(planted, stories):
    tokens = sorted({int(token) for token in stories.tokenizer.encode("".join(stories_words(stories)))})
    lists = random_lists(tokens, stories.tokenizer, "report", 200, seed=0)
    for distances in ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12)):
        model = planted(lambda tokens, distances=distances: looking_back(tokens, distances))
        assert (score_heads(model, lists, ("A-1",)).accuracy() == 0.5).all(), distances


def stories_words(stories) -> list[str]:
    return [case.text for case in cases("report", 40, 0)]


def test_random_lists_repeat_one_list_and_share_no_token_between_splits(stories):
    tokens = sorted({int(token) for token in stories.tokenizer.encode("".join(stories_words(stories)))})
    select, report = (random_lists(tokens, stories.tokenizer, split, 100, 0) for split in ("select", "report"))
    assert not {t for case in select for t in case.tokens[1:]} & {t for case in report for t in case.tokens[1:]}
    for case, counterfactual in zip(report[::2], report[1::2], strict=True):
        site, ((gold, _),), ((rival, _),) = case.sites["A-1"], case.gold, case.distractors
        assert case.tokens[gold - 1] == case.tokens[site] != case.tokens[rival - 1]
        assert case.tokens[gold] == case.answer == case.tokens[site + 1] == counterfactual.foil
        assert case.sites == counterfactual.sites
        assert case.gold == counterfactual.distractors
        raw = case.case.text.encode()
        start, end = case.case.spans.gold[0]
        assert stories.tokenizer.encode(raw[start:end].decode()).tolist()[-1] == case.answer
    assert len({case.sites["A-1"] - case.gold[0][0] for case in report}) > 8  # periods and gaps differ
    assert random_lists(tokens[:30], stories.tokenizer, "report", 10, 0) == []


def test_a_planted_aligner_makes_no_error_and_others_do(planted, stories):
    """Head 0 looks at the linked word from the token before the translated one, head 1 from the word itself."""
    drawn = {split: cases(split, 60, 0, ("translation",)) for split in ("select", "report")}
    texts = {split: linked_texts(own, stories.tokenizer, 128) for split, own in drawn.items()}
    by_tokens = {text.tokens: text for own in texts.values() for text in own}

    def make(tokens: Tensor) -> Tensor:
        pattern = looking_back(tokens, (0, 0, 1, 3))
        for b, row in enumerate(tokens.tolist()):
            text = next(text for n in range(len(row), 0, -1) if (text := by_tokens.get(tuple(row[:n]))))
            for (start, end), (first, _) in text.links:
                for head, query in ((0, start - 1), (1, end - 1)):
                    pattern[b, head, query] = 0
                    pattern[b, head, query, first] = 1
        return pattern

    model = planted(make)
    found = measure_alignment(model, texts["select"], texts["report"])
    assert found.errors["0.0"] == found.errors["0.1"] == 0
    assert (found.sites["0.0"], found.sites["0.1"]) == ("A-1", "A")
    assert found.errors["0.2"] > 0.5
    assert found.errors["0.3"] > 0.3
    assert 0.2 < found.diagonal < 0.9
    rates = error_rates(model, texts["report"])
    assert rates.shape == (2, N_HEAD)
    np.testing.assert_array_equal(rates[[0, 1], [0, 1]], 0)


def test_the_diagonal_errs_where_the_order_changes(stories):
    text = linked_texts(cases("report", 2, 0, ("translation",)), stories.tokenizer, 128)[0]
    swapped = text.__class__(text.tokens, text.source, (((9, 10), (2, 3)), ((10, 11), (1, 2))))
    straight = text.__class__(text.tokens, text.source, (((9, 10), (1, 2)), ((10, 11), (2, 3))))
    assert diagonal_errors(swapped) == [True, True]
    assert diagonal_errors(straight) == [False, False]


def test_texts_too_long_for_the_block_are_left_out(stories):
    drawn = cases("report", 20, 0, ("translation", "cue"))
    assert len(by_task([encode_case(case, stories.tokenizer) for case in drawn])) == 2
    assert linked_texts(drawn, stories.tokenizer, 8) == []
    assert len(linked_texts(drawn, stories.tokenizer, 128)) == 20


@pytest.mark.parametrize("sight", [{"attention": "W", "window": 2}, {"attention": "S", "stride": 16}])
def test_an_untrained_head_that_sees_two_tokens_has_no_attention_pattern(sight, texts, stories):
    model = GPT(GPTConfig(stories.tokenizer.vocab_size, n_layer=1, n_head=N_HEAD, n_embd=32, **sight)).eval()
    found = attention_patterns(model, texts, texts)
    mass = found.mass["previous_token" if "window" in sight else "fixed_offset"]
    assert (mass > LEAST_SHARE).any(), "it half looks there, having little else to look at"
    assert not any(found.has(pattern, k) for pattern in ATTENTION_PATTERNS for k in range(N_HEAD))


def test_a_planted_attention_pattern_is_one(planted, texts):
    found = attention_patterns(planted(lambda tokens: looking_back(tokens, (1, 5, 1_000, 0))), texts, texts)
    assert [found.has("previous_token", k) for k in range(N_HEAD)] == [True, False, False, False]
