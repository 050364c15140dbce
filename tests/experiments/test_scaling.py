"""What is measured of scores that are divided by the root of the head size, against numbers that can be known."""

import json
import math

import pytest
import torch

from experiments import runs
from experiments.articles import scaling
from model import GPT, GPTConfig


def causal(pattern: torch.Tensor) -> torch.Tensor:
    """Rows over the tokens that they see, each with sum 1."""
    seen = pattern.double().tril()
    return seen / seen.sum(-1, keepdim=True)


def test_entropy_is_1_where_all_tokens_get_the_same_and_0_where_one_gets_all():
    assert scaling.relative_entropy(causal(torch.ones(2, 5, 5))) == pytest.approx(1)
    assert scaling.relative_entropy(torch.eye(5).double()) == 0
    halves = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]]).double()
    known = (1 + math.log(2) / math.log(3) + math.log(2) / math.log(4)) / 3
    assert scaling.relative_entropy(halves) == pytest.approx(known)


def test_the_spread_of_scores_is_found_again_in_their_softmax():
    scores = 3 * torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).double()
    weights = scores.masked_fill(torch.ones(64, 64).triu(1).bool(), -math.inf).softmax(-1)
    expected = torch.stack([scores[row, : row + 1].std() for row in range(32, 64)]).mean()
    assert scaling.score_spread(weights) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("size", [8, 128])
def test_scores_of_unit_variance_spread_as_the_root_of_the_head_size_unless_divided(size):
    tokens = torch.randint(500, (8, 64), generator=torch.Generator().manual_seed(0))
    for divided, expected in ((True, 1.0), (False, math.sqrt(size))):
        shape = {"n_head": 128 // size, "qk_norm": False, "scale_attention": divided}
        model = GPT(GPTConfig(500, block_size=64, **shape), seed=0)
        assert scaling.score_spread(scaling.patterns(model, tokens)) == pytest.approx(expected, rel=0.15)


def grid_of(cost: float) -> dict:
    """Toy runs of two seeds, where not dividing costs unit variance so much, and the other shapes nothing."""
    return {
        (shape, size, divided): [
            scaling.Measured(1.0, 0.9 if divided or shape == "GPT-2" else 0.1, 0.5, 1.0 + 0.001 * seed + extra)
            for seed, extra in enumerate([0.0 if divided or shape != "unit variance" else cost] * 2)
        ]
        for shape, (_, sizes) in scaling.SHAPES.items()
        for size in sizes
        for divided in (True, False)
    }


def test_what_saturates_and_what_it_costs_is_asked_of_each_shape():
    grid = grid_of(0.1)
    assert {shape: scaling.saturates(grid, shape) for shape in scaling.SHAPES} == {
        "unit variance": True,
        "GPT-2": False,
        "QK-norm": True,
    }
    assert scaling.extra_loss(grid, "unit variance", 128) == pytest.approx([0.1, 0.1])
    assert scaling.costs(grid, "unit variance")
    assert not scaling.costs(grid_of(-0.1), "unit variance")


def test_runs_become_a_verdict_tables_and_a_picture(tmp_path, monkeypatch):
    grid, trained = grid_of(0.1), {}

    def train_seeds(wanted: dict, setup: runs.Setup) -> dict:
        trained.update(wanted)
        return {name: [name for _ in setup.seeds] for name in wanted}

    def measure(name: str, seed: int) -> scaling.Measured:
        return next(of[seed] for key, of in grid.items() if scaling.name_of(key) == name)

    monkeypatch.setattr(scaling, "train_seeds", train_seeds)
    monkeypatch.setattr(scaling, "measure", measure)
    result = scaling.run(runs.Setup(tmp_path, (0, 1), pictures=tmp_path))
    assert len(trained) == len(grid)
    assert result.verdict == "holds in part"
    assert "leaving it out costs 0.100" in result.because
    json.dumps(result.numbers)
    assert all(len(row) == len(table.columns) for table in result.tables for row in table.rows)
    assert result.pictures[0].read_bytes().startswith(b"\x89PNG")


def test_train_py_takes_every_run():
    for shape, (_, sizes) in scaling.SHAPES.items():
        for size in (sizes[0], sizes[-1]):
            model = runs.command_of(scaling.overrides((shape, size, False))).model
            assert (model.head_dim, model.scale_attention) == (size, False)
            assert model.qk_norm == (shape == "QK-norm")
