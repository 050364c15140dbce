"""Every attention type computes its definition: explicit weights over all keys, forward, backward, step by step."""

import math

import pytest
import torch
from conftest import GPT2_SHAPE
from networks import loud_model
from tolerance import additions, assert_near, largest
from torch import Tensor

from model import GPT, GPTConfig, Hooks, Sampling, generate
from model.cache import context_start
from model.linear import CHUNK, features
from probing.patterns import PatternRecorder, show_patterns

WIDTH, N_HEAD, LONGEST = 32, 4, 200
LENGTHS = (1, 2, 5, 6, 7, 12, 13, 64, 65, 130)
SHAPES = {"plain": {}, "grouped": {"n_kv_head": 2}, "one key": {"n_kv_head": 1}, "gpt2": GPT2_SHAPE}


def layer_of(attention_type: str, **shape: object) -> tuple[torch.nn.Module, Tensor | None]:
    """One layer with random weights, in double precision, and the rotary tables for LONGEST tokens."""
    config = GPTConfig(10, LONGEST, 1, N_HEAD, n_embd=WIDTH, attention=attention_type, window=6, stride=5, **shape)
    model = loud_model(config, queries=0.5).double()
    return model.blocks[0].attention, model.rotary


def span(rotary: Tensor | None, start: int, end: int) -> Tensor | None:
    return None if rotary is None else rotary[:, start:end]


def inputs(length: int) -> Tensor:
    generator = torch.Generator().manual_seed(length)
    return torch.randn(2, length, WIDTH, generator=generator, dtype=torch.float64).requires_grad_()


def allowed(attention_type: str, length: int) -> Tensor:
    """Which key (column) each query (row) may look at, one pair at a time."""
    rules = {"F": lambda q, k: True, "W": lambda q, k: q - k < 6, "S": lambda q, k: (q - k) % 5 == 0}
    return torch.tensor([[k <= q and rules[attention_type](q, k) for k in range(length)] for q in range(length)])


def masked_reference(attention_type: str, attention: torch.nn.Module, x: Tensor, rotary) -> Tensor:
    """Equation 1 of Vaswani et al. 2017, all T x T scores, one query head at a time."""
    queries, keys, values = attention.project(x, rotary)
    mask, outputs = allowed(attention_type, x.size(1)), []
    for h in range(N_HEAD):
        own = h * keys.size(1) // N_HEAD
        scores = queries[:, h] @ keys[:, own].mT / math.sqrt(WIDTH / N_HEAD)
        outputs.append(scores.masked_fill(~mask, -math.inf).softmax(-1) @ values[:, own])
    return attention.o(torch.cat(outputs, dim=-1))


def linear_reference(attention: torch.nn.Module, x: Tensor, rotary) -> Tensor:
    """The definition, one query and one key at a time."""
    queries, keys, values = attention.project(x, rotary)
    a = torch.sigmoid(attention.gate(x))  # [B, T, H]
    outputs = []
    for h in range(N_HEAD):
        own = h * values.size(1) // N_HEAD
        q, k, v = features(queries[:, h]), features(keys[:, h, :, :-1]), values[:, own]
        rows = []
        for t in range(x.size(1)):
            weights = [(q[:, t] * k[:, s]).sum(-1) * a[:, s + 1 : t + 1, h].prod(-1) for s in range(t + 1)]
            weights = torch.stack(weights, dim=-1)  # [B, t + 1]
            rows.append((weights / weights.sum(-1, keepdim=True))[:, None] @ v[:, : t + 1])
        outputs.append(torch.cat(rows, dim=1))
    return attention.o(torch.cat(outputs, dim=-1))


def assert_same_function(attention: torch.nn.Module, x: Tensor, got: Tensor, expected: Tensor) -> None:
    """Equal, and so are their gradients by the input and by all weights."""
    n_terms = 4 * WIDTH + x.size(1)
    assert_near(got, expected, n_terms)
    weights = [x, *attention.parameters()]
    generator = torch.Generator().manual_seed(0)
    by_output = torch.randn(got.shape, generator=generator, dtype=got.dtype)
    gradients, references = (torch.autograd.grad(output, weights, by_output) for output in (got, expected))
    scale = max(map(largest, references))  # a key's bias has a gradient of zero, as a sum of numbers that are not
    for one, other in zip(gradients, references, strict=True):
        assert_near(one, other, 2 * n_terms + len(x) * x.size(1), scale)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("attention_type", "FWS")
def test_softmax_types_are_the_masked_definition_forward_and_backward(attention_type, shape):
    attention, rotary = layer_of(attention_type, **shape)
    for length in LENGTHS:
        x, positions = inputs(length), span(rotary, 0, length)
        expected = masked_reference(attention_type, attention, x, positions)
        assert_same_function(attention, x, attention(x, positions), expected)


@pytest.mark.parametrize("length", [1, 3, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
@pytest.mark.parametrize("shape", [{}, {"n_kv_head": 2}, GPT2_SHAPE], ids=["plain", "grouped", "gpt2"])
def test_linear_attention_in_chunks_is_its_definition_forward_and_backward(length, shape):
    attention, rotary = layer_of("L", **shape)
    x, positions = inputs(length), span(rotary, 0, length)
    got, expected = attention(x, positions), linear_reference(attention, x, positions)
    assert_near(got, expected, 4 * WIDTH + length)
    if length <= CHUNK + 1:
        assert_same_function(attention, x, got, expected)


def test_without_scaling_scores_are_not_divided():
    plain, rotary = layer_of("W")
    without, _ = layer_of("W", scale_attention=False)
    x, positions = inputs(20), span(rotary, 0, 20)
    with torch.no_grad():
        assert not torch.allclose(without(x, positions), plain(x, positions))
        q, k, v = plain.project(x, positions)
        scaled = q * math.sqrt(WIDTH / N_HEAD)
        z = plain.attend(scaled, k, v).transpose(1, 2).flatten(2)
        assert_near(without(x, positions), plain.o(z), 4 * WIDTH + 20)
        rows = torch.arange(20).expand(2, -1)
        assert_near(without.weights(q, k, rows), plain.weights(scaled, k, rows), WIDTH, scale=1)


@pytest.mark.parametrize("read_first", [1, 6, 70])
@pytest.mark.parametrize("shape", [{}, {"n_kv_head": 2}, {"position": "learned"}], ids=["plain", "grouped", "learned"])
@pytest.mark.parametrize("pattern", ["F", "W", "S", "L", "R", "FWSLR"])
def test_a_whole_sequence_and_one_token_after_another_give_the_same_logits(pattern, shape, read_first):
    config = GPTConfig(40, 96, len(pattern), N_HEAD, n_embd=WIDTH, attention=pattern, window=6, stride=5, **shape)
    model = loud_model(config, queries=0.5)
    tokens = torch.randint(40, (3, 96), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = model(tokens)
        context = model.new_context(3)
        stepped = [model.step(tokens[:, :read_first], context)]
        stepped += [model.step(tokens[:, i : i + 1], context) for i in range(read_first, 96)]
    assert_near(torch.stack(stepped, dim=1), whole[:, read_first - 1 :], additions(config, 96))


@pytest.mark.parametrize("attention_type", "FWSLR")
def test_sequences_of_unequal_length_share_a_context(attention_type):
    model = loud_model(
        GPTConfig(40, 64, 2, N_HEAD, n_embd=WIDTH, attention=attention_type, window=6, stride=5), queries=0.5
    )
    tokens = torch.randint(40, (3, 64), generator=torch.Generator().manual_seed(0))
    lengths = (1, 17, 40)
    with torch.inference_mode():
        whole = model(tokens)
        shared = model.new_context(3)
        for i, length in enumerate(lengths):
            alone = model.new_context(1)
            model.step(tokens[i : i + 1, :length], alone)
            shared.replace(torch.tensor([i]), alone, torch.tensor([0]))
        for step in range(20):
            at = torch.tensor(lengths) + step
            logits = model.step(tokens.gather(1, at[:, None]), shared)
            assert_near(logits, whole[torch.arange(3), at], additions(model.config, 64))


@pytest.mark.parametrize(
    ("attention_type", "short", "long"),
    [("F", 64, 640), ("W", 12, 12), ("S", 70, 640), ("L", None, None), ("R", None, None)],
)
def test_caches_are_as_large_as_their_type_needs(attention_type, short, long):
    model = GPT(GPTConfig(40, 320, 1, N_HEAD, n_embd=WIDTH, attention=attention_type, window=6, stride=5))
    sizes = []
    for capacity in (32, 320):
        context = model.new_context(1, capacity)
        with torch.inference_mode():
            model.step(torch.zeros(1, 20, dtype=torch.long), context)
        sizes.append(sum(tensor.numel() for tensor in context.caches[0].tensors))
    head_dim = WIDTH // N_HEAD
    constant = {"L": N_HEAD * 2 * head_dim * (head_dim + 1), "R": round(WIDTH * 2 / 3)}
    assert sizes == ([constant[attention_type]] * 2 if attention_type in constant else [short * WIDTH, long * WIDTH])


@pytest.mark.parametrize(("attention_type", "scores"), [("W", 516 * 2 * 6), ("S", 515 * 103), ("F", 512 * 512)])
def test_no_more_scores_than_a_type_needs(attention_type, scores, monkeypatch):
    seen = []
    kernel = torch.nn.functional.scaled_dot_product_attention

    def counted(q, k, v, **options):
        seen.append(q.size(0) * q.size(2) * k.size(2))
        return kernel(q, k, v, **options)

    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", counted)
    model = GPT(GPTConfig(40, 512, 1, N_HEAD, n_embd=WIDTH, attention=attention_type, window=6, stride=5))
    model(torch.zeros(1, 512, dtype=torch.long))
    assert scores * 0.9 <= sum(seen) <= scores


@pytest.mark.parametrize(("stride", "kept"), [(19, 2 * 19), (20, 20), (21, 20), (1000, 20)])
def test_a_stride_beyond_the_text_costs_nothing(stride, kept):
    model = loud_model(GPTConfig(40, 20, 1, N_HEAD, n_embd=WIDTH, attention="S", stride=stride), queries=0.5)
    tokens = torch.randint(40, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        context = model.new_context(2)
        logits = torch.stack([model.step(token, context) for token in tokens.split(1, dim=1)], dim=1)
        assert_near(logits, model(tokens), additions(model.config, 20))
    assert context.caches[0].tensors[0].numel() == 2 * kept * WIDTH


@pytest.mark.parametrize("attention_type", "FWSLR")
def test_a_context_takes_what_it_has_space_for_in_the_order_that_it_can(attention_type):
    model = loud_model(GPTConfig(40, 16, 1, N_HEAD, n_embd=WIDTH, attention=attention_type, window=6, stride=5))
    tokens = torch.arange(8)[None]
    with pytest.raises(ValueError, match="8 tokens do not fit into a context for 4"):
        model(tokens, context=model.new_context(1, capacity=4))
    context = model.new_context(1)
    with torch.inference_mode():
        model.step(tokens, context)
    if attention_type != "F":
        with pytest.raises(ValueError, match="8 tokens after the first ones: give them one by one"):
            model(tokens, context=context)
    with pytest.raises(ValueError, match="hooks see whole texts"):
        model(tokens[:, :1], context=context, hooks=Hooks())
    assert context.lengths == [8]


@pytest.mark.parametrize("position", ["rope", "learned"])
def test_full_attention_takes_several_tokens_after_the_first_ones_and_takes_them_back(position):
    model = loud_model(GPTConfig(40, 16, 2, N_HEAD, n_embd=WIDTH, position=position), queries=0.5)
    tokens = torch.randint(40, (2, 16), generator=torch.Generator().manual_seed(0))
    context = model.new_context(2)
    with torch.inference_mode():
        model.step(tokens[:, :7], context)
        model(39 - tokens[:, 7:12], context=context)  # others, which are not to stay
        context.lengths = [7, 7]
        assert_near(model(tokens[:, 7:], context=context), model(tokens)[:, 7:], additions(model.config, 16))


@pytest.mark.parametrize("attention_type", "FWSLR")
def test_generation_under_autocast_moves_on_and_takes_unequal_prompts(attention_type):
    model = loud_model(
        GPTConfig(40, 16, 1, N_HEAD, n_embd=WIDTH, attention=attention_type, window=6, stride=5), queries=0.5
    )
    prompts = [torch.arange(3), torch.arange(9)]
    with torch.autocast("cpu", torch.bfloat16):
        drawn = torch.stack(list(generate(model, prompts, 1, 30, Sampling(temperature=0), seed=0)), dim=1)
    for prompt, new in zip(prompts, drawn, strict=True):
        text = torch.cat((prompt, new))
        for end in range(len(prompt), len(text)):
            logits = model(text[None, context_start(end, 16) : end])[0, -1]
            assert logits[text[end]] > logits.max() - 0.1 * logits.abs().max(), "the likeliest, as far as bfloat16 goes"


@pytest.mark.parametrize("attention_type", "FWSLR")
def test_each_type_works_in_double_precision(attention_type):
    model = loud_model(
        GPTConfig(40, 32, 1, N_HEAD, n_embd=WIDTH, attention=attention_type, window=6, stride=5), queries=0.5
    )
    tokens = torch.arange(32)[None]
    with torch.inference_mode():
        single = model(tokens)
        assert_near(model.double()(tokens), single, additions(model.config, 32))


def test_linear_attention_bears_large_queries_and_keys():
    attention, _ = layer_of("L", qk_norm=False)
    attention.float()
    with torch.no_grad():
        attention.q.weight *= 300
        attention.k.weight *= 300
    x = inputs(80).detach().float().requires_grad_()
    z = attention(x, None)
    z.sum().backward()
    assert z.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in (x, *attention.parameters()))


@pytest.mark.parametrize("attention_type", "WSLR")
def test_types_have_as_many_parameters_as_full_attention(attention_type):
    full, other = (GPT(GPTConfig(40, n_embd=192, attention=each)).n_parameters() for each in ("F", attention_type))
    assert abs(other / full - 1) < 0.01


def test_a_new_recurrent_states_memories_reach_from_2_to_128_tokens():
    gru = GPT(GPTConfig(40, attention="R", n_embd=96)).blocks[0].attention.gru
    gru.weight_ih_l0.data.zero_()
    gru.weight_hh_l0.data.zero_()
    with torch.inference_mode():
        _, left = gru(torch.zeros(1, 1, 96), torch.ones(1, 1, 64))  # nothing new: the state fades
    torch.testing.assert_close(left[0, 0, [0, -1]].log(), torch.tensor([-1 / 2, -1 / 128]), rtol=1e-3, atol=0)


def test_a_new_networks_memories_reach_from_8_to_1024_tokens():
    gate = GPT(GPTConfig(40, attention="L", n_head=8)).blocks[0].attention.gate
    left = torch.sigmoid(gate.bias.detach())
    torch.testing.assert_close(left[[0, -1]].log(), torch.tensor([-1 / 8, -1 / 1024]), rtol=1e-3, atol=0)
    assert not gate.weight.any()


def test_a_model_without_heads_has_no_patterns_to_show():
    tokens = torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="attention=R: this model has no attention to be seen"):
        show_patterns(GPT(GPTConfig(10, attention="R")).eval(), tokens, Hooks())


def test_recorders_pass_over_recurrent_layers():
    model = loud_model(GPTConfig(10, n_layer=4, attention="RF"))
    recorder, shown = PatternRecorder(), PatternRecorder()
    tokens = torch.arange(6)[None]
    with torch.inference_mode():
        assert_near(model(tokens, hooks=recorder), model(tokens), additions(model.config, 6))
        show_patterns(model, tokens, shown)
    assert list(recorder.patterns) == list(shown.patterns) == [1, 3]


@pytest.mark.parametrize("attention_type", "FWSLR")
def test_each_type_trains(attention_type):
    model = GPT(GPTConfig(12, 32, 1, 2, n_embd=16, attention=attention_type, window=6, stride=5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    tokens = torch.arange(33).remainder(7).expand(4, -1)
    losses = []
    for _ in range(60):
        loss = model(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.1 < losses[0]
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("attention_type", "FWSLR")
def test_half_precision_stays_close(attention_type):
    model = loud_model(
        GPTConfig(12, 128, 1, 2, n_embd=16, attention=attention_type, window=6, stride=5), queries=0.3, rest=0.2
    )
    tokens = torch.randint(12, (2, 128), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact = model(tokens)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(tokens)
    assert (rounded - exact).abs().max() < 0.1 * exact.abs().max()
