"""Snapshots: at the right steps, whole, and what the weights were."""

import pytest
import torch
from trainers import make_trainer, new_run

from common.errors import InputError
from storage import snapshots
from storage.weights import get_parameters

CPU = torch.device("cpu")


def test_steps_double_and_some_lie_between():
    assert [step for step in range(300) if snapshots.is_due(step, 1)] == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert [step for step in range(70) if snapshots.is_due(step, 2)] == [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64]
    assert not any(snapshots.is_due(step, 0) for step in range(10))


@pytest.mark.parametrize("n", [3, 7, 20])
def test_steps_are_powers_of_two_by_nth_parts(n):
    due = {round(2 ** (i / n)) for i in range(12 * n + 1)}
    assert {step for step in range(1, 4_097) if snapshots.is_due(step, n)} == due


def test_more_than_all_steps_are_all_steps():
    assert all(snapshots.is_due(step, 2**63 - 1) for step in range(1_000))


def test_a_run_keeps_its_weights_at_these_steps_also_when_it_is_resumed(tmp_path, stories):
    settings = {"snapshots": 1, "max_steps": 9}
    straight = new_run(tmp_path / "straight", stories, **settings)
    seen = {0: {name: value.clone() for name, value in get_parameters(straight.model).items()}}
    straight.sinks.append(
        lambda row: seen.update({row["step"]: {n: v.clone() for n, v in get_parameters(straight.model).items()}})
    )
    straight.train()
    kept = list(snapshots.load_all(tmp_path / "straight", CPU))
    assert [described for described, _ in kept] == [{"step": n, "tokens": 256 * n} for n in (0, 1, 2, 4, 8)]
    for described, model in kept:
        assert not model.training
        for name, value in get_parameters(model).items():
            assert torch.equal(value, seen[described["step"]][name])

    half = new_run(tmp_path / "half", stories, snapshots=1, max_steps=4)
    half.train()
    late = snapshots.saved(tmp_path / "half")[-1].with_name("step_000099.safetensors")
    late.write_bytes(b"of a run that went on from here, and was killed")
    resumed = make_trainer(tmp_path / "half", stories, snapshots=1, max_steps=9)
    resumed.restore()
    assert not late.exists()
    resumed.train()
    assert [path.name for path in snapshots.saved(tmp_path / "half")] == [
        path.name for path in snapshots.saved(tmp_path / "straight")
    ]


def test_no_snapshots_unless_asked_for(tmp_path, stories):
    new_run(tmp_path / "run", stories, max_steps=2).train()
    assert snapshots.saved(tmp_path / "run") == []


def test_a_damaged_snapshot_is_named(tmp_path, stories):
    new_run(tmp_path / "run", stories, snapshots=1, max_steps=2).train()
    path = snapshots.saved(tmp_path / "run")[1]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"step_000001.safetensors is damaged .*delete it to leave it out"):
        list(snapshots.load_all(tmp_path / "run", CPU))


def test_probes_are_asked_every_so_many_steps_and_change_nothing_else(tmp_path, stories):
    plain = new_run(tmp_path / "plain", stories, max_steps=6)
    plain.train()
    probed = new_run(tmp_path / "probed", stories, max_steps=6, probe_every=2)
    steps = []
    probed.probes = [lambda model: steps.append(model.training) or {"probe/cue/accuracy": 0.5}]
    probed.train()
    assert steps == [False] * 4  # at 0, 2, 4 and 6, in evaluation mode
    for one, other in zip(plain.model.parameters(), probed.model.parameters(), strict=True):
        assert torch.equal(one, other)
