"""Where heads look, against patterns made by hand; examples come from where they say."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from networks import loud_model, value_sizes
from tolerance import tolerance
from torch import Tensor

from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig
from probing.in_text import cut_windows
from probing.in_text.examples import BETWEEN, in_context, text_pieces
from probing.in_text.kinds import RELATIONS, relation_codes, token_kinds
from probing.in_text.looks import NEAR, Looks, Strongest, measure_looks
from probing.patterns import PatternRecorder

N_HEAD, LENGTH = 4, 64
TOKENIZER = byte_tokenizer()
TEXT = "Ann saw Bo. Bo said: no, Ann, I never saw you!\nWell, said Ann, so be it, and went.\n" * 12
NAMES = [*RELATIONS]


@pytest.fixture(scope="module")
def windows():
    return cut_windows(TOKENIZER.encode(TEXT), TOKENIZER, LENGTH)


def small_model(**shape) -> GPT:
    return GPT(
        GPTConfig(TOKENIZER.vocab_size, block_size=LENGTH, n_head=N_HEAD, n_embd=32, **{"n_layer": 1} | shape)
    ).eval()


def looks_of(model: GPT, windows) -> Looks:
    return measure_looks(model, windows, token_kinds(windows.tokens, TOKENIZER, None), NAMES, lambda done: None)


@pytest.fixture
def planted(monkeypatch) -> Callable[[Callable], GPT]:
    """``planted(f)``: a one-layer model whose pattern is f(tokens [B, T]) [B, 4, T, T], whatever its weights say."""

    def plant(make: Callable[[Tensor], Tensor]) -> GPT:
        model, seen = small_model(), []
        model.embed.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        monkeypatch.setattr("model.attention.CausalSelfAttention.weights", lambda *_: make(seen[-1]))
        return model

    return plant


def looking_back(tokens: Tensor) -> Tensor:
    """Head 0 looks at itself, 1 one back, 2 half at the first token and half at itself, 3 ten back; on the first token
    where there is nothing else.
    """
    n = tokens.size(1)
    pattern = torch.zeros(len(tokens), N_HEAD, n, n)
    for row in range(n):
        pattern[:, 0, row, row] = 1
        pattern[:, 1, row, max(0, row - 1)] = 1
        pattern[:, 2, row, 0] += 0.5
        pattern[:, 2, row, row] += 0.5
        pattern[:, 3, row, max(0, row - 10)] = 1
    return pattern


def test_shares_of_planted_patterns_are_exact(planted, windows):
    found = looks_of(planted(looking_back), windows)
    share = dict(zip(NAMES, found.share.T, strict=True))
    rows = LENGTH - 1  # but the first
    assert share["itself"].tolist() == pytest.approx([1, 0, 0.5, 0])
    assert share["first_token"].tolist() == pytest.approx([0, 1 / rows, 0.5, 10 / rows])
    assert share["token_before"].tolist() == pytest.approx([0, 1 - 1 / rows, 0, 0])
    assert found.where_possible[1, NAMES.index("token_before")] == pytest.approx(1)
    assert found.effective.tolist() == pytest.approx([1, 1, 2, 1], abs=1e-6)
    assert found.distance[0] == 0
    assert found.distance[1] == 1
    assert found.distance[2] == pytest.approx(LENGTH / 4)  # half of the mean of 1 .. T - 1


def test_a_key_of_every_other_relation_is_counted_where_it_stands(planted, windows):
    """Head 3 looks ten back: its shares are how often the token there is what."""
    found = looks_of(planted(looking_back), windows)
    kinds = token_kinds(windows.tokens, TOKENIZER, None)
    codes = relation_codes(torch.from_numpy(windows.tokens[:, :-1]), torch.from_numpy(kinds.key))
    ten_back = torch.stack([codes[:, row, max(0, row - 10)] for row in range(1, LENGTH)])
    expected = np.bincount(ten_back.flatten(), minlength=len(NAMES)) / ten_back.numel()
    np.testing.assert_allclose(found.share[3], expected, atol=1e-6)
    assert (expected > 0).sum() > 4


def test_a_head_that_finds_the_same_token_wherever_there_is_one_gets_all_where_possible(planted, windows):
    key, relation = torch.from_numpy(token_kinds(windows.tokens, TOKENIZER, None).key), NAMES.index("same_token")
    earlier = (relation_codes(torch.from_numpy(windows.tokens[:, :-1]), key) == relation).float().tril()  # [N, T, T]
    there = earlier.any(-1)

    def make(tokens: Tensor) -> Tensor:
        same = (relation_codes(tokens, torch.full_like(tokens, len(NAMES) - 1)) == relation).float().tril()
        pattern = torch.where(same.any(-1, keepdim=True), same, torch.eye(LENGTH))
        return (pattern / pattern.sum(-1, keepdim=True))[:, None].expand(-1, N_HEAD, -1, -1)

    found = looks_of(planted(make), windows)
    assert found.where_possible[0, relation] == pytest.approx(1)
    assert found.share[0, relation] == pytest.approx(float(there[:, 1:].float().mean()))
    assert 0.1 < found.share[0, relation] < 0.9


@pytest.mark.parametrize("attention", ["F", "FWSL"])
def test_shares_sum_to_one_and_those_of_uniform_attention_do(attention, windows):
    model = loud_model(small_model(attention=attention, n_layer=4, window=8, stride=4).config)
    found = looks_of(model, windows)
    assert found.share.shape == (4 * N_HEAD, len(NAMES))
    np.testing.assert_allclose(found.share.sum(1), 1, atol=tolerance(n_terms=LENGTH))
    np.testing.assert_allclose(found.uniform.sum(1), 1, atol=tolerance(n_terms=LENGTH))


@pytest.mark.parametrize("attention", ["F", "W", "S"])
def test_a_head_that_is_uniform_looks_as_uniform_attention_does(attention, windows):
    model = small_model(attention=attention, window=8, stride=4)
    with torch.no_grad():
        model.blocks[0].attention.q.weight.zero_()
    found = looks_of(model, windows)
    limit = tolerance(n_terms=LENGTH)
    np.testing.assert_allclose(found.share, found.uniform, atol=limit)
    np.testing.assert_allclose(found.where_possible, found.uniform_where_possible, atol=limit)
    np.testing.assert_allclose(found.distance, found.uniform_distance, rtol=limit)
    np.testing.assert_allclose(found.effective, found.uniform_effective, rtol=limit)


@pytest.mark.parametrize(("attention", "fewest"), [("F", 17), ("W", 3), ("S", 2)])
def test_no_query_that_sees_little_is_an_example(attention, fewest, windows):
    """With strides of 32, three of four queries see nothing but themselves: a weight of 1 there shows nothing."""
    found = looks_of(small_model(attention=attention, window=8, stride=32), windows)
    sees = {"F": lambda i: i + 1, "W": lambda i: min(i + 1, 8), "S": lambda i: i // 32 + 1}[attention]
    for strongest in found.strongest:
        assert strongest
        assert min(sees(example.query) for example in strongest) >= fewest


def test_queries_that_see_themselves_alone_leave_no_examples(windows):
    assert looks_of(small_model(attention="S", stride=LENGTH), windows).strongest == ((),) * N_HEAD


def test_batches_change_nothing(windows, monkeypatch):
    model = loud_model(small_model(n_layer=2).config)
    whole = looks_of(model, windows)
    monkeypatch.setattr("probing.in_text.looks.WEIGHTS_PER_BATCH", 1)
    parts = looks_of(model, windows)
    np.testing.assert_allclose(parts.share, whole.share, atol=tolerance(n_terms=LENGTH))
    np.testing.assert_allclose(parts.first_value, whole.first_value, rtol=tolerance(n_terms=LENGTH))


def test_the_size_of_the_first_value_is_what_the_weights_say(windows):
    tokens = windows.tokens.copy()
    tokens[:, 0] = TOKENIZER.end
    model = small_model()
    with torch.no_grad():
        model.embed.weight[TOKENIZER.end] = 0
        model.embed.weight[TOKENIZER.end, 0] = 1
        model.blocks[0].attention.v.weight[:8, 0] = 0  # head 0 puts out nothing for the end token
    every, read = value_sizes(model), torch.from_numpy(tokens[:, :-1])
    expected = every[read[:, 0]].mean(0) / every[read[:, 1:]].mean((0, 1))
    sizes = looks_of(model, type(windows)(tokens, windows.starts, windows.documents)).first_value
    assert sizes[0] == 0
    np.testing.assert_allclose(sizes, expected, rtol=tolerance(n_terms=tokens.size))


def test_examples_are_the_largest_weights_and_come_from_where_they_say(windows):
    model = loud_model(small_model(n_layer=2).config)
    recorder = PatternRecorder()
    with torch.no_grad():
        model(torch.from_numpy(windows.tokens[:, :-1]), hooks=recorder)
    strongest = looks_of(model, windows).strongest
    for k, own in enumerate(strongest):
        pattern = recorder.patterns[k // N_HEAD][:, k % N_HEAD]
        assert len(own) == 12
        assert [one.weight for one in own] == sorted((one.weight for one in own), reverse=True)
        for i, one in enumerate(own):
            assert one.weight == pytest.approx(float(pattern[one.window, one.query, one.key]), abs=tolerance())
            assert one.key > 0
            assert all(one.window != other.window or abs(one.query - other.query) > NEAR for other in own[:i])
        assert own[0].weight == pytest.approx(float(pattern[:, 16:, 1:].max()), abs=tolerance())


@pytest.mark.parametrize("key", [1, 20, 39, 40])
def test_an_example_is_the_text_around_it(key, windows):
    example = in_context(Strongest(0.5, 1, 40, key), windows, TOKENIZER)
    text = TOKENIZER.decode(windows.tokens[1].tolist())
    assert example.pieces[example.query] == text[40]
    assert example.pieces[example.key] == text[key]
    assert example.pieces[example.next] == text[41]
    assert example.position == windows.starts[1] + 40
    assert example.gap is None
    assert "".join(example.pieces) in text


def test_what_lies_between_a_far_key_and_its_query_is_left_out(monkeypatch, windows):
    monkeypatch.setattr("probing.in_text.examples.BETWEEN", 20)
    example = in_context(Strongest(0.5, 0, 60, 5), windows, TOKENIZER)
    text = TOKENIZER.decode(windows.tokens[0].tolist())
    assert "".join(example.pieces[: example.gap]) in text
    assert "".join(example.pieces[example.gap + 1 :]) in text
    assert example.key < example.gap < example.query
    assert (example.pieces[example.key], example.pieces[example.query]) == (text[5], text[60])
    assert BETWEEN > 20


def test_a_character_of_several_tokens_is_one_piece():
    pieces, piece_of = text_pieces([*TOKENIZER.encode("a日b").tolist(), TOKENIZER.end, 0xFF], TOKENIZER)
    assert pieces == ["a", "日", "b", "", "\ufffd"]
    assert piece_of == [0, 1, 1, 1, 2, 3, 4]


def test_the_query_and_the_next_token_may_share_a_piece(windows):
    tokens = windows.tokens.copy()
    tokens[0, 40:43] = TOKENIZER.encode("日")
    example = in_context(Strongest(0.5, 0, 40, 20), type(windows)(tokens, windows.starts, windows.documents), TOKENIZER)
    assert example.query == example.next
    assert example.pieces[example.query] == "日"
