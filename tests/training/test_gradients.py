"""Gradients are on their way while backward still runs."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from training import gradients
from training.gradients import GradientSum


class Done:
    def wait(self) -> None:
        pass


@dataclass
class Doubling:
    """Two processes with the same gradients; notes, whenever a sum begins, which parameters have theirs by then."""

    model: nn.Module
    size: int = 2
    sums: list[list[bool]] = field(default_factory=list)

    def begin_sum(self, tensor: torch.Tensor) -> Done:
        self.sums.append([parameter.grad is not None for parameter in self.model.parameters()])
        tensor.mul_(2)
        return Done()


@pytest.fixture
def model(monkeypatch) -> nn.Module:
    """Three layers, each of them a bucket."""
    monkeypatch.setattr(gradients, "BUCKET_BYTES", 4 * (8 * 8 + 8))
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8))


def backward(model: nn.Module) -> torch.Tensor:
    loss = model(torch.ones(2, 8)).square().mean()
    loss.backward()
    return loss.detach()


def test_a_bucket_is_sent_as_soon_as_it_is_full(model):
    world = Doubling(model)
    summed = GradientSum(model, world)
    summed.begin(torch.ones(()))
    backward(model)
    before, last, middle, first = world.sums
    assert not any(before), "the loss is sent before backward begins"
    assert (last[:4], middle[:2], all(first)) == ([False] * 4, [False] * 2, True)


def test_sums_are_of_all_micro_batches_and_of_the_loss(model):
    backward(model)
    once = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    world, loss = Doubling(model), torch.tensor(3.0)
    summed = GradientSum(model, world)
    for _ in range(2):  # of two steps, the second as the first
        backward(model)
        sent = len(world.sums)
        summed.begin(loss)
        assert len(world.sums) == sent + 1, "the first micro-batch sends nothing"
        backward(model)
        for got, expected in zip(summed.finish(), once, strict=True):
            torch.testing.assert_close(got, 4 * expected)
        model.zero_grad()
    assert loss == 12


def test_a_parameter_without_gradient_is_not_waited_for(model):
    world = Doubling(model)
    summed = GradientSum(model, world)
    summed.begin(torch.ones(()))
    model[1:](torch.ones(2, 8)).sum().backward()
    assert len(summed.finish()) == 4
    assert len(world.sums) == 3, "the loss and two layers"
