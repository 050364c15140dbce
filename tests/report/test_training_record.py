"""What the page on training is made of: a record made small, and sentences that say where a run stands."""

import json
import math
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import evaluation, record, references, write_run

from report import training_page as page
from report import training_summary as summary
from training import TrainConfig


@given(st.lists(st.floats(-10, 10), max_size=300), st.integers(4, 50))
def test_thinning_keeps_the_shape_of_a_line(losses, n):
    points = list(enumerate(losses))
    kept = page.thin(points, n)
    assert len(kept) <= max(n, 0)
    assert kept == [point for point in points if point in kept], "in order, and nothing invented"
    if points:
        assert kept[0] == points[0]
        assert kept[-1] == points[-1]
        for extreme in (min, max):
            assert extreme(loss for _, loss in kept) == extreme(losses)


def test_thinning_keeps_a_spike_in_its_place():
    points = [(step, 9.0 if step == 51_230 else 1.0) for step in range(0, 100_001, 10)]
    kept = page.thin(points, 1_000)
    assert (51_230, 9.0) in kept
    gaps = [after - before for (before, _), (after, _) in pairwise(kept)]
    assert max(gaps) < 500


def test_few_are_kept_all_and_many_evenly():
    rows = [{"step": step} for step in range(400)]
    assert page.evenly_spaced(rows[:40], 40) == rows[:40]
    kept = [row["step"] for row in page.evenly_spaced(rows, 40)]
    assert len(kept) == 40
    assert (kept[0], kept[-1]) == (0, 399)
    assert {after - before for before, after in pairwise(kept)} == {10, 11}
    assert {"step": 7} in page.evenly_spaced(rows, 40, keep=rows[7])


def test_a_loss_counts_from_where_it_stays_below_chance():
    def rows(*losses: float) -> list[dict]:
        return [{"step": i, **evaluation(i, 1.0), **references(loss)} for i, loss in enumerate(losses)]

    assert summary.below_chance_since(rows(3, 0.6, 0.8, 0.69, 0.1), "cue") == 3
    assert summary.below_chance_since(rows(3, 0.6, 0.8), "cue") is None
    assert summary.below_chance_since(rows(3, 0.7), "cue") is None
    lost = rows(3, 0.6, 0.5)
    lost[1]["referential/cue/loss"] = None
    assert summary.below_chance_since(lost, "cue") == 2
    assert summary.below_chance_since(rows(0.1), "facts") is None


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({"max_steps": 800}, "Step 400 of 800"),
        ({"max_tokens": 102_400}, "Step 400, 25.6\u00a0k of 102\u00a0k tokens"),
        ({"max_minutes": 5}, "Step 400, 3.3 of 5 minutes"),
        ({"max_steps": 800, "max_minutes": 5}, "Step 400, 3.3 of 5 minutes"),
        ({}, "Step 400 of 2,500"),
    ],
)
def test_the_title_says_where_the_run_stands_and_how_good_it_is(budget, expected):
    loss = record()[-1]["val_loss"]
    reported = summary.title(TrainConfig(**budget), record())
    assert reported == f"{expected}: validation loss {loss:.4f} nats per token, {loss / 3:.4f} bits per byte"


def test_a_loss_that_is_no_number_is_called_that():
    rows = record()
    rows[-1] |= {"val_loss": None, "val_bpb": None}
    assert summary.title(TrainConfig(max_steps=400), rows) == "Step 400 of 400: the validation loss is not finite"
    best = rows[30]["val_loss"]
    reported = " ".join(summary.sentences(TrainConfig(max_steps=400), rows, Path("runs/x"), "ended"))
    assert f"The best validation loss, {best:.4f}, was at step 300, 1 evaluation ago" in reported


@pytest.mark.parametrize(
    ("state", "budget", "expected"),
    [
        (
            "training",
            {"max_steps": 800},
            "^50\u00a0% of the budget was used up when this was written, 3.3 minutes and 25.6\u00a0k tokens",
        ),
        (
            "stopped",
            {"max_steps": 800},
            "stopped after step 400: 50\u00a0% .* To resume: python train.py run=runs/x resume=true",
        ),
        ("ended", {"max_minutes": 3.4}, r"Training ended at step 400, after 3\.3 minutes .*, 256 tokens a second\."),
        ("stopped", {"max_steps": 400}, "Training ended at step 400"),
        ("failed", {"max_steps": 800}, "Training failed after step 400: 50\u00a0% .* To resume: python train.py"),
        (None, {"max_steps": 800}, "Training had not ended at step 400"),
        (None, {"max_steps": 400}, "Training ended at step 400"),
        ("stopped", {"max_steps": 401}, "Training was stopped after step 400"),
        ("stopped", {"max_tokens": 25_601}, "Training was stopped after step 400"),
        (None, {"max_minutes": 200.0004 / 60}, "Training ended at step 400"),  # but for what was rounded off
        ("stopped", {"max_minutes": 3.344}, "Training was stopped after step 400: 100\u00a0%"),  # 99.7 % of it
        (None, {"max_steps": 800, "patience": 2}, "Training had not ended"),
    ],
)
def test_it_says_whether_training_goes_on(state, budget, expected):
    first = summary.sentences(TrainConfig(**budget), record(), Path("runs/x"), state)[0]
    assert re.search(expected, first), first


def test_a_run_without_patience_left_has_ended():
    rows = record()
    for row, loss in zip([row for row in rows if "val_loss" in row], (6, 2, 3, 3, 3), strict=True):
        row["val_loss"] = loss
    assert summary.has_ended(TrainConfig(max_steps=800, patience=3), rows)
    assert not summary.has_ended(TrainConfig(max_steps=800, patience=4), rows)
    rows.append(rows[-1] | {"seconds": 201})  # the last step evaluated again, as the time was up
    assert not summary.has_ended(TrainConfig(max_steps=800, patience=4), rows)


def test_a_run_whose_last_row_is_no_evaluation_has_not_ended():
    rows = record()
    assert summary.has_ended(TrainConfig(max_minutes=3), rows)
    assert not summary.has_ended(TrainConfig(max_minutes=3), rows[:-1]), "it will be evaluated once more"


def test_it_counts_references_and_skipped_steps():
    rows = record()
    rows[-1]["skipped"] = 3
    reported = summary.sentences(TrainConfig(max_steps=400), rows, Path("runs/x"), "ended")
    assert any("tasks the loss on the word" in sentence for sentence in reported)
    assert "3 steps were skipped" in reported[-1]
    early = summary.sentences(TrainConfig(max_steps=400), record(last=100), Path("runs/x"), None)
    assert any(sentence.startswith("In no task the loss") for sentence in early)
    half = summary.sentences(TrainConfig(max_steps=400), record(last=300), Path("runs/x"), None)
    assert any(sentence.startswith("In 1 of 2 tasks") and sentence.endswith("Not yet: cue.") for sentence in half)


def test_on_plain_text_there_are_no_tasks():
    made = page.page_json(record(plain=True))
    assert made["tasks"] == {}
    assert made["generalisation"]["tasks"] == {}
    reported = summary.sentences(TrainConfig(max_steps=400), record(plain=True), Path("runs/x"), "ended")
    assert not any("task" in sentence for sentence in reported)


def test_a_long_run_makes_a_small_page(tmp_path):
    rows = record(last=100_000, every=50)
    letters = "".join(chr(0x4E00 + 7919 * i % 20_000) for i in range(3_000))
    rows[5_125]["val_loss"] = 0.5  # between evaluations that are kept
    for row in rows:
        if "sample" in row:
            row["sample"] = letters[row["step"] % 997 :] + letters
    (path,) = page.write_training_page(write_run(tmp_path, rows, max_steps=100_000))
    assert path.stat().st_size < 500_000
    made = page.page_json(rows)
    assert len(made["train"]) <= 1_000
    assert len(made["samples"]) == 40
    assert all(len(sample["text"]) == 2_000 for sample in made["samples"])
    assert [made["samples"][i]["step"] for i in (0, -1)] == [0, 100_000]
    steps = made["evaluations"]["step"]
    assert (len(steps), steps[-1]) == (page.EVALUATIONS + 1, 100_000)
    assert made["best"] == 51_250
    assert 51_250 in steps


def test_what_was_not_finite_is_left_out_of_the_line_and_kept_as_unknown():
    rows = record()
    rows[1]["train_loss"] = rows[20]["val_loss"] = None
    made = page.page_json(rows)
    assert [step for step, _ in made["train"]] == [row["step"] for row in rows[2:]]
    assert made["evaluations"]["val_loss"][2] is None
    assert math.isfinite(made["evaluations"]["val_loss"][1])


def test_nothing_is_written_of_a_run_that_was_never_evaluated(tmp_path):
    assert page.write_training_page(write_run(tmp_path, [])) == []
    assert not (tmp_path / "a run" / "report.html").exists()


def test_training_dynamics_are_what_training_saw_or_else_what_probing_saw(tmp_path):
    heads = tmp_path / "heads.json"
    found = page.dynamics_json(record(), heads)
    assert (found["live"], found["moments"], found["text"]["moments"]) == (False, [], [])
    moments = [{"step": 3, "tokens": 9, "tasks": {}}]
    costs = [{"step": 3, "tokens": 9, "heads": {}}]
    text = {"dynamics": costs, "source": {"text_file": "a.txt"}}
    heads.write_text(json.dumps({"dynamics": moments, "text": text}))
    found = page.dynamics_json(record(), heads)
    assert (found["live"], found["moments"]) == (False, moments)
    seen = page.dynamics_json(record(looks=True), heads)
    assert seen["live"]
    assert [moment["step"] for moment in seen["moments"]] == [0, 100, 200, 300, 400]
    assert seen["moments"][2]["tasks"]["cue"]["resample_ablation_drop"] == 2
    for one in (found, seen):
        assert one["text"] | {"kinds": None} == {"live": False, "file": "a.txt", "kinds": None, "moments": costs}
    look = {"model_accuracy": 0.5, "weight_swap_drop": None, "resample_ablation_drop": 0.1}
    moment = moments[0] | {"tasks": {"cue": look, "roles": look | {"resample_ablation_drop": None}}}
    heads.write_text(json.dumps({"dynamics": [moment], "text": None}))
    found = page.dynamics_json(record(), heads)["moments"]
    assert found == [moment | {"tasks": {"cue": look}}], "a swap that nothing reads is none that is not finite"
    heads.write_text('{"dynamics": [')
    assert page.dynamics_json(record(), heads)["moments"] == []


class Clock:
    """Turned by hand; writing a page takes a second of it, and is noted with what was said of the run."""

    def __init__(self) -> None:
        self.time, self.written = 1_000.0, []

    def write(self, run: Path, state: str) -> None:
        self.written.append(state)
        self.time += 1


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(page, "write_training_page", clock.write)
    monkeypatch.setattr(page.time, "monotonic", lambda: clock.time)
    return clock


def trainer(stop_signal: int = 0) -> SimpleNamespace:
    return SimpleNamespace(run=Path("run"), stops=SimpleNamespace(agreed=stop_signal))


def test_writing_takes_a_fiftieth_of_the_time_at_most(clock):
    with page.TrainingPage(trainer()) as sink:
        sink({"step": 0, "val_loss": 1.0})
        for seconds in (1, 47, 2, 30):
            clock.time += seconds
            sink({"step": 1, "train_loss": 1.0})
            sink({"step": 1, "val_loss": 1.0})
    assert clock.written == ["training", "training", "ended"]


@pytest.mark.parametrize(("stop_signal", "state"), [(0, "ended"), (15, "stopped")])
def test_the_last_page_says_how_training_ended(clock, stop_signal, state):
    with page.TrainingPage(trainer(stop_signal)):
        pass
    assert clock.written == [state]


def test_a_run_that_fails_says_so(clock):
    with pytest.raises(OSError, match="full"), page.TrainingPage(trainer()):
        raise OSError("full")
    assert clock.written == ["failed"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"\[Errno 2\] .*config\.yaml.*"),
        ("a: [", r".*config\.yaml is damaged.*"),
        ("max_steps: often", r"config\.yaml is not as it was: .*"),
        ("", r"config\.yaml is not as it was: KeyError\('model'\)"),
    ],
)
def test_training_goes_on_where_its_page_cannot_be_made_and_a_note_says_so_once(tmp_path, capsys, content, reason):
    run = write_run(tmp_path, record())
    (run / "config.yaml").unlink() if content is None else (run / "config.yaml").write_text(content)
    with page.TrainingPage(SimpleNamespace(run=run, stops=SimpleNamespace(agreed=0))) as sink:
        sink({"step": 0, "val_loss": 1.0})
        sink.next = 0
        sink({"step": 1, "val_loss": 1.0})
    assert re.fullmatch(rf"note   report\.html was not written \({reason}\)\n", capsys.readouterr().err)


def test_what_ended_a_run_is_said_even_where_its_page_cannot_be_written(monkeypatch):
    def fail(*_):
        raise OSError("no room for a page")

    monkeypatch.setattr(page, "write_training_page", fail)
    with pytest.raises(OSError, match="full"), page.TrainingPage(trainer()):
        raise OSError("full")
