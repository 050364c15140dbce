"""Checkpoints are whole, or named as damaged with the newest good one."""

import json
import shutil

import pytest
import torch
from kills import kill_at_every_moment

from common.errors import InputError
from storage import checkpoint

MODEL = {"w": torch.arange(6.0).reshape(2, 3)}
MOVES = {"mkdir", "open", "rename", "replace", "rmdir"}
OPTIMIZER = {"w/momentum": torch.ones(2, 3), "w/step": torch.tensor(3.0)}


def flip_last_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def save(run, step, best_step=1):
    return checkpoint.save(run, MODEL, OPTIMIZER, {"step": step, "best_step": best_step})


def test_what_was_saved_is_loaded(tmp_path):
    save(tmp_path, 1)
    state, (model, optimizer) = checkpoint.load(tmp_path, "latest")
    assert state["step"] == 1
    assert torch.equal(model["w"], MODEL["w"])
    assert {name: tensor.tolist() for name, tensor in optimizer.items()} == {
        name: tensor.tolist() for name, tensor in OPTIMIZER.items()
    }


def test_the_latest_two_and_the_best_are_kept(tmp_path):
    for step in range(1, 8):
        save(tmp_path, step, best_step=min(step, 3))
    assert checkpoint.saved_steps(tmp_path) == [3, 6, 7]
    assert checkpoint.find(tmp_path, "best").name == "step_000003"
    assert checkpoint.find(tmp_path, "latest").name == "step_000007"
    assert checkpoint.find(tmp_path, "6").name == "step_000006"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_a_damaged_checkpoint_is_named_with_the_newest_good_one(tmp_path, name, damage):
    save(tmp_path, 1)
    path = save(tmp_path, 2) / name
    data = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        path.write_bytes(data.replace(b'"step": 2', b'"step": 3') if name == "state.json" else flip_last_bit(data))
    else:
        path.unlink()
    with pytest.raises(InputError, match="step_000002 is damaged") as caught:
        checkpoint.load(tmp_path, "latest")
    assert str(tmp_path / "checkpoints" / "step_000001") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_training_discards_meanwhile_is_not_called_damaged(tmp_path, monkeypatch):
    for step in (1, 2):
        save(tmp_path, step, best_step=step)
    read, steps = checkpoint.read_tensors, []

    def read_late(folder, *about):
        steps.append(int(folder.name[-6:]))
        if len(steps) == 1:
            for step in (3, 4):
                save(tmp_path, step, best_step=step)
        return read(folder, *about)

    monkeypatch.setattr(checkpoint, "read_tensors", read_late)
    assert checkpoint.load(tmp_path, "best")[0]["step"] == 4
    assert steps[:2] == [2, 4]


@pytest.mark.parametrize("look", [checkpoint.has_best, lambda run: checkpoint.find(run, "best")])
def test_a_damaged_latest_state_is_named_with_what_to_do_whoever_looks(tmp_path, look):
    for step in range(1, 4):
        save(tmp_path, step)
    checkpoint.folder_of(tmp_path, 3).joinpath("state.json").write_bytes(b"\xff{")
    checkpoint.folder_of(tmp_path, 2).joinpath("model.safetensors").unlink()
    with pytest.raises(InputError, match=r"step_000003 is damaged: .*step_000001: delete the damaged folder"):
        look(tmp_path)


def test_the_only_checkpoint_damaged_leaves_none(tmp_path):
    (save(tmp_path, 1) / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no other is left"):
        checkpoint.load(tmp_path, "best")


def test_a_crash_while_saving_leaves_the_earlier_ones(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def crash(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("common.atomic.flush_names", crash)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 2)
    monkeypatch.undo()
    assert checkpoint.saved_steps(tmp_path) == [1]
    save(tmp_path, 2)
    assert checkpoint.load(tmp_path, "latest")[0]["step"] == 2


def test_a_kill_at_any_moment_of_saving_leaves_whole_checkpoints_and_the_next_save_clears_up(tmp_path):
    seen = set()
    for step in (1, 2):
        save(tmp_path, step, best_step=2)
    for _ in kill_at_every_moment(lambda: save(tmp_path, 3, best_step=2), MOVES):
        for step in checkpoint.saved_steps(tmp_path):
            checkpoint.load(tmp_path, str(step))
        seen.add(tuple(checkpoint.saved_steps(tmp_path)))
        shutil.rmtree(tmp_path / "checkpoints")
        for step in (1, 2):
            save(tmp_path, step, best_step=2)
    assert seen == {(1, 2), (1, 2, 3), (2, 3)}


def test_a_kill_at_any_moment_of_saving_the_only_step_again_leaves_it_whole(tmp_path):
    seen = set()
    save(tmp_path, 3, best_step=1)
    for _ in kill_at_every_moment(lambda: save(tmp_path, 3, best_step=3)):
        state, _ = checkpoint.load(tmp_path, "latest")
        seen.add(state["best_step"])
        save(tmp_path, 3, best_step=1)
        assert {path.name for path in checkpoint.folder_of(tmp_path, 3).iterdir()} == {*checkpoint.FILES, "state.json"}
    assert seen == {1, 3}


def test_what_a_kill_left_of_a_checkpoint_goes_with_the_next(tmp_path):
    (tmp_path / "checkpoints" / ".step_000002.unfinished-abcd_123").mkdir(parents=True)
    folder = save(tmp_path, 3)
    assert [*folder.parent.iterdir()] == [folder]


@pytest.mark.parametrize("content", ["{}", "null", "[]", '"x"'])
def test_a_state_that_is_none_is_named(tmp_path, content):
    (save(tmp_path, 1) / "state.json").write_text(content)
    with pytest.raises(InputError, match=r"state\.json"):
        checkpoint.load(tmp_path, "latest")


def test_other_folders_beside_checkpoints_do_not_disturb(tmp_path):
    save(tmp_path, 1).with_name("step_000001.bak").mkdir()
    assert checkpoint.saved_steps(tmp_path) == [1]


@pytest.mark.parametrize("which", ["3", "newest", "-1"])
def test_unknown_checkpoints_are_named_with_those_there_are(tmp_path, which):
    save(tmp_path, 1)
    with pytest.raises(InputError, match=f"checkpoint={which}.*steps 1"):
        checkpoint.load(tmp_path, which)


def test_a_run_without_checkpoints_says_so(tmp_path):
    with pytest.raises(InputError, match="no checkpoint yet"):
        checkpoint.load(tmp_path, "latest")


def test_state_is_plain_json(tmp_path):
    folder = save(tmp_path, 1)
    assert json.loads((folder / "state.json").read_text())["sha256"].keys() == set(checkpoint.FILES)
