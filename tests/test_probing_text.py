"""Heads in any text, through the scripts: in a run's own validation text, in files, while training and afterwards."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from conftest import ROOT, SMALL

from data.cases import mine
from data.stories import write
from storage.metrics import read_rows

QUIET = ("wandb.mode=disabled", "tokens_per_step=256", "log_every=1")
ON_FILES = ("data=files", "data.path=text.txt", "tokenizer.vocab_size=1024", *QUIET, *SMALL)
TOKENS = "n_tokens=1000"
WITHOUT_NAMES = ("cue", "subject_verb", "sense")  # tasks of stories: no references are mined in them


@pytest.fixture
def text_run(script: Callable[..., None]) -> Callable[..., None]:
    """Trains ``run=run`` for two steps on a text of stories as a plain file, with more settings."""

    def train(*more: str) -> None:
        Path("text.txt").write_text("\n".join(write("train", 400, 0, WITHOUT_NAMES)))
        script("train", "run=run", "max_steps=2", *ON_FILES, *more)

    return train


def heads_of(run: str | Path = "run") -> dict:
    return json.loads((Path(run) / "probe" / "heads.json").read_text())


def test_a_run_on_plain_text_is_probed_in_its_own_validation_text(script, text_run, capsys):
    text_run()
    script("probe", "run=run", TOKENS)
    found, out = heads_of(), capsys.readouterr().out
    assert found["text"]["source"] == {"text_file": None}
    assert [head["head"] for head in found["text"]["heads"]] == ["0.0", "0.1", "1.0", "1.1"]
    assert found["tasks"] == {}, "stories are not asked of a model that resolves none"
    assert "not interpreted" not in out
    assert "loss by kind of token" in out
    rows = Path("run/probe/text_heads.csv").read_text().splitlines()
    assert len(rows) == 5
    assert rows[0].startswith("head,distance,effective_tokens,share_first_token,uniform_first_token")
    assert not Path("run/probe/role_map.png").exists(), "an empty map shows nothing"


def test_a_probe_of_a_text_that_fails_leaves_the_earlier_one_and_dynamics_that_go_are_named(
    script, text_run, monkeypatch, capsys
):
    text_run("snapshots=1")
    monkeypatch.setattr("probe.read_cases_to_measure", lambda *_: ([], []))  # as in a text without names
    script("probe", "run=run", TOKENS, "dynamics=true")
    before = {path: path.read_bytes() for path in Path("run/probe").iterdir()}
    assert Path("run/probe/report.html") in before
    capsys.readouterr()
    monkeypatch.setattr("cli.probed_text.measure_text", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(SystemExit, match="130"):
        script("probe", "run=run", TOKENS)
    assert {path: path.read_bytes() for path in Path("run/probe").iterdir()} == before
    assert "has what a probe with n_cases=400, checkpoint=best, dynamics=true found" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_probe_again_that_is_interrupted_in_the_text_leaves_the_earlier_one(
    script, finished_run, tmp_path, monkeypatch
):
    shutil.copytree(finished_run, "run", ignore=shutil.ignore_patterns("probe"))
    asked = ("run=run", "n_cases=20", "tasks=[cue]", TOKENS)
    interrupted = Mock(side_effect=KeyboardInterrupt)
    with monkeypatch.context() as patch:
        patch.setattr("cli.probed_text.measure_text", interrupted)
        with pytest.raises(SystemExit, match="130"):
            script("probe", *asked)
    assert (heads_of()["tasks"].keys(), heads_of()["text"]) == ({"cue", "random_lists"}, None), "what there was"
    script("probe", *asked)
    before = {path: path.read_bytes() for path in Path("run/probe").iterdir()}
    monkeypatch.setattr("cli.probed_text.measure_text", interrupted)
    with pytest.raises(SystemExit, match="130"):
        script("probe", *asked)
    assert {path: path.read_bytes() for path in Path("run/probe").iterdir()} == before


def test_stories_are_asked_of_a_run_on_plain_text_by_name(script, text_run, capsys):
    text_run()
    script("probe", "run=run", "tasks=[cue]", "n_cases=20", TOKENS)
    assert heads_of()["tasks"].keys() == {"cue", "random_lists"}
    assert heads_of()["text"] is not None
    assert "who looks back" in capsys.readouterr().out


def test_a_task_that_a_run_on_plain_text_resolves_is_measured(script, text_run, monkeypatch, capsys):
    text_run()
    monkeypatch.setattr("cli.probed_cases.resolved_tasks", lambda *_: ["cue"])
    monkeypatch.setattr(mine, "MOST_TOKENS", 550)
    script("probe", "run=run", "n_cases=20", TOKENS)
    assert heads_of()["tasks"].keys() == {"cue", "random_lists"}
    assert heads_of()["model"]["tasks"] == ["cue"]
    assert heads_of()["model"]["cases"] == "stories and text", "the text has names that come again"
    assert heads_of()["model"]["mined_in"] == "its first 550 tokens"
    assert "note   references in the text are mined in its first 550 tokens" in capsys.readouterr().out


def test_a_run_on_stories_shows_its_tasks_and_then_its_text(script, finished_run, capsys):
    script("probe", f"run={finished_run}", "tasks=[cue]", "n_cases=20", TOKENS)
    out = capsys.readouterr().out
    assert out.index("who looks back") < out.index("in its own validation text") < out.index("what heads attend to")
    assert heads_of(finished_run)["text"]["source"] == {"text_file": None}


def test_heads_are_measured_in_a_folder_of_other_text(script, text_run):
    text_run()
    Path("books").mkdir()
    for name in ("one", "two"):
        Path(f"books/{name}.md").write_text(f"Chapter {name}.\nIt was late, and nobody came. " * 60)
    script("probe", "run=run", "text_file=books", TOKENS)
    text = heads_of()["text"]
    assert text["source"] == {"text_file": "books"}
    assert text["text"]["documents"] == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "text_file=other.txt: there is no such file or folder"),
        ("", "text_file=other.txt: there is no text in it"),
        ("To be. ", "text_file=other.txt: the text has 6 tokens, too few to measure heads in; give at least 11"),
    ],
)
def test_a_text_that_cannot_be_measured_is_named(error_of, finished_run, content, message):
    if content is not None:
        Path("other.txt").write_text(content)
    assert message in error_of("probe", f"run={finished_run}", "text_file=other.txt")


def test_lines_without_text_are_named_with_a_remedy_that_a_probe_has(error_of, finished_run):
    Path("other.jsonl").write_text('{"body": "To be."}\n')
    message = error_of("probe", f"run={finished_run}", "text_file=other.jsonl")
    assert message.endswith(
        "line 1: no text under 'text'; give files that have text there in every record, or plain text"
    )


def test_an_unknown_language_is_refused_before_anything_is_measured(error_of, finished_run):
    assert "language=xx: there are word lists for en" in error_of("probe", f"run={finished_run}", "language=xx")


def test_a_language_without_words_about_people_is_probed_with_a_note(script, text_run, monkeypatch, tmp_path, capsys):
    shutil.copy(ROOT / "data/languages/en.toml", tmp_path)
    (tmp_path / "xx.toml").write_text('pronouns = "she"\nfunction_words = "ein"')
    monkeypatch.setattr("data.languages.FOLDER", tmp_path)
    text_run()
    script("probe", "run=run", "n_cases=20", "language=xx", TOKENS)
    out = capsys.readouterr().out
    assert "note   language=xx: it has no pronouns under she and he" in out
    assert "note   language=xx: only " in out
    assert heads_of()["text"]["text"]["language"] == "xx"


def test_tokens_that_were_deleted_are_made_anew(script, text_run):
    text_run()
    script("probe", "run=run", TOKENS)
    before = heads_of()
    shutil.rmtree("cache")
    script("probe", "run=run", TOKENS)
    assert heads_of() == before


def test_a_text_that_is_gone_or_another_one_is_left_out_with_a_note(script, error_of, text_run, capsys):
    text_run()
    Path("text.txt").write_text("Something else. " * 500)
    shutil.rmtree("cache")
    script("probe", "run=run", "tasks=[cue]", "n_cases=20")
    assert "validation text: it is not the text that the run was trained on" in capsys.readouterr().out
    assert heads_of()["text"] is None
    assert heads_of()["tasks"].keys() == {"cue", "random_lists"}
    Path("text.txt").unlink()
    message = error_of("probe", "run=run")
    assert message == "error: run=run: there is nothing to measure its heads on; give cases=FILE or text_file=PATH"


def test_a_run_on_plain_text_records_what_its_heads_cost_while_it_trains_and_afterwards(script, text_run):
    text_run("probe_every=1", "snapshots=2")
    rows = [row for row in read_rows(Path("run/metrics.jsonl")) if "probe_seconds" in row]
    assert [row["step"] for row in rows] == [0, 1, 2]
    names = {f"probe/text/{head}/{name}" for head in ("0.0", "0.1", "1.0", "1.1") for name in ("nats", "kind")}
    assert all(row.keys() >= names for row in rows)
    assert rows[0]["probe/text/0.0/nats"] == 0, "W_O begins as 0"
    script("probe", "run=run", "dynamics=true", TOKENS)
    moments = heads_of()["text"]["dynamics"]
    assert [moment["step"] for moment in moments] == [0, 1, 2]
    assert moments[-1]["heads"]["1.0"]["nats"] == pytest.approx(rows[-1]["probe/text/1.0/nats"], abs=1e-4)
    assert Path("run/probe/text_dynamics.png").exists()


def test_validation_text_that_is_too_short_for_probes_is_named_before_training(error_of):
    Path("text.txt").write_text("To be. " * 60)
    message = error_of("train", "run=run", "max_steps=1", "probe_every=1", *ON_FILES)
    assert "probe_every=1: of the validation text, the text has 20 tokens, too few for two windows of 64" in message
    assert not Path("run").exists()


def test_a_configuration_whose_corpus_is_damaged_is_named(error_of, text_run):
    text_run()
    config = Path("run/config.yaml")
    config.write_text(config.read_text().replace("field: text", "field: [1]"))
    message = error_of("probe", "run=run", "tasks=[cue]", "n_cases=20")
    assert message == "error: run=run: its config.yaml is damaged: data: Input should be a valid string"


def test_references_are_mined_from_the_text_and_judged_by_pairs(script, capsys):
    names = ("Tom", "Anna", "Ben", "Clara", "Hugo", "Ida", "Karl", "Lena")
    pairs = [(one, other) for one in names for other in names if one != other]
    sentences = [
        f"Then {one} met {other} at the old mill and they spoke. After a while we saw that {who} was tired. "
        for one, other in pairs * 12
        for who in (one, other)
    ]
    Path("text.txt").write_text("".join(sentences))
    script("train", "run=run", "max_steps=2", "data.val_fraction=0.5", *ON_FILES)
    script("probe", "run=run", "n_cases=40", TOKENS)
    found, out = heads_of()["tasks"]["repeated_name"], capsys.readouterr().out
    assert (found["judged_by"], found["resolved"]) == ("pairs", False)
    assert "not resolved  repeated name: between counterfactuals the odds" in out
    assert "not interpreted" not in out
    assert heads_of()["model"]["cases"] == "text", "these are no stories"
    assert heads_of()["model"]["mined_in"].startswith("all of its "), "a short text"
    assert "tasks" not in heads_of()["model"], "no stories were asked for"
    assert "only stories of" not in Path("run/probe/report.html").read_text()
