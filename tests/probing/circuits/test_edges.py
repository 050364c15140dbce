"""Direct paths between heads, against the same change made with PyTorch's own hooks on the whole network."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
import torch
import toys
from conftest import GPT2_SHAPE
from networks import loud_model
from tolerance import additions, assert_near, tolerance

from data import encode_case
from data.stories import cases
from model import GPT, GPTConfig
from probing.circuits.edges import (
    INPUTS,
    LISTED,
    DirectPath,
    Edge,
    Edges,
    NotMeasured,
    choose_receivers,
    edges_json,
    judge_edges,
    list_paths,
    measure_edges,
    patched,
)
from probing.heads import head_names, parse_head
from probing.interventions import Batch, measure
from probing.splits import Split

SHAPES = {
    "modern, grouped": {"n_kv_head": 2},
    "gpt2": GPT2_SHAPE,
    "no norm, no feed-forward layer": {"norm": "none", "mlp": "none", "position": "learned", "qk_norm": False},
    "window, strided, full": {"attention": "WSF", "window": 8, "stride": 3, "qk_norm": False},
    "full, window, strided": {"attention": "FWS", "window": 8, "stride": 3, "n_kv_head": 2},
    "linear": {"attention": "LLF", "n_kv_head": 2},
    "linear last, recurrent": {"attention": "FRL", "norm": "layernorm", "bias": True},
}


@pytest.fixture(scope="module", params=SHAPES)
def model(request, stories) -> GPT:
    """Three layers of random weights, with patterns far from uniform and heads that are heard beside the rest."""
    shape = {"block_size": 64, "n_layer": 3, "n_embd": 32, "n_head": 4, **SHAPES[request.param]}
    config = GPTConfig(stories.tokenizer.vocab_size, **shape)
    model = loud_model(config, queries=1.5 if config.qk_norm else 0.4)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter *= 0.01 if "mlp" in name else 1
            parameter += 1 if "norm" in name and "weight" in name else 0
    return model


@pytest.fixture(scope="module")
def encoded(stories) -> list:
    """Counterfactuals next to each other, of two tasks."""
    return [encode_case(case, stories.tokenizer) for case in cases("report", 2, 0, ("cue", "agreement"))]


def changed(model: GPT, inputs: dict, outputs: dict, tokens: torch.Tensor) -> torch.Tensor:
    """Logits with ``inputs`` and ``outputs``: module -> what becomes of its input, or of its output."""
    with ExitStack() as hooks, torch.no_grad():
        for module, edit in inputs.items():
            hook = module.register_forward_pre_hook(lambda _, args, edit=edit: (edit(args[0]), *args[1:]))
            hooks.callback(hook.remove)
        for module, edit in outputs.items():
            hook = module.register_forward_hook(lambda _, __, output, edit=edit: edit(output))
            hooks.callback(hook.remove)
        return model(tokens)


def recorded(model: GPT, tokens: torch.Tensor) -> dict:
    """What every block and every W_O reads."""
    seen = {}

    def keep(module):
        return lambda x: seen.setdefault(module, x.clone())

    modules = [module for block in model.blocks for module in (block, getattr(block.attention, "o", None)) if module]
    changed(model, {module: keep(module) for module in modules}, {}, tokens)
    return seen


def by_hand(model: GPT, case, clean: dict, there: dict, path: DirectPath) -> float:
    """Log-odds of a case with one path patched; ``clean``, ``there``: recorded of it and of its counterfactual."""
    (early, sender), (late, receiver) = parse_head(path.sender), parse_head(path.receiver)
    block = model.blocks[late]
    attention, w_o, width = block.attention, model.blocks[early].attention.o, model.config.head_dim
    own = slice(sender * width, (sender + 1) * width)
    change = (there[w_o] - clean[w_o])[..., own] @ w_o.weight[:, own].T
    with torch.no_grad():
        read = block.norm_attention(clean[block] + change)
    linears = [getattr(attention, path.input)]
    if path.input == "k" and hasattr(attention, "gate"):
        linears.append(attention.gate)
    theirs = slice(receiver * width, (receiver + 1) * width)

    def only_the_receiver(z: torch.Tensor) -> torch.Tensor:
        result = clean[attention.o].clone()
        result[..., theirs] = z[..., theirs]
        return result

    with torch.no_grad():
        projected = {linear: linear(read) for linear in linears}
    outputs = {linear: lambda _, linear=linear: projected[linear] for linear in linears}
    logits = changed(model, {attention.o: only_the_receiver}, outputs, torch.tensor([case.tokens]))
    logits = logits[0, case.sites["A-1"]]
    return float(logits[case.answer] - logits[case.foil])


def test_a_path_is_the_same_path_patched_by_hand(model, encoded, monkeypatch):
    monkeypatch.setattr("probing.interventions.batch.NUMBERS_PER_BATCH", 1 << 15)  # so that variants are split up
    paths = list_paths(model, head_names(model))
    got = measure(model, encoded, {"paths": lambda batch: patched(batch, head_names(model))})
    limit = tolerance(n_terms=additions(model.config, 64), scale=4)
    seen = [recorded(model, torch.tensor([case.tokens])) for case in encoded]
    tried = [k for k, path in enumerate(paths) if path.sender is not None]
    for k in [tried[i] for i in torch.randperm(len(tried), generator=torch.Generator().manual_seed(0))[:20]]:
        for i, case in enumerate(encoded):
            expected = by_hand(model, case, seen[i], seen[i ^ 1], paths[k])
            assert got["paths"][k, i] == pytest.approx(expected, abs=limit), (paths[k], case.case.id)
    for input in INPUTS:  # or there was nothing to compare
        own = [k for k in tried if paths[k].input == input]
        assert (got["clean"] - got["paths"])[own].abs().max() > 30 * limit


def test_an_edge_from_a_head_that_puts_out_the_same_in_both_is_nothing(model, encoded):
    names = head_names(model)
    control = [k for k, path in enumerate(list_paths(model, names)) if path.sender is None]
    got = measure(model, encoded, {"paths": lambda batch: patched(batch, names)})
    assert control
    assert_near(got["paths"][control], got["clean"].expand(len(control), -1), additions(model.config, 64), scale=4)


def test_the_negative_control_notices_cases_beside_a_stranger(model, encoded, monkeypatch):
    """As it would if a head were patched from another case than the counterfactual."""
    names = head_names(model)
    monkeypatch.setattr(Batch, "counterfactuals", lambda batch: torch.arange(len(batch.cases)) ^ 2)
    monkeypatch.setattr("probing.circuits.edges.first_difference", lambda batch: batch.asked)
    control = [k for k, path in enumerate(list_paths(model, names)) if path.sender is None]
    got = measure(model, encoded, {"paths": lambda batch: patched(batch, names)})
    assert (got["paths"][control] - got["clean"]).abs().max() > 0.01


def test_the_head_that_carries_the_gender_feeds_the_query_of_the_head_that_looks():
    model, split = toys.hand_set_model(), Split(toys.encoded("report", 100))
    found = measure_edges(model, split, ["1.0"], head_names(model))
    (edge,) = found.counting
    assert (edge.sender, edge.receiver, edge.input) == ("0.0", "1.0", "q")
    assert edge == found.edges[0]
    assert edge.drop == pytest.approx(20.24, abs=0.1)  # as much as the weight swap in that head costs
    assert edge.p_adj < 0.01
    assert found.reference == pytest.approx(0, abs=1e-5)
    assert found.negative_control == pytest.approx(0, abs=1e-5)
    assert len(found.edges) == 2 * 3 * 2
    assert all(other.drop == pytest.approx(0, abs=1e-5) for other in found.edges[1:])


def test_cases_whose_sites_differ_and_models_of_one_layer_have_no_edges(stories):
    of_two_lengths = [case for case in toys.encoded("report", 100) if case.sites["A-1"] > 4][:2]
    apart = Split([*toys.encoded("report", 20)[1:], *of_two_lengths])
    found = measure_edges(toys.hand_set_model(), apart, ["1.0"], ["1.0"])
    assert found == NotMeasured("no counterfactuals are there that have their sites at the same positions")
    flat = GPT(GPTConfig(toys.TOKENIZER.vocab_size, block_size=toys.BLOCK, n_layer=1, n_embd=32)).eval()
    split = Split(toys.encoded("report", 20))
    assert measure_edges(flat, split, [], head_names(flat)) == NotMeasured("no head comes before another one")


def paths_to(receivers: str, sender: str = "0.0") -> list[DirectPath]:
    return [DirectPath(0, sender, receiver, "q") for receiver in receivers.split()]


def judged(drops: list[float], paths: list[DirectPath], looking: tuple[str, ...] = ("1.0",)) -> object:
    """Edges whose drop in every case is nearly the given one."""
    split = Split(toys.encoded("report", 60))
    noise = np.random.default_rng(0).normal(scale=0.01, size=(len(drops), len(split.cases)))
    return judge_edges(paths, np.array(drops)[:, None] + noise, 0.0, split, looking)


@pytest.mark.parametrize(
    ("drop", "other", "counts"),
    [
        (2.0, 0.5, True),
        (2.0, -2.5, False),  # what does not look may move as much, in either direction
        (-2.0, 0.5, False),
        (0.09, 0.0, False),  # too little to speak of
    ],
)
def test_an_edge_counts_if_it_carries_more_than_between_heads_that_do_not_look(drop, other, counts):
    found = judged([drop, other], paths_to("1.0 1.1"))
    assert found.reference == pytest.approx(abs(other), abs=0.05)
    (edge,) = [edge for edge in found.edges if edge.receiver == "1.0"]
    assert edge.counts is counts


def test_an_edge_that_may_be_chance_does_not_count():
    split = Split(toys.encoded("report", 60))
    drops = np.where(np.arange(len(split.cases)) < 2, 60.0, 0.0)[None]
    (edge,) = judge_edges(paths_to("1.0"), drops, 0.0, split, ["1.0"]).edges
    assert edge.drop == pytest.approx(2)
    assert not edge.counts


def test_an_edge_whose_interval_reaches_0_does_not_count():
    """Over a single template, nothing is known of how templates differ."""
    cases = [replace(case, case=replace(case.case, template="one")) for case in toys.encoded("report", 60)]
    drops = np.where(np.arange(len(cases)) < 1, -0.5, 1.0)[None]
    (edge,) = judge_edges(paths_to("1.0"), drops, 0.0, Split(cases), ["1.0"]).edges
    assert edge.p_adj < 0.01
    assert edge.ci[0] < 0
    assert not edge.counts


def test_paths_from_heads_that_look_are_no_reference():
    paths = [*paths_to("1.0"), *paths_to("1.1", sender="0.1"), *paths_to("1.1")]
    assert judged([2.0, 3.0, 0.3], paths, ("1.0", "0.1")).reference == pytest.approx(0.3, abs=0.05)
    assert judged([2.0], paths_to("1.0")).reference is None


def test_a_small_sure_edge_counts_beside_a_large_unsure_one():
    split, rng = Split(toys.encoded("report", 60)), np.random.default_rng(0)
    drops = np.stack([rng.normal(*of, size=len(split.cases)) for of in ((0.2, 0.05), (0, 20))])
    sure, unsure = sorted(
        judge_edges(paths_to("1.0 1.1"), drops, 0.0, split, ["1.0", "1.1"]).edges, key=lambda edge: edge.receiver
    )
    assert sure.counts
    assert sure.p_adj < 0.001
    assert not unsure.counts
    assert unsure.p_adj > 0.05


def test_of_a_model_of_many_heads_some_that_look_and_some_others_are_receivers():
    model = GPT(GPTConfig(10, block_size=4, n_layer=5, n_head=4, n_embd=8))
    names = list(head_names(model))
    chosen = choose_receivers(model, names[:10], [names[12], *names[9:7:-1]], [*names[8:12], *names[::-1]])
    assert chosen == [*names[:6], *names[8:12], *names[-6:]]
    small = GPT(GPTConfig(10, block_size=4, n_layer=4, n_head=4, n_embd=8))
    assert choose_receivers(small, [], [], []) == list(head_names(small))


def test_the_edges_that_are_listed_are_the_strongest_whatever_their_sign():
    drops = [*np.linspace(0.5, 0.1, LISTED), -2.0, 0.01, -0.01]
    edges = [
        Edge("0.0", f"1.{i}", "k", drop, (drop, drop), 1.0, i == 151) for i, drop in enumerate(sorted(drops)[::-1])
    ]
    listed = edges_json(Edges(tuple(edges), None, 0.0, 8, ("1.0",)))["edges"]
    assert [edge["drop"] for edge in listed] == [
        *(round(float(drop), 5) for drop in np.linspace(0.5, 0.1, LISTED)[:-1]),
        -0.01,
        -2.0,
    ]
