"""What probing adds to the scripts: training dynamics, quick probes while it trains, the user's own cases."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import inputs
import pytest
from conftest import QUICK, ROOT, SMALL

from data.stories import cases
from storage.metrics import read_rows

FEW = ("n_cases=20", "seed=1")


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    drawn = [case for split in ("select", "report") for case in cases(split, 20, 0, ("cue", "agreement"))]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(case.to_json()) + "\n" for case in drawn))
    return path


def test_ones_own_cases_are_measured_as_stories_are(script, finished_run, case_file, capsys):
    (finished_run / "probe").mkdir(exist_ok=True)
    for stale in ("sites.pdf", "role_map.png"):
        (finished_run / "probe" / stale).touch()
    script("probe", f"run={finished_run}", f"cases={case_file}", "figures=svg", "circuits=true")
    found = json.loads((finished_run / "probe" / "heads.json").read_text())
    pictures = {path.name for path in (finished_run / "probe").iterdir() if path.suffix in (".png", ".svg", ".pdf")}
    assert pictures == {"role_map.svg"}, "nothing is resolved, and what an earlier probe drew is gone"
    assert found["tasks"].keys() == {"cue", "agreement", "random_lists"}
    assert found["tasks"]["cue"]["cases"] == 20
    assert found["sentences"] == [], "a task of that name may be another one"
    assert {task["sufficient"] for task in found["tasks"].values()} == {None}
    out = capsys.readouterr().out
    assert "40 cases to select, 40 to report" in out
    assert "note   circuits=true: the model resolves no task, so no sets of heads are measured" in out


def test_only_some_kinds_of_stories_may_be_asked_for(script, error_of, finished_run, capsys):
    found = {}
    for names in ("cue,recall", "cue"):
        script("probe", f"run={finished_run}", f"tasks=[{names}]", *FEW)
        found[names] = json.loads((finished_run / "probe" / "heads.json").read_text())
        assert found[names]["tasks"].keys() == {*names.split(","), "random_lists"}
        assert found[names]["model"]["tasks"] == names.split(",")
        assert f"only stories of {names.replace(',', ', ')}" in (finished_run / "probe" / "report.html").read_text()
    assert found["cue"]["tasks"]["cue"] == found["cue,recall"]["tasks"]["cue"]
    assert [sentence["key"] for sentence in found["cue"]["sentences"]] == ["tired", "wide", "soft", "sleepy"]
    assert "untrained network" not in capsys.readouterr().out, "which is for terminals"
    assert "tasks=[cues]: no task of stories is called 'cues'; they are agreement" in error_of(
        "probe", f"run={finished_run}", "tasks=[cues]"
    )


def test_bad_cases_are_named_by_their_lines(error_of, finished_run, case_file):
    lines = case_file.read_text().splitlines()
    record = json.loads(lines[3])
    record["spans"]["gold"] = [[500, 503]]
    case_file.write_text("\n".join([*lines[:3], json.dumps(record), "{", *lines[5:]]))
    message = error_of("probe", f"run={finished_run}", f"cases={case_file}")
    assert "line 4" in message
    assert "line 5" in message


def test_a_mix_of_all_types_trains_resumes_samples_and_is_probed(script, error_of, capsys):
    types = ("model.attention=RWSLF", "model.n_layer=5", "model.window=12", "model.stride=4")
    script("train", "run=run", "max_steps=4", *QUICK, *SMALL[:1], *SMALL[2:], *types)
    script("train", "run=run", "resume=true", "max_steps=6")
    script("sample", "run=run", "max_new_tokens=80", "show=2.1", "prompt=Tom met Anna")
    assert "head 2.1 when the last word was chosen" in capsys.readouterr().out
    message = error_of("sample", "run=run", "max_new_tokens=2", "show=0.1")
    assert "give LAYER.HEAD of layers 1, 2, 3, 4 with heads 0 to 1 each, as in show=4.1" in message
    script("probe", "run=run", *FEW)
    assert "0 R" in capsys.readouterr().out
    found = json.loads(Path("run/probe/heads.json").read_text())
    assert [len(layer) for layer in found["all_roles"]] == [0, 2, 2, 2, 2]
    assert found["negative_control"]["accuracy"] == 0.5


def test_a_model_without_any_heads_says_so(script, error_of):
    arguments = (*QUICK, *SMALL, "model.attention=R")
    assert "attention=R has no heads to probe" in error_of(
        "train", "run=run", "max_steps=1", "probe_every=1", *arguments
    )
    script("train", "run=run", "max_steps=1", *arguments)
    assert error_of("probe", "run=run") == "error: run=run: attention=R has no heads to probe"
    assert "attention=R has no heads" in error_of("sample", "run=run", "show=0.0")


def test_pictures_in_an_unknown_format_are_refused(error_of, finished_run):
    message = error_of("probe", f"run={finished_run}", "figures=gif")
    assert message == "error: figures=gif: must be 'png', 'svg' or 'pdf'"


def test_a_file_that_is_not_there_is_said_to_be(error_of, finished_run):
    assert "nowhere.jsonl" in error_of("probe", f"run={finished_run}", "cases=nowhere.jsonl")


def test_tasks_that_are_not_looked_at_in_training_are_named(script, capsys):
    script(
        "train", "run=run", "max_steps=1", "probe_every=1", *QUICK, *SMALL, "model.block_size=12", "tokens_per_step=48"
    )
    printed = " ".join("".join(capsys.readouterr()).split())
    assert "probe_every=1: cue: 0 cases of 0 templates to select" in printed


def test_a_run_is_looked_at_while_it_trains_and_afterwards(script, error_of):
    arguments = ("max_steps=4", "eval_every=4", "checkpoint_every=4", "probe_every=2", *QUICK, *SMALL)
    script("train", "run=run", *arguments)
    before = Path("run/report.html").stat().st_ino
    looks = [row for row in read_rows(Path("run/metrics.jsonl")) if "probe/cue/choice_accuracy" in row]
    assert [row["step"] for row in looks] == [0, 2, 4]
    assert {key.split("/")[1] for row in looks for key in row if key.startswith("probe/")} >= {"cue", "agreement"}
    script("probe", "run=run", "dynamics=true", *FEW)
    moments = json.loads(Path("run/probe/heads.json").read_text())["dynamics"]
    assert [moment["step"] for moment in moments] == [0, 1, 2, 3, 4]
    assert Path("run/probe/dynamics.png").exists()
    assert Path("run/report.html").stat().st_ino != before, "it shows the dynamics, too"
    script("train", "run=bare", "snapshots=0", *arguments)
    assert "has no snapshots; train with snapshots=2" in error_of("probe", "run=bare", "dynamics=true", *FEW)


def test_dynamics_that_cannot_be_made_leaves_the_findings(script, error_of):
    script("train", "run=run", "max_steps=2", *QUICK, *SMALL)
    first = sorted(Path("run/snapshots").iterdir())[0]
    first.write_bytes(first.read_bytes()[:100])
    assert "step_000000.safetensors is damaged" in error_of("probe", "run=run", "dynamics=true", *FEW)
    found = json.loads(Path("run/probe/heads.json").read_text())
    assert found["dynamics"] == []
    assert found["model"]["cases"] == "stories"


def test_a_task_of_few_cases_or_templates_says_how_many_it_has(script, finished_run, tmp_path, capsys):
    drawn = [case for split in ("select", "report") for case in cases(split, 20, 0, ("cue",))]
    same = [
        replace(case, task="same", template=case.split, id=f"s{case.id}", counterfactual=f"s{case.counterfactual}")
        for case in drawn
    ]
    few = [
        replace(case, task="few", id=f"f{case.id}", counterfactual=f"f{case.counterfactual}")
        for case in (*drawn[:4], *drawn[20:24])
    ]
    path = tmp_path / "mine (all).jsonl"
    path.write_text("".join(json.dumps(case.to_json()) + "\n" for case in (*drawn, *same, *few)))
    script("probe", f"run={finished_run}", f"cases={path}")
    out = capsys.readouterr().out
    assert "same: 20 cases of 1 template to select and 20 cases of 1 template to report fit" in out
    assert "few: 4 cases of " in out


def test_cases_of_which_no_task_can_be_measured_end_at_once_and_leave_what_was_found(
    script, error_of, finished_run, case_file
):
    """Also where there are enough of them to make random lists of."""
    script("probe", f"run={finished_run}", *FEW)
    before = (finished_run / "probe" / "heads.json").read_bytes()
    few, same = case_file.read_text().splitlines(keepends=True)[:8], []
    for split in ("select", "report"):
        same += [json.dumps(case.to_json() | {"template": "one"}) for case in cases(split, 100, 0, ("agreement",))]
    for text in ("".join(few), "\n".join(same)):
        Path("few.jsonl").write_text(text)
        message = error_of("probe", f"run={finished_run}", "cases=few.jsonl")
        assert "cases=few.jsonl: " in message
        assert (finished_run / "probe" / "heads.json").read_bytes() == before


def test_another_probe_of_a_run_may_have_a_folder_of_its_own(script, finished_run, case_file, capsys):
    script("probe", f"run={finished_run}", *FEW)
    before = (finished_run / "probe" / "heads.json").read_bytes()
    page = (finished_run / "report.html").stat().st_mtime_ns
    script("probe", f"run={finished_run}", f"cases={case_file}", "to=own/probe")
    assert "is replaced" not in capsys.readouterr().out
    assert (finished_run / "probe" / "heads.json").read_bytes() == before
    assert Path("own/probe/report.html").exists()
    assert (finished_run / "report.html").stat().st_mtime_ns == page, "the run may be one that cannot be written"
    script("probe", f"run={finished_run}", f"cases={case_file}")
    assert (
        "has what a probe with n_cases=20, checkpoint=best found, which is replaced; to=FOLDER keeps both"
        in " ".join(capsys.readouterr().out.split())
    )


def test_no_folder_of_other_things_takes_a_probe(error_of, finished_run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("mine")
    for folder in ("mine", finished_run):
        message = error_of("probe", f"run={finished_run}", f"to={folder}")
        assert f"to={folder}: holds something else than a probe's files; give a new folder" in message
    assert (tmp_path / "mine" / "report.html").read_text() == "mine"


def test_the_winogender_templates_are_probed_as_the_docs_say(script, finished_run, input_folder, tmp_path, capsys):
    command = [sys.executable, "-m", "data.cases.winogender", str(input_folder / inputs.TEMPLATES_FILE)]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (tmp_path / "winogender.jsonl").write_text(written)
    script("probe", f"run={finished_run}", "cases=winogender.jsonl")
    out = capsys.readouterr().out
    assert ("40 of 360 cases are left out" in out) == (input_folder == inputs.REAL), "made ones are short"
    found = json.loads((finished_run / "probe" / "heads.json").read_text())
    assert found["tasks"]["winogender"]["resolved"] is False
    assert found["negative_control"] == {"accuracy": 0.5}, "of the pairs that are the same up to the pronoun"


def test_minimal_pairs_are_compared_instead_of_heads(script, error_of, finished_run, tmp_path, capsys):
    path = tmp_path / "pairs 1e3.jsonl"
    path.write_text(json.dumps({"sentence_good": "Tom slept.", "sentence_bad": "Tom slept slept."}) + "\n")
    heads = finished_run / "probe" / "heads.json"
    before = heads.read_bytes() if heads.exists() else None
    script("probe", f"run={finished_run}", f"pairs={path}")
    out = capsys.readouterr().out
    assert "pairs 1e3" in out
    assert "right, %" in out
    found = json.loads((finished_run / "probe" / "pairs.json").read_text())
    assert found["all"]["pairs"] == 1
    assert (heads.read_bytes() if heads.exists() else None) == before, "what the heads do is left as it was"
    script("probe", f"run={finished_run}", f"pairs={path}")
    assert "which is replaced" not in capsys.readouterr().out
    other = path.rename(tmp_path / "other.jsonl")
    script("probe", f"run={finished_run}", f"pairs={other}")
    out = " ".join(capsys.readouterr().out.split())
    assert f"has what a comparison with pairs={path}, step=20 found, which is replaced; to=FOLDER keeps both" in out
    message = error_of("probe", f"run={finished_run}", f"pairs={other}", "text_file=a.txt")
    assert "leave cases, text_file, dynamics and circuits out" in message
