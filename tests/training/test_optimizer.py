"""Muon and AdamW are torch's, and every parameter is trained by exactly one rule."""

import pytest
import torch
from conftest import ATTENTION_ALONE, GPT2_SHAPE
from tolerance import assert_near
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from common.errors import InputError
from model import GPT, GPTConfig
from training import muon
from training.adamw import AdamW
from training.config import OptimizerConfig
from training.muon import Muon, apply, orthogonalize
from training.optimizer import Optimizers, parameter_groups
from training.world import World

SHAPES = [(16, 16), (64, 16), (16, 64), (16, 16), (8, 16)]


def test_muon_takes_torchs_steps(monkeypatch):
    """torch.optim.Muon iterates in bfloat16, which alone is why the tolerance is not 1e-6."""
    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in SHAPES]
    ours, theirs = ([torch.nn.Parameter(tensor.clone()) for tensor in start] for _ in range(2))
    mine = Muon(ours, momentum=0.9)
    reference = torch.optim.Muon(theirs, lr=0.1, momentum=0.9, weight_decay=0.0, nesterov=True)
    for _ in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        mine.step(0.1, weight_decay=0.0)
        reference.step()
    for a, b, origin in zip(ours, theirs, start, strict=True):
        moved = (b - origin).norm()
        assert (a - b).norm() / moved < 0.02


def test_adamw_takes_torchs_steps_bit_for_bit():
    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in ((7, 3), (5,), (40, 33))]
    ours, theirs = ([nn.Parameter(tensor.clone()) for tensor in start] for _ in range(2))
    mine = AdamW(ours, betas=(0.8, 0.95))
    reference = torch.optim.AdamW(theirs, betas=(0.8, 0.95), eps=1e-10, fused=True)
    for i in range(5):
        lr = reference.param_groups[0]["lr"] = 0.1 / (i + 1)
        decay = reference.param_groups[0]["weight_decay"] = 0.1 * i
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        mine.step(lr, decay)
        reference.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not any(torch.equal(a, origin) for a, origin in zip(ours, start, strict=True))


def test_orthogonalized_matrices_keep_their_singular_vectors():
    torch.manual_seed(0)
    matrices = torch.randn(3, 10, 25)
    result = orthogonalize(matrices)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6
    assert values.max() < 1.25
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ result @ vh.mT
    assert (inner - torch.diag_embed(inner.diagonal(dim1=-2, dim2=-1))).abs().max() < 1e-4


def test_cautious_decay_only_shrinks_what_the_update_shrinks():
    torch.manual_seed(0)
    start = torch.randn(8, 8)
    moved = []
    for decay in (0.0, 0.5):
        weight = torch.nn.Parameter(start.clone())
        weight.grad = torch.randn(8, 8, generator=torch.Generator().manual_seed(1))
        Muon([weight]).step(0.1, decay)
        moved.append(weight.detach())
    without, with_decay = moved
    update = start - without
    agrees = update * start > 0
    assert_near(with_decay[~agrees], without[~agrees])
    assert_near(with_decay[agrees], (without - 0.05 * start)[agrees])


@pytest.mark.parametrize("shape", [(24, 8), (8, 24)])
def test_weights_move_together_as_they_would_one_by_one_bit_for_bit(shape):
    torch.manual_seed(0)
    weights, updates = torch.randn(3, *shape), torch.randn(3, *shape)
    together = tuple(weights.clone().unbind())
    apply(together, updates, 0.03, 0.7)
    scale = max(1.0, shape[0] / shape[1]) ** 0.5
    for weight, update, moved in zip(weights, updates, together, strict=True):
        weight.mul_(1 - 0.03 * 0.7 * (update * weight > 0))
        weight.add_(update, alpha=-0.03 * scale)
        assert torch.equal(moved, weight)


class Count(TorchDispatchMode):
    """How many operations there are but views; on a GPU each of these is a launch at least."""

    n = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.n += not function.is_view
        return function(*arguments, **(keywords or {}))


def test_muon_takes_as_many_operations_for_many_matrices_as_for_few():
    counts = []
    for n in (1, 5):
        weights = [nn.Parameter(torch.randn(shape)) for shape in n * [(16, 16), (32, 16), (16, 32)]]
        optimizer = Muon(weights)
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        with Count() as count:
            optimizer.step(0.1, weight_decay=0.1)
        counts.append(count.n)
    assert counts[0] == counts[1]


def test_each_process_orthogonalizes_a_part_of_the_matrices(monkeypatch):
    taken = []
    monkeypatch.setattr(muon, "orthogonalize", lambda matrices: taken.append(len(matrices)) or matrices)
    monkeypatch.setattr(torch.distributed, "all_gather", lambda parts, own: None)
    for rank in range(3):
        weights = [nn.Parameter(torch.ones(8, 8)) for _ in range(7)]
        for weight in weights:
            weight.grad = torch.ones(8, 8)
        Muon(weights, world=World(rank, 3)).step(0.1, weight_decay=0.0)
    assert taken == [3, 3, 1]


@pytest.mark.parametrize(
    ("shape", "matrices", "scalars"),
    [({}, 3 * 6, 0), (GPT2_SHAPE, 3 * 6, 3 * (6 + 4) + 2), (ATTENTION_ALONE, 3 * 4, 3 * 4 + 1)],
)
def test_groups_cover_every_parameter(shape, matrices, scalars):
    model = GPT(GPTConfig(50, n_layer=3, **shape))
    groups = parameter_groups(model)
    assert (len(groups["matrices"]), len(groups["scalars"])) == (matrices, scalars)
    assert sum(len(group) for group in groups.values()) == len(list(model.parameters()))


def test_each_group_has_its_own_rate():
    shape = GPT2_SHAPE | {"tie_embeddings": False}
    model = GPT(GPTConfig(50, n_layer=1, n_head=2, n_embd=16, **shape), seed=1)
    embeddings = {id(parameter) for parameter in parameter_groups(model)["embeddings"]}
    assert embeddings == {id(model.embed.weight), id(model.position.weight)}
    config = OptimizerConfig(matrix_lr=1.0, embedding_lr=2.0, head_lr=3.0, scalar_lr=4.0)
    assert Optimizers(model, config).rates() == {"lr/matrices": 1, "lr/embeddings": 2, "lr/head": 3, "lr/scalars": 4}


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_state_survives_as_tensors(name):
    def make():
        model = GPT(GPTConfig(50, n_layer=1, n_head=2, n_embd=16), seed=1)
        return model, Optimizers(model, OptimizerConfig(name))

    def step(model, optimizers, seed):
        tokens = torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(seed))
        model(tokens[:, :-1], tokens[:, 1:]).backward()
        optimizers.step(0.1, 0.2, seed)

    straight, optimizers = make()
    step(straight, optimizers, 0)
    resumed, others = make()
    with torch.no_grad():
        for a, b in zip(resumed.parameters(), straight.parameters(), strict=True):
            a.copy_(b)
    others.load_state_tensors({name: tensor.clone() for name, tensor in optimizers.state_tensors().items()})
    for model, optimizer in ((straight, optimizers), (resumed, others)):
        step(model, optimizer, 1)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))


def test_state_of_another_optimizer_is_refused():
    optimizers = Optimizers(GPT(GPTConfig(50, n_layer=1, n_head=2, n_embd=16), seed=1), OptimizerConfig())
    state = optimizers.state_tensors()
    name = "blocks.0.attention.q.weight/momentum"
    for wrong in ({}, state | {name: torch.ones(1)}, state | {"extra": torch.ones(1)}):
        with pytest.raises(InputError, match="the checkpoint's optimizer state does not have the shapes"):
            optimizers.load_state_tensors(wrong)


@pytest.mark.parametrize("device_decides", [True, False])
@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_step_that_is_not_finite_changes_nothing(name, device_decides):
    model = GPT(GPTConfig(50, n_layer=1, n_head=2, n_embd=16), seed=1)
    optimizers = Optimizers(model, OptimizerConfig(name, weight_decay=0.1))
    optimizers.device_decides = device_decides

    def step(finite: bool, poison: float) -> None:
        tokens = torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(0))
        (model(tokens[:, :-1], tokens[:, 1:]) * poison).backward()
        optimizers.step(0.1, 0.2, 3, torch.tensor(finite))

    def everything() -> dict[str, torch.Tensor]:
        return {key: value.clone() for key, value in optimizers.state_tensors().items()} | {
            key: value.detach().clone() for key, value in model.named_parameters()
        }

    step(True, 1.0)
    before = everything()
    step(False, float("nan"))
    after = everything()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in model.parameters())
    step(True, 1.0)
    assert not all(torch.equal(before[key], value) for key, value in everything().items())


def test_rates_and_weight_decay_follow_their_schedules(monkeypatch):
    model = GPT(GPTConfig(50, n_layer=1, n_head=2, n_embd=16), seed=1)
    config = OptimizerConfig(matrix_lr=0.03, weight_decay=0.4, weight_decay_schedule="cosine", decay_fraction=1.0)
    optimizers = Optimizers(model, config)
    stepped = {}
    for name, group in optimizers.groups.items():
        monkeypatch.setattr(group.optimizer, "step", lambda *given, name=name: stepped.update({name: given}))
    optimizers.step(0.5, 0.6, 1)
    assert stepped.keys() == {"matrices", "head"}  # the tied embedding is the head
    assert stepped["matrices"] == (pytest.approx(0.015), pytest.approx(0.2), None)
    assert stepped["head"] == (pytest.approx(config.head_lr / 2), 0.0, None)
    assert optimizers.rates() == {f"lr/{name}": given[0] for name, given in stepped.items()}
