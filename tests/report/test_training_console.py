"""What the terminal says of a run."""

import io
from pathlib import Path

import rich.console

from report.training_console import Console, evaluation_line, story_table

ROW = {
    "step": 10,
    "val_loss": 1.0,
    "val_bpb": 0.5,
    "referential/cue/loss": 0.1,
    "referential/cue/accuracy": 0.98,
    "report/cue/loss": 0.2,
    "report/cue/chance_loss": 0.6931,
    "report/cue/accuracy": 0.97,
    "templates/cue/accuracy": 0.96,
    "unseen_names/cue/accuracy": 0.0,
    "new_role/cue/accuracy": 0.51,
}


def test_an_evaluation_names_what_is_right():
    assert evaluation_line(ROW).endswith("right: cue 98%")
    assert "right" not in evaluation_line({"step": 1, "val_loss": 1.0, "val_bpb": 0.5})


def test_the_table_at_the_end_has_every_split_and_says_what_was_not_measured():
    out = io.StringIO()
    rich.console.Console(file=out, width=120).print(story_table(ROW))
    cells = [cell.strip() for cell in out.getvalue().splitlines()[-1].split("│")]
    assert cells == ["cue", "97.0%", "0.200", "0.69", "96.0%", "-", "0.0%", "51.0%"]


def test_no_heading_of_the_table_is_cut_in_80_columns():
    out = io.StringIO()
    longest = {name.replace("cue", "subject_verb"): value for name, value in ROW.items()}
    rich.console.Console(file=out, width=80).print(story_table(longest | {"report/subject_verb/loss": 10.727}))
    assert "…" not in out.getvalue()
    assert "templates" in out.getvalue()


def test_without_stories_there_is_no_table():
    assert story_table({"step": 1, "val_loss": 1.0, "val_bpb": 0.5}) is None


def test_a_run_that_patience_has_ended_needs_no_larger_budget(monkeypatch, capsys):
    state = {"step": 30, "evaluations_since_best": 3}
    monkeypatch.setattr("report.training_console.latest_state", lambda run: state)
    Console().already_ended(Path("run"), patience=3)
    assert " ".join(capsys.readouterr().out.split()) == (
        "done run had no lower validation loss in 3 evaluations at step 30; to continue, give a larger patience, "
        "or patience=null"
    )
    Console().already_ended(Path("run"), patience=None)
    assert "used up its budget" in capsys.readouterr().out
