"""What Weights & Biases is given, read back from its files; online, from the arguments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import wandb

from common.errors import InputError
from training.wandb_sink import WandbSink


def records(folder: Path, kind: str) -> list[dict]:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", folder]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [record[kind] for record in map(json.loads, lines) if record["type"] == kind]


def test_the_parts_of_a_resumed_offline_run_are_joined_when_they_are_synced(tmp_path):
    for step in (1, 2):
        with WandbSink(tmp_path, "offline", "project", {}) as sink:
            sink({"step": step, "train_loss": 1.0 / step})
    (part,) = records(tmp_path / "wandb" / "latest-run", "run")
    assert part["run_id"] == (tmp_path / "wandb" / "run_id").read_text()
    assert part["resume"] is True


@pytest.mark.parametrize("mode", ["offline", "online"])
@pytest.mark.parametrize("project", ["my/project", "a" * 200])
def test_a_bad_project_is_named_and_no_other_mode_advised(tmp_path, mode, project):
    with pytest.raises(InputError) as caught:
        WandbSink(tmp_path, mode, project, {})
    message = str(caught.value)
    assert message.startswith(f"wandb.project={project}: Invalid project name")
    assert "wandb.mode" not in message
    assert "\n" not in message


@pytest.mark.parametrize(("mode", "remedy"), [("online", "offline"), ("offline", "disabled")])
@pytest.mark.parametrize("error", [wandb.errors.CommError("no answer\nat all"), OSError("no answer")])
def test_a_start_that_fails_advises_another_mode(tmp_path, monkeypatch, mode, remedy, error):
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(wandb, "init", fail)
    with pytest.raises(InputError, match=rf"^wandb\.mode={mode}: no answer; try wandb\.mode={remedy}$"):
        WandbSink(tmp_path, mode, "project", {})


def test_a_service_that_is_gone_ends_no_run(tmp_path, monkeypatch, capsys):
    with WandbSink(tmp_path, "offline", "project", {}) as sink:

        def lost(*_: object, **__: object) -> None:
            raise BrokenPipeError("the service is gone")

        sink({"step": 1})
        monkeypatch.setattr(sink.run, "log", lost)
        sink({"step": 2})
        sink({"step": 3})
    said = "note   wandb takes no more rows (the service is gone); metrics.jsonl has them\n"
    assert capsys.readouterr().err.count(said) == 1
