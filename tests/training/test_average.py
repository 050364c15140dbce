"""What is evaluated and kept is the mean of the weights, and training goes on from the weights themselves."""

import pytest
import torch
from tolerance import assert_near
from trainers import new_run

from storage import checkpoint
from storage.metrics import read_rows
from storage.weights import get_parameters
from training import OptimizerConfig
from training.average import Average, newest_share
from training.evaluation import validation_loss


def copied(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in get_parameters(model).items()}


def trained(folder, stories, steps: int = 8, **optimizer):
    """A trainer after its run, and the weights after each of its steps."""
    trainer, weights = new_run(folder, stories, max_steps=steps, optimizer=OptimizerConfig(**optimizer)), []
    trainer.sinks = [lambda row: weights.append(copied(trainer.model))]
    trainer.train()
    return trainer, weights[1:]  # the first row is of step 0


def test_last_is_the_plain_mean_of_the_last_weights(tmp_path, stories):
    trainer, weights = trained(tmp_path / "run", stories, average="last", average_fraction=0.5)
    for name, mean in get_parameters(trainer.evaluated).items():
        assert_near(mean, sum(after[name] for after in weights[4:]) / 4, n_terms=8)


def test_before_the_last_part_the_mean_is_the_weights_themselves(stories):
    model = torch.nn.Linear(2, 2)
    average = Average(model, OptimizerConfig(average="last", average_fraction=0.5))
    for value in (1.0, 2.0):
        torch.nn.init.constant_(model.weight, value)
        average.update(fraction=0.4)
        assert torch.equal(average.model.weight, model.weight)


def test_ema_remembers_a_share_of_the_steps_so_far():
    """Of all that counts, the share of the steps up to t is (t / T)^(1 / f)."""
    config = OptimizerConfig(average="ema", average_fraction=0.25)
    counts = []
    for steps in range(1, 101):
        share = newest_share(config, steps)
        counts = [count * (1 - share) for count in counts] + [share]
    assert sum(counts) == pytest.approx(1)
    for t in (10, 50, 90):
        assert sum(counts[:t]) == pytest.approx((t / 100) ** 4)


@pytest.mark.parametrize("average", ["ema", "last"])
def test_what_is_evaluated_and_kept_is_the_mean_and_training_never_reads_it(tmp_path, stories, average):
    plain, _ = trained(tmp_path / "plain", stories)
    trainer, _ = trained(tmp_path / "averaged", stories, average=average, average_fraction=0.5)
    for weight, other in zip(plain.model.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(weight, other)
    kept = checkpoint.load(trainer.run, "latest")[1][0]
    assert all(torch.equal(kept[name], mean) for name, mean in get_parameters(trainer.evaluated).items())
    assert not torch.equal(kept["embed.weight"], plain.model.embed.weight)
    last, of_plain = (read_rows(one.run / "metrics.jsonl")[-1] for one in (trainer, plain))
    assert last["val_loss"] == validation_loss(trainer.evaluated, stories.val)
    assert last["val_loss_latest"] == of_plain["val_loss"]


def test_gradients_are_clipped_to_their_common_norm(tmp_path, stories):
    trainer = new_run(tmp_path / "run", stories, max_steps=1, optimizer=OptimizerConfig(clip=0.01))
    norms, step = [], trainer.optimizers.step

    def watched(*arguments) -> None:
        norms.append(torch.nn.utils.get_total_norm([weight.grad for weight in trainer.model.parameters()]))
        step(*arguments)

    trainer.optimizers.step = watched
    logged = trainer.train_step()["grad_norm"]
    assert norms[0] == pytest.approx(0.01, rel=1e-3)  # the norm is divided by itself + 1e-6
    assert logged > 0.1, "what is logged is the norm before"
