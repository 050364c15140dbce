"""Generation: the cache changes nothing but the time, and the filters exclude what they say."""

import math
from importlib import import_module

import pytest
import torch
from conftest import ATTENTION_ALONE
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from uncached import generate_uncached

from model import GPT, GPTConfig, Sampling, generate
from model.cache import context_start
from model.sampling import choose, filter_logits
from model.speculation import RepeatingText

GREEDY = Sampling(temperature=0)
SAMPLED = Sampling(temperature=0.9, top_k=30, top_p=0.95, min_p=0.01)


SPARSE = {"window": 5, "stride": 3}
SHAPES = {
    "plain": {},
    "one key": {"n_kv_head": 1},
    "gpt2": {"position": "learned", "norm": "layernorm"},
    "attention alone": ATTENTION_ALONE,
    "W": {"attention": "W", **SPARSE},
    "S": {"attention": "S", **SPARSE, "n_kv_head": 2},
    "L": {"attention": "L"},
    "R": {"attention": "R"},
    "mix": {"attention": "FWSLR", "n_layer": 5, **SPARSE, "position": "learned"},
}


@pytest.fixture(scope="module", params=SHAPES.values(), ids=SHAPES.keys())
def model(request: pytest.FixtureRequest) -> GPT:
    """In double precision: among thousands of tokens two may be so near that float32's rounding chooses."""
    torch.manual_seed(0)
    config = GPTConfig(60, **{"block_size": 16, "n_layer": 2, "n_head": 4, "n_embd": 32, **request.param})
    model = GPT(config).eval().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("length", [1, 16, 45])
def test_cached_and_uncached_give_the_same_tokens(model, sampling, length):
    prompt = torch.randint(60, (length,), generator=torch.Generator().manual_seed(length))
    cached = torch.stack(list(generate(model, prompt, 3, 40, sampling, seed=4)))
    uncached = torch.stack(list(generate_uncached(model, [prompt], 3, 40, sampling, seed=4)))
    assert torch.equal(cached, uncached)


UNEQUAL = [torch.randint(60, (length,), generator=torch.Generator().manual_seed(9)) for length in (3, 1, 40, 16, 3, 17)]


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_prompts_of_unequal_length_give_the_same_tokens_with_and_without_a_cache(model, sampling):
    cached, uncached = (
        torch.stack(list(write(model, UNEQUAL, 2, 40, sampling, seed=4))) for write in (generate, generate_uncached)
    )
    assert cached.shape == (40, 12)
    assert torch.equal(cached, uncached)


def test_a_prompt_among_others_goes_on_as_it_does_alone(model):
    together = torch.stack(list(generate(model, UNEQUAL, 1, 40, GREEDY, seed=0)))
    for i, prompt in enumerate(UNEQUAL):
        alone = torch.stack(list(generate(model, prompt, 1, 40, GREEDY, seed=0)))
        assert torch.equal(together[:, i], alone[:, 0])


def test_a_prompt_is_read_at_once_and_once_for_all_its_samples(model, monkeypatch):
    read, step = [], GPT.step

    def counted(self, tokens, context):
        read.append(tuple(tokens.shape))
        return step(self, tokens, context)

    monkeypatch.setattr(GPT, "step", counted)
    list(generate(model, torch.arange(12), 3, 3, GREEDY, seed=0))
    assert read == [(1, 12), (3, 1), (3, 1)]


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_contexts_that_move_on_are_read_in_parts_and_the_tokens_are_the_same(model, sampling, monkeypatch):
    read, step = [], GPT.step

    def counted(self, tokens, context):
        read.append(tokens.shape)
        return step(self, tokens, context)

    whole = torch.stack(list(generate(model, UNEQUAL, 3, 40, sampling, seed=4)))
    monkeypatch.setattr(import_module("model.generate"), "TOKENS_PER_PASS", 50)
    monkeypatch.setattr(GPT, "step", counted)
    parts = torch.stack(list(generate(model, UNEQUAL, 3, 40, sampling, seed=4)))
    assert torch.equal(whole, parts)
    assert max(shape.numel() for shape in read if shape[1] > 1) <= 50


class Written(TorchDispatchMode):
    """Counts the numbers that operations put out."""

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        self.n += sum(each.numel() for each in tree_leaves(out) if isinstance(each, torch.Tensor))
        return out


@pytest.mark.parametrize("model", [SHAPES["W"]], indirect=True)
def test_a_token_of_a_long_text_takes_no_more_work_than_one_of_a_short_text(model):
    work = []
    tokens = generate(model, torch.arange(3), 4, 160, GREEDY, seed=0)
    for _ in range(160):
        with Written() as written:
            next(tokens)
        work.append(written.n)
    assert max(work[32:48]) == max(work[144:])  # each holds two moves of the context


def repeating(n: int) -> torch.Tensor:
    """A text of n tokens among 8 that repeats itself now and then, so that there is something to propose."""
    return torch.randint(8, (n,), generator=torch.Generator().manual_seed(n))


FULL = pytest.mark.parametrize("model", [SHAPES[name] for name in ("plain", "one key", "gpt2")], indirect=True)


@FULL
@pytest.mark.parametrize("sampling", [GREEDY, Sampling(temperature=0.2)], ids=["greedy", "sampled"])
@pytest.mark.parametrize("length", [1, 7, 16, 45])
def test_what_the_text_repeats_is_read_in_one_pass_and_the_tokens_are_the_same(model, sampling, length, monkeypatch):
    forward, read = GPT.forward, []

    def counted(self, tokens, *arguments, **keywords):
        read.append(tokens.size(1))
        return forward(self, tokens, *arguments, **keywords)

    plain = torch.cat(list(generate(model, repeating(length), 1, 60, sampling, seed=4)))
    monkeypatch.setattr(GPT, "forward", counted)
    proposed = torch.cat(list(generate(model, repeating(length), 1, 60, sampling, seed=4, speculate=6)))
    assert torch.equal(plain, proposed)
    assert len(read) < 60


def test_a_text_goes_on_as_after_the_last_two_tokens_for_as_long_as_was_the_same_before():
    assert RepeatingText([5, 1, 2, 3, 4, 9, 1, 2]).propose(8) == [3, 4]
    assert RepeatingText([1, 2, 3, 4, 5, 1, 2, 7, 1, 2]).propose(8) == [7, 1]
    assert RepeatingText([7, 1, 2, 3, 4, 5, 7, 1, 2]).propose(8) == [3, 4, 5]
    assert RepeatingText([7, 1, 2, 3, 4, 5, 7, 1, 2]).propose(1) == [3]
    assert RepeatingText([1, 2, 1, 2, 1, 2, 1]).propose(8) == [2, 1, 2, 1, 2]
    assert RepeatingText([1, 2, 3]).propose(8) == RepeatingText([1]).propose(8) == []


def test_tokens_after_a_proposal_are_distributed_as_the_model_says():
    """Chi-squared of 800 draws of two tokens among 4 x 4, the first of them proposed; six deviations of room."""
    model, prompt, n = GPT(GPTConfig(4, block_size=8, n_layer=1, n_head=1, n_embd=8)).eval(), [1, 2, 3, 0, 1, 2], 800
    with torch.no_grad():
        model.head.weight.copy_(0.2 * torch.randn(4, 8, generator=torch.Generator().manual_seed(1)))
        likely = model(torch.tensor([[*prompt, token] for token in range(4)])).softmax(-1)[:, -2:]  # [4, 2, 4]
    expected = n * likely[0, 0, :, None] * likely[:, 1]
    drawn = torch.zeros(4, 4)
    for seed in range(n):
        one, two = generate(model, torch.tensor(prompt), 1, 2, Sampling(), seed, speculate=2)
        drawn[one, two] += 1
    chi_squared = float(((drawn - expected) ** 2 / expected).sum())
    assert float(expected.min()) > 5
    assert chi_squared < 15 + 6 * math.sqrt(2 * 15)


@pytest.mark.parametrize("model", [SHAPES["W"], SHAPES["mix"]], indirect=True)
def test_speculation_is_refused_where_tokens_cannot_be_taken_back(model):
    with pytest.raises(ValueError, match=r"attention F in all layers, not .*W"):
        next(generate(model, repeating(5), 1, 5, GREEDY, seed=0, speculate=4))


@pytest.mark.parametrize("model", [SHAPES["plain"]], indirect=True)
def test_speculation_is_refused_for_several_texts(model):
    with pytest.raises(ValueError, match="one text at a time, not for 3"):
        next(generate(model, repeating(5), 3, 5, GREEDY, seed=0, speculate=4))


@pytest.mark.parametrize("speculate", [0, 4])
@pytest.mark.parametrize("model", [SHAPES["plain"]], indirect=True)
def test_generation_stops_once_every_text_has_had_the_end_token(model, speculate):
    n = 1 if speculate else 3
    whole = torch.stack(list(generate(model, repeating(5), n, 60, Sampling(), 0, speculate)))
    ends = (whole == (end := int(whole[9, 0]))).int()  # [60, n]
    tokens = torch.stack(list(generate(model, repeating(5), n, 60, Sampling(), 0, speculate, end)))
    last = int(ends.argmax(0).max()) if ends.any(0).all() else 59
    assert torch.equal(tokens, whole[: last + 1])


def test_greedy_is_the_argmax_of_the_plain_forward(model):
    prompt = torch.tensor([3, 1, 4])
    tokens = prompt.tolist()
    for new in generate(model, prompt, 1, 10, GREEDY, seed=0):
        assert int(new) == int(model(torch.tensor([tokens]))[0, -1].argmax())
        tokens.append(int(new))


def test_a_seed_repeats_and_another_differs(model):
    def sample(seed):
        return torch.stack(list(generate(model, torch.tensor([1, 2]), 2, 20, Sampling(), seed)))

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))


def test_samples_of_one_prompt_differ(model):
    one, other = torch.stack(list(generate(model, torch.tensor([1]), 2, 20, Sampling(), seed=0))).T
    assert not torch.equal(one, other)


def test_an_empty_prompt_is_refused(model):
    with pytest.raises(ValueError, match="no tokens"):
        next(generate(model, torch.tensor([], dtype=torch.long), 1, 1, GREEDY, seed=0))
    with pytest.raises(ValueError, match="no tokens"):
        next(generate(model, [torch.arange(3), torch.arange(0)], 1, 1, GREEDY, seed=0))
    with pytest.raises(ValueError, match="no tokens"):
        next(generate(model, [], 1, 1, GREEDY, seed=0))


def test_the_context_moves_by_half_a_block_and_never_exceeds_it():
    starts = [context_start(length, 16) for length in range(1, 100)]
    assert starts[:16] == [0] * 16
    assert starts[16] == 8
    for length, start in enumerate(starts, start=1):
        assert start % 8 == 0
        assert 1 <= length - start <= 16


LOGITS = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(top_k=2), [0, 1]),
        (Sampling(top_k=9), [0, 1, 2, 3]),
        (Sampling(top_p=0.6), [0, 1]),
        (Sampling(top_p=0.49), [0]),
        (Sampling(top_p=0.01), [0]),
        (Sampling(min_p=0.2), [0, 1, 2]),
        (Sampling(min_p=1.0), [0]),
        (Sampling(top_k=3, min_p=0.5), [0, 1]),
        (Sampling(top_k=2, top_p=0.6), [0]),  # 0.625 of the two
        (Sampling(temperature=2, min_p=0.5), [0, 1, 2]),  # the third is 0.55 as likely as the first, not 0.3
    ],
)
def test_filters_keep_exactly_these(sampling, kept):
    assert filter_logits(LOGITS, sampling).isfinite()[0].nonzero().flatten().tolist() == kept


def test_draws_follow_the_probabilities():
    generator = torch.Generator().manual_seed(0)
    n = 20_000
    drawn = choose(LOGITS.expand(n, -1), Sampling(temperature=0.5), generator)
    share = torch.bincount(drawn, minlength=4) / n
    expected = torch.tensor([0.25, 0.09, 0.0225, 0.0025])
    five_sigma = 5 * math.sqrt(0.5 * 0.5 / n)  # Intel's library draws other numbers than torch does elsewhere
    torch.testing.assert_close(share, expected / expected.sum(), rtol=0, atol=five_sigma)


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_k": 1.5},
        {"temperature": "1"},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"min_p": 1.5},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)
