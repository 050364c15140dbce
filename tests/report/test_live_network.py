"""The live page's network computes what PyTorch does with the same float16 weights, and keeps only what is right."""

import base64
import random
from itertools import product

import pytest
import torch
from conftest import ATTENTION_ALONE, GPT2_SHAPE
from live_engine import Edited, blank_page, load, read
from networks import loud_model
from tolerance import additions, assert_near

from model import GPT, GPTConfig
from model.config import ATTENTION_TYPES
from report.live_model import rounded

VOCABULARY, BLOCK, N_HEAD = 50, 24, 4
TOKENS = random.Random(0).choices(range(VOCABULARY), k=BLOCK)
SHAPES = {
    "modern": {},
    "gpt2": GPT2_SHAPE,
    "grouped": {"n_kv_head": 2},
    "one key": {"n_kv_head": 1},
    "no softcap": {"softcap": 0.0},
    "unscaled": {"scale_attention": False},
    "no qk_norm": {"qk_norm": False},
    "untied": {"tie_embeddings": False},
    "bias": {"bias": True},
    "odd width": {"n_embd": 27, "n_head": 3, "position": "learned"},
    "exact GELU, bias of the head": {"mlp": "gelu_exact", "head_bias": True},
    "ReLU, no norm": {"mlp": "relu", "norm": "none", "softcap": 0.0},
    "attention alone": ATTENTION_ALONE,
    "attention and LayerNorm": {**GPT2_SHAPE, "mlp": "none"},
}
EDITS = {
    "zero": {"off": {"0.1": "zero", "1.3": "zero"}},
    "mean": {"off": {"0.0": "mean", "1.2": "mean"}},
    "swap": {"rows": [{"head": "0.2", "row": 20, "kind": "swap", "a": [15, 17], "b": [18, 21]}]},
    "swap with the unseen": {"rows": [{"head": "0.2", "row": 15, "kind": "swap", "a": [10, 12], "b": [18, 20]}]},
    "cut": {"rows": [{"head": "0.3", "row": 21, "kind": "cut", "a": [15, 18]}]},
    "only": {"rows": [{"head": "1.0", "row": 23, "kind": "only", "a": [12, 20]}]},
    "several": {
        "off": {"1.1": "zero", "0.3": "zero"},
        "rows": [
            {"head": "0.3", "row": 12, "kind": "only", "a": [0, 2]},
            {"head": "0.0", "row": 9, "kind": "cut", "a": [3, 9]},
            {"head": "0.0", "row": 9, "kind": "swap", "a": [5, 8], "b": [9, 10]},
            {"head": "1.2", "row": 23, "kind": "cut", "a": [0, 23]},
        ],
    },
}
# Every step reads other tokens or edits with a reading that is kept, and with a fresh one.
STEPS = """steps => {
  const kept = new Reading(network);
  const all = (reading, n) => Array.from({ length: n }, (_, row) => [
    ...reading.logits(row),
    ...network.heads.flatMap(name => Array.from(reading.pattern(...name.split(".").map(Number), row))),
    ...Object.values(reading.contributions(row, 1, 2).heads),
  ]);
  return steps.map(([tokens, edits]) => {
    const fresh = new Reading(network);
    for (const reading of [kept, fresh]) reading.read(tokens, edits);
    const [got, expected] = [kept, fresh].map(reading => all(reading, tokens.length));
    return got.every((row, i) => row.every((number, j) => Object.is(number, expected[i][j])));
  });
}"""


def config_of(attention: str, **shape: object) -> GPTConfig:
    whole = {"n_layer": max(2, len(attention)), "n_head": N_HEAD, "n_embd": 32, "window": 6, "stride": 5} | shape
    return GPTConfig(VOCABULARY, BLOCK, attention=attention, **whole)


def network_of(attention: str, **shape: object) -> GPT:
    """A loud network with weights that float16 holds."""
    return rounded(loud_model(config_of(attention, **shape), queries=0.5))


@pytest.fixture(scope="module")
def page(browser):
    with blank_page(browser) as page:
        yield page


def assert_same(page, model, edits=None, means=None):
    """Logits and patterns of the page and of PyTorch agree in every row."""
    load(page, model, means)
    got, hooks = read(page, TOKENS, edits or {}), Edited(model, edits or {}, means)
    with torch.no_grad():
        expected = model(torch.tensor([TOKENS]), hooks=hooks)[0]
    n_terms = additions(model.config, BLOCK)
    assert_near(got["logits"], expected, n_terms)
    if hooks.patterns:
        assert_near(got["patterns"], torch.stack(hooks.patterns), n_terms, scale=1)
    return got, expected, hooks


@pytest.mark.parametrize(
    ("attention", "shape"),
    [*product(ATTENTION_TYPES, ("modern", "gpt2", "grouped")), *product(("".join(ATTENTION_TYPES),), SHAPES)],
)
def test_every_row_has_the_logits_and_patterns_of_pytorch(page, attention, shape):
    assert_same(page, network_of(attention, **SHAPES[shape]))


@pytest.mark.parametrize("edits", EDITS)
@pytest.mark.parametrize("attention", ["F", "W", "S", "L"])
def test_edits_change_what_they_change_in_pytorch(page, attention, edits):
    model, generator = network_of(attention), torch.Generator().manual_seed(1)
    means = {layer: torch.randn(N_HEAD, 8, generator=generator).half().float() for layer in range(2)}
    _, expected, _ = assert_same(page, model, EDITS[edits], means)
    if edits != "swap with the unseen":
        with torch.no_grad():
            assert (model(torch.tensor([TOKENS]))[0] - expected).abs().max() > 0.01


@pytest.mark.parametrize("shape", ["modern", "gpt2", "untied", "grouped", "attention alone"])
def test_contributions_are_each_heads_part_of_the_difference_before_softcap(page, shape):
    model, pair, finals = network_of("FR", **SHAPES[shape], n_layer=3), (3, 7), []
    model.norm.register_forward_hook(lambda _, inputs, output: finals.extend((inputs[0], output)))
    edits = {"off": {"2.1": "zero"}}
    _, _, hooks = assert_same(page, model, edits)
    got = read(page, TOKENS, edits, pair)["contributions"]
    x, normed = (final[0, -1] for final in finals)
    direction = model.head.weight[pair[0]] - model.head.weight[pair[1]]

    def through_the_norm(part):
        if model.config.norm == "none":
            return part
        if model.config.norm == "rmsnorm":
            return part / (x.square().mean() + 1e-6).sqrt()
        return (part - part.mean()) / (x.var(correction=0) + 1e-5).sqrt() * model.norm.weight

    expected = []
    for name, z in zip(got["heads"], hooks.outputs, strict=True):
        layer, head = map(int, name.split("."))
        part = model.blocks[layer].attention.o.weight.view(-1, N_HEAD, 8)[:, head] @ z[-1]
        expected.append(through_the_norm(part) @ direction)
    n_terms = additions(model.config, BLOCK)
    assert_near(torch.tensor(list(got["heads"].values())), torch.stack(expected).detach(), n_terms)
    assert got["heads"]["2.1"] == 0
    whole = torch.tensor(sum(got["heads"].values()) + got["rest"])
    logits = model.head(normed)
    assert_near(whole, (logits[pair[0]] - logits[pair[1]]).detach(), n_terms, scale=10.0)


def random_edits(rng: random.Random, heads: list[str]) -> dict:
    """None to three edits of one row, and none to two heads that are off."""

    def span():
        start = rng.randrange(BLOCK)
        return [start, start + rng.randint(1, 5)]

    rows = [
        {"head": rng.choice(heads), "row": rng.randrange(BLOCK), "a": span(), "b": span()}
        | {"kind": rng.choice(("swap", "cut", "only"))}
        for _ in range(rng.randrange(4))
    ]
    return {"off": dict.fromkeys(rng.sample(heads, rng.randrange(3)), "zero"), "rows": rows}


def random_steps(rng: random.Random, heads: list[str], n: int) -> list[tuple[list[int], dict]]:
    """Tokens and edits, each step from the last: more tokens, fewer, another one, others at the end; other edits,
    fewer, none.
    """
    tokens, edits, steps = TOKENS[:10], {}, []
    for _ in range(n):
        at = rng.randrange(len(tokens))
        changed = [
            tokens + rng.choices(range(VOCABULARY), k=rng.randint(1, 4)),
            tokens[: at + 1],
            [*tokens[:at], rng.randrange(VOCABULARY), *tokens[at + 1 :]],
            tokens[:at] + rng.choices(range(VOCABULARY), k=4),
            tokens,
        ]
        tokens = rng.choice(changed)[:BLOCK]
        fewer = edits | {"rows": edits.get("rows", [])[1:]}
        edits = rng.choice([edits, edits, fewer, {}, random_edits(rng, heads), random_edits(rng, heads)])
        steps.append((tokens, edits))
    return steps


@pytest.mark.parametrize("attention", ["F", "W", "S", "L", "WSL", "FRL"])
def test_a_reading_that_is_kept_equals_a_fresh_one_to_the_last_bit(page, attention):
    model = network_of(attention, n_layer=3)
    load(page, model)
    steps = random_steps(random.Random(attention), page.evaluate("network.heads"), 50)
    equal = page.evaluate(STEPS, steps)
    wrong = next((i for i, same in enumerate(equal) if not same), None)
    assert wrong is None, f"step {wrong}: {steps[wrong]} after {steps[wrong - 1]}"


def test_typing_on_computes_the_new_token_alone(page):
    load(page, network_of("F"))
    computed = page.evaluate(
        """tokens => {
          const rows = [];
          for (const [layer, block] of network.blocks.entries()) {
            const apply = block.apply.bind(block);
            block.apply = (x, next, own, rest) => {
              rows.push([layer, own.inputFrom, own.outputFrom, own.to]);
              apply(x, next, own, rest);
            };
          }
          const reading = new Reading(network);
          const reads = [[0, 10, {}], [0, 11, {}], [0, 11, {off: {"1.0": "zero"}}], [0, 11, {off: {"1.0": "zero"}}]];
          return reads.map(([start, end, edits]) => {
            reading.read(tokens.slice(start, end), edits);
            return rows.splice(0);
          });
        }""",
        TOKENS,
    )
    assert computed == [
        [[0, 0, 0, 10], [1, 0, 0, 10]],
        [[0, 10, 10, 11], [1, 10, 10, 11]],
        [[0, 11, 11, 11], [1, 11, 0, 11]],
        [[0, 11, 11, 11], [1, 11, 11, 11]],
    ]


@pytest.mark.parametrize(
    ("tokens", "edits", "message"),
    [
        ([*TOKENS, 1], {}, "the text has 25 tokens; this model reads 24 at most"),
        (TOKENS, {"off": {"9.9": "zero"}}, "head 9.9: this model has no such head"),
        (TOKENS, {"off": {"1.0": "zero"}}, "head 1.0: this model has no such head"),
        (TOKENS, {"off": {"0.0": "mean"}}, "head 0.0: this page does not hold its mean output; choose zero"),
        (TOKENS, {"off": {"0.0": "loud"}}, "off=loud: must be zero or mean"),
        (TOKENS, {"rows": [{"head": "0.0", "row": 1, "kind": "constructor"}]}, "kind=constructor: must be swap, cut"),
    ],
)
def test_what_the_network_lacks_is_refused_in_one_line(page, tokens, edits, message):
    load(page, network_of("FR"))
    error = page.evaluate(
        """([tokens, edits]) => { try { new Reading(network).read(tokens, edits); }
                                  catch (error) { return error.message; } }""",
        [tokens, edits],
    )
    assert error.startswith(message)
    assert "\n" not in error


def test_every_float16_number_is_read_as_it_is(page):
    halves = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(torch.float16)
    finite = halves[halves.isfinite()]
    equal = page.evaluate(
        """parts => {
          const [halves, numbers] = parts.map(part => Uint8Array.from(atob(part), byte => byte.charCodeAt(0)).buffer);
          const { data } = readTensors([{ name: "all", shape: [halves.byteLength / 2], start: 0 }], halves).all;
          const expected = new Float32Array(numbers);
          return data.length === expected.length && data.every((number, i) => Object.is(number, expected[i]));
        }""",
        [base64.b64encode(x.numpy().tobytes()).decode() for x in (finite, finite.float())],
    )
    assert equal


def test_weights_that_are_cut_off_are_refused(page):
    message = page.evaluate(
        """() => { try { readTensors([{ name: "w", shape: [2, 3], start: 0 }], new ArrayBuffer(10)); }
                   catch (error) { return error.message; } }"""
    )
    assert message == "the page holds 5 weights of 6"
