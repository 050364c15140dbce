"""The parts of a score, against the model's own scores and against what its modules write."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import toys
from conftest import GPT2_SHAPE
from networks import loud_model
from tolerance import additions, assert_near

from data import encode_case
from data.stories import cases
from model import GPT, GPTConfig, Hooks
from probing.circuits.missing import NotMeasured
from probing.circuits.scores import component_names, heaviest_tokens, measure_scores, residual_parts, split_scores
from probing.heads import head_names, parse_head
from probing.interventions import Batch
from probing.splits import Split

SHAPES = {
    "modern, grouped": {"n_kv_head": 2},
    "gpt2": GPT2_SHAPE,
    "layernorm without bias, rotary": {"norm": "layernorm", "qk_norm": False},
    "learned positions, bias": {"position": "learned", "bias": True, "scale_attention": False},
    "window, strided, full": {"attention": "WSF", "window": 12, "stride": 2},
    "no norm, no feed-forward layer": {"norm": "none", "mlp": "none", "position": "learned", "qk_norm": False},
    "linear, recurrent, full": {"attention": "LRF", "n_kv_head": 2, "bias": True},
}


@pytest.fixture(scope="module", params=SHAPES)
def model(request, stories) -> GPT:
    shape = {"block_size": 64, "n_layer": 3, "n_embd": 32, "n_head": 4, **SHAPES[request.param]}
    return loud_model(GPTConfig(stories.tokenizer.vocab_size, **shape), queries=0.5)


@pytest.fixture(scope="module")
def encoded(stories) -> list:
    return [encode_case(case, stories.tokenizer) for case in cases("report", 4, 0, ("cue", "agreement"))]


class Projections(Hooks):
    def __init__(self) -> None:
        super().__init__()
        self.qk, self.patterns = {}, {}

    def projected(self, layer, q, k, v) -> None:
        self.qk[layer] = q, k

    def pattern(self, layer, pattern):
        self.patterns[layer] = pattern
        return pattern


@torch.no_grad()
def projections(model: GPT, case) -> Projections:
    hooks = Projections()
    model(torch.tensor([case.tokens]), hooks=hooks)
    return hooks


def own_score_difference(model: GPT, case, hooks: Projections, head: str, site: str) -> float:
    """The model's score of gold's heaviest token less that of the heaviest distractor's."""
    (layer, h), row = parse_head(head), case.sites[site]
    q, k = hooks.qk[layer]
    pattern = hooks.patterns[layer][0, h, row]
    rival = max(case.rivals, key=lambda spans: sum(float(pattern[a:b].sum()) for a, b in spans))
    positions = [
        max((t for a, b in spans for t in range(a, b)), key=lambda t: pattern[t]) for spans in (case.gold, rival)
    ]
    scores = [
        q[0, h, row] @ k[0, h * k.size(1) // q.size(1), t] * model.blocks[layer].attention.scale for t in positions
    ]
    return float(scores[0] - scores[1])


def test_the_parts_add_up_to_the_models_own_score(model, encoded):
    batch, compared = Batch(model, encoded), 0
    seen_by_hooks = [projections(model, case) for case in encoded]
    for head in head_names(model):
        if model.config.attention_types[parse_head(head)[0]] == "L":
            continue
        for site in ("P", "A-1"):
            parts = split_scores(batch, head, site)
            seen = parts[-1] > 0
            both = zip(encoded, seen_by_hooks, strict=True)
            expected = torch.tensor([own_score_difference(model, *own, head, site) for own in both])
            limit = 1e-4 * expected.abs().max()
            torch.testing.assert_close(parts[:-2].sum(0)[seen], expected[seen], rtol=0, atol=float(limit))
            compared += int(seen.sum())
    assert compared > len(encoded)


def test_each_part_is_what_its_module_writes(model, encoded):
    batch, layer = Batch(model, encoded), 2
    positions = torch.stack((batch.asked, batch.asked - 3), dim=1)
    with torch.no_grad():
        parts = dict(zip(component_names(model, layer), residual_parts(batch, layer, positions), strict=True))
    written = {}

    def keep(module, _, output) -> None:
        written[module] = output

    hooks = [block.mlp.register_forward_hook(keep) for block in model.blocks[:layer] if block.mlp]
    hooks += [block.attention.register_forward_hook(keep) for block in model.blocks[:layer]]
    with torch.no_grad():
        model(batch.tokens)
    for hook in hooks:
        hook.remove()

    def at_positions(x):
        return torch.stack([x[i, own] for i, own in enumerate(positions)])

    n_terms = additions(model.config, 64)
    for earlier, block in enumerate(model.blocks[:layer]):
        if block.mlp:
            assert_near(parts[f"feed-forward {earlier}"], at_positions(written[block.mlp]), n_terms)
        if earlier not in model.config.layers_with_heads:
            assert_near(parts[f"recurrent {earlier}"], at_positions(written[block.attention]), n_terms)
    assert_near(sum(parts.values()), at_positions(batch.replay.clean.x[layer]), n_terms)
    assert ("biases" in parts) == model.config.bias
    assert ("position" in parts) == (model.config.position == "learned")


def test_a_heads_part_is_what_goes_when_its_output_does(model, encoded):
    """From what the first layer's attention writes."""

    class Without(Hooks):
        def __init__(self, head=None) -> None:
            super().__init__()
            self.head = head

        def z(self, layer, z):
            z = z.clone()
            if layer == 0 and self.head is not None:
                z[:, self.head] = 0
            return z

    batch = Batch(model, encoded)
    with torch.no_grad():
        parts = dict(zip(component_names(model, 1), residual_parts(batch, 1, batch.asked[:, None]), strict=True))
        block, x = model.blocks[0], batch.replay.clean.x[0]
        rotary = None if model.rotary is None else model.rotary[:, : x.size(1)]
        for head in range(4):
            whole, rest = (block.attention(block.norm_attention(x), rotary, Without(which)) for which in (None, head))
            gone = (whole - rest)[torch.arange(len(encoded)), batch.asked]
            assert_near(parts[f"0.{head}"][:, 0], gone, additions(model.config, 64), scale=float(whole.abs().max()))


def test_rows_columns_and_everything_sum_to_the_mean_score_difference(stories):
    shape = {"block_size": 64, "n_layer": 3, "n_embd": 32, "n_head": 4}
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, **shape), queries=0.5)
    split = Split([encode_case(case, stories.tokenizer) for case in cases("report", 20, 0, ("cue",))])
    found = measure_scores(model, split, "2.1", "A-1")
    own = [own_score_difference(model, case, projections(model, case), "2.1", "A-1") for case in split.cases]
    assert found.cases == len(split.cases)
    assert found.total.mean == pytest.approx(np.mean(own), rel=1e-4)
    assert found.total.ci == pytest.approx(split.clusters.interval(np.array(own)), rel=1e-3)
    assert [part.mean for part in found.query] == pytest.approx(found.matrix.sum(1).tolist(), rel=1e-4, abs=1e-6)
    assert [part.mean for part in found.key] == pytest.approx(found.matrix.sum(0).tolist(), rel=1e-4, abs=1e-6)
    assert sum(part.mean for part in found.query) == pytest.approx(found.total.mean, rel=1e-4)
    assert all(part.ci[0] <= part.mean <= part.ci[1] for part in (*found.query, *found.key))
    assert [part.name for part in found.query] == component_names(model, 2)


def test_the_hand_set_head_looks_because_of_what_the_other_carried_and_of_the_token():
    found = measure_scores(toys.hand_set_model(), Split(toys.encoded("report", 60)), "1.0", "A-1")
    query, key = ({part.name: part.mean for part in parts} for parts in (found.query, found.key))
    assert found.total.mean > 5
    assert query["0.0"] == pytest.approx(found.total.mean, rel=1e-5)
    assert key["token"] == pytest.approx(found.total.mean, rel=1e-5)
    assert query["token"] == query["position"] == key["0.0"] == pytest.approx(0, abs=1e-5)
    assert found.distance is None


def test_the_same_content_at_two_distances_differs_by_distance_alone(encoded, stories):
    """In the first layer, with one token as gold and as distractor."""
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, block_size=64, n_layer=1, n_embd=32), queries=0.5)
    same = []
    for case in encoded:
        tokens = list(case.tokens)
        tokens[case.gold[0][0]] = tokens[case.distractors[0][0]] = 7
        gold, rival = ((spans[0][0], spans[0][0] + 1) for spans in (case.gold, case.distractors))
        same.append(replace(case, tokens=tuple(tokens), gold=(gold,), distractors=(rival,)))
    parts = split_scores(Batch(model, same), "0.2", "A-1")
    assert parts[-2].abs().min() > 1e-3
    assert_near(parts[-2], parts[:-2].sum(0), 64, scale=30)


def test_distance_is_what_changes_when_the_two_keys_stand_at_one_position(encoded, stories):
    config = GPTConfig(stories.tokenizer.vocab_size, block_size=64, n_layer=2, n_embd=32, n_head=4)
    model, head = loud_model(config, queries=0.5), 3
    batch = Batch(model, encoded)
    parts = split_scores(batch, f"1.{head}", "A-1")
    candidates, _ = heaviest_tokens(batch, 1, head, batch.asked)
    attention = model.blocks[1].attention
    with torch.no_grad():
        x = model.blocks[1].norm_attention(batch.replay.clean.x[1])
        for i in range(len(encoded)):
            content = []
            for at in candidates[i].tolist():  # the whole text's keys turned as if each token stood there
                everywhere_there = model.rotary[:, at : at + 1].expand(-1, x.size(1), -1)
                k = attention.project(x[i : i + 1], everywhere_there)[1][0, head]
                q = attention.project(x[i : i + 1], model.rotary[:, : x.size(1)])[0][0, head, batch.asked[i]]
                content.append(q @ (k[candidates[i, 0]] - k[candidates[i, 1]]) * attention.scale)
            expected = parts[:-2, i].sum() - sum(content) / 2
            assert_near(parts[-2, i], expected, additions(config, 64), scale=10)


def test_of_a_span_the_token_with_the_most_weight_stands_for_it(encoded, stories):
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, block_size=64, n_layer=2, n_embd=32, n_head=4))
    wide = [replace(case, gold=((1, case.sites["A-1"]),)) for case in encoded]  # many tokens, overlapping the rival's
    batch = Batch(model, wide)
    candidates, seen = heaviest_tokens(batch, 1, 2, batch.asked)
    assert bool(seen.all())
    pattern = batch.replay.pattern(1, batch.asked[:, None])[:, 2, 0]
    for row, case, (gold, _) in zip(pattern, wide, candidates.tolist(), strict=True):
        assert gold == 1 + int(row[1 : case.sites["A-1"]].argmax())


def test_the_distractor_is_the_one_with_the_most_mass(encoded, stories):
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, block_size=64, n_layer=2, n_embd=32, n_head=4))
    with_two = []
    for case in encoded:
        spans = replace(case.case.spans, distractors=(*case.case.spans.distractors[:1], (0, 2)))
        own = replace(case.case, spans=spans)
        with_two.append(replace(case, case=own, distractors=(*case.distractors[:1], (1, 2))))
    batch, compared = Batch(model, with_two), set()
    for head in range(4):
        candidates, _ = heaviest_tokens(batch, 1, head, batch.asked)
        pattern = batch.replay.pattern(1, batch.asked[:, None])[:, head, 0]
        for row, case, (_, rival) in zip(pattern, with_two, candidates.tolist(), strict=True):
            masses = [float(row[start:end].sum()) for start, end in case.distractors]
            heavier = case.distractors[masses.index(max(masses))]
            assert heavier[0] <= rival < heavier[1]
            compared.add(masses.index(max(masses)))
    assert compared == {0, 1}


def test_what_a_head_does_not_see_and_linear_attention_are_left_out(encoded, stories):
    shape = {"block_size": 64, "n_layer": 2, "n_embd": 32, "n_head": 4}
    split = Split(encoded)
    short = loud_model(GPTConfig(stories.tokenizer.vocab_size, attention="W", window=2, **shape))
    assert measure_scores(short, split, "1.0", "A-1") == NotMeasured(
        "head 1.0 sees both candidates from A-1 in 0 cases, of 20 needed"
    )
    linear = loud_model(GPTConfig(stories.tokenizer.vocab_size, attention="FL", **shape))
    reason = "head 1.0 is one of linear attention, whose weights are not made of scores"
    assert measure_scores(linear, split, "1.0", "A-1") == NotMeasured(reason)
