"""The scripts that make tables out of runs; what they time is not tested here."""

import json
from pathlib import Path

import pytest

from benchmarks import stories


def make_run(folder: Path, accuracy: float, **more: float) -> str:
    folder.mkdir()
    last = {"seconds": 60.0, "tokens": 1000, "report/cue/accuracy": accuracy, "report/cue/loss": 0.1, **more}
    rows = [{"step": 0}, last]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def test_the_table_of_runs_has_means_and_extremes(tmp_path, capsys):
    stories.main([make_run(tmp_path / "a", 0.8), make_run(tmp_path / "b", 1.0)])
    out = capsys.readouterr().out
    assert "2 runs, 1.0 to 1.0 minutes, 1,000 tokens each" in out
    assert "| cue | 90.0% (80%-100%) | 0.100 (0.100-0.100) | - | - | - | - | - |" in out


def test_a_run_without_a_report_is_named(tmp_path):
    run = tmp_path / "text"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 3, "val_loss": 1.0}\n')
    with pytest.raises(SystemExit, match=r"text: its last row has no report on stories"):
        stories.main([str(run)])
    with pytest.raises(SystemExit, match=r"nowhere: its last row"):
        stories.main([str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match=r"name at least one run"):
        stories.main([])
