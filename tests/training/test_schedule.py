"""Budgets and rates as pure functions."""

import pytest

from report.training_summary import title
from training.config import DEFAULT_MAX_STEPS, OptimizerConfig, TrainConfig
from training.schedule import fraction_done, learning_rate_scale, muon_momentum, weight_decay_scale


@pytest.mark.parametrize(
    ("budget", "fraction"),
    [
        ({"max_steps": 100}, 0.1),
        ({"max_tokens": 4_000}, 0.5),
        ({"max_minutes": 1}, 0.05),
        ({"max_steps": 100, "max_tokens": 4_000, "max_minutes": 1}, 0.5),
        ({"max_steps": 5}, 1.0),
    ],
)
def test_the_nearest_limit_decides(budget, fraction):
    assert fraction_done(TrainConfig(**budget), step=10, tokens=2_000, seconds=3) == pytest.approx(fraction)


def test_no_steps_at_all_is_a_budget_that_is_used_up_at_once():
    config = TrainConfig(max_steps=0)
    assert fraction_done(config, step=0, tokens=0, seconds=0) == 1
    row = {"step": 0, "tokens": 0, "val_loss": 2.5, "val_bpb": 1.25}
    assert title(config, [row]).startswith("Step 0 of 0: validation loss 2.5000")


def test_without_a_budget_there_is_a_default():
    assert TrainConfig().max_steps == DEFAULT_MAX_STEPS
    assert TrainConfig(max_minutes=2).max_steps is None


def test_the_rate_warms_up_stays_and_falls_to_zero():
    config = OptimizerConfig(warmup_fraction=0.1, decay_fraction=0.4)
    rates = [learning_rate_scale(config, i / 20, (i + 1) / 20) for i in (0, 1, 2, 12, 16, 19)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 0.5, 0.125])
    assert learning_rate_scale(OptimizerConfig(warmup_fraction=0.5), 0, 1) == 1, "of a single step"
    assert learning_rate_scale(OptimizerConfig(), 0, 0.01) == 1, "without a warm-up"


def test_weight_decay_stays_or_falls_to_zero_as_a_cosine():
    for schedule, expected in (("constant", [1, 1, 1, 1]), ("cosine", [1, 0.75, 0.5, 0])):
        config = OptimizerConfig(weight_decay=0.1, weight_decay_schedule=schedule)
        assert [weight_decay_scale(config, fraction) for fraction in (0, 1 / 3, 1 / 2, 1)] == pytest.approx(expected)


def test_momentum_rises_and_stays():
    assert [muon_momentum(step) for step in (0, 150, 300, 10_000)] == pytest.approx([0.85, 0.9, 0.95, 0.95])


@pytest.mark.parametrize("wrong", [{"max_steps": -1}, {"max_tokens": 0}, {"max_minutes": -1}, {"eval_every": 0}])
def test_budgets_must_be_positive(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainConfig(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"matrix_lr": 0.0}, {"warmup_fraction": 0.5, "decay_fraction": 0.6}, {"clip": 0.0}, {"average_fraction": 0.0}],
)
def test_impossible_schedules_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OptimizerConfig(**wrong)


@pytest.mark.parametrize("wrong", [{"weight_decay_schedule": "cosine"}, {"average_fraction": 0.1}])
def test_a_setting_of_the_optimizer_without_effect_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=rf"^{name}=.*: has no effect with.*; give optimizer\..* leave the .* out$"):
        OptimizerConfig(**wrong)


def test_patience_could_end_a_run_before_its_mean_of_the_last_weights_begins():
    with pytest.raises(ValueError, match=r"^patience=3: .*; give patience=null, or optimizer.average=ema$"):
        TrainConfig(patience=3, optimizer=OptimizerConfig(average="last"))
    TrainConfig(patience=3, optimizer=OptimizerConfig(average="ema"))
