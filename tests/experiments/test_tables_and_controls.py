"""The scripts that make tables out of runs; what they time is not tested here."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest
import toys

from common.errors import InputError
from data.stories import TASKS, cases, write
from experiments import heads, heads_on_unseen_names, seeds, shuffled, stories, untrained, untrained_in_text
from model import GPT, GPTConfig
from probing import probe, to_json
from storage.weights import save_run


def make_run(folder: Path, accuracy: float, **more: float) -> str:
    folder.mkdir()
    last = {"seconds": 60.0, "tokens": 1000, "report/cue/accuracy": accuracy, "report/cue/loss": 0.1, **more}
    rows = [{"step": 0}, last]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def test_the_table_of_runs_has_means_and_extremes(tmp_path, capsys):
    stories.main([make_run(tmp_path / "a", 0.8), make_run(tmp_path / "b", 1.0, **{"report/sense/accuracy": 0.5})])
    out = capsys.readouterr().out
    assert "2 runs, 1.0 to 1.0 minutes, 1,000 to 1,000 tokens" in out
    assert "| sense | - |" in out, "a task that only a later run has"
    assert "| cue | 90.0% (80.0%-100.0%) | 0.100 (0.100-0.100) | - | - | - | - | - |" in out


def test_a_run_without_a_report_is_named(tmp_path):
    run = tmp_path / "text"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 3, "val_loss": 1.0}\n')
    with pytest.raises(InputError, match=r"text: its last row has no report on stories"):
        stories.main([str(run)])
    with pytest.raises(InputError, match=r"run=\S*nowhere: there is no such run"):
        stories.main([str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit):
        stories.main([])


def test_the_table_of_heads_reads_what_a_probe_writes(script, finished_run, tmp_path, capsys):
    script("probe", f"run={finished_run}", "n_cases=20")
    capsys.readouterr()
    heads.main([str(finished_run)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(TASKS) + 1
    assert lines[2].startswith("| agreement | run | 0.0%")
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    (tmp_path / "other/run/probe").mkdir(parents=True)
    shutil.copy(finished_run / "probe/heads.json", tmp_path / "other/run/probe")
    heads.main([str(finished_run), str(tmp_path / "other/run")])
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(lines) - 2, "runs of one name are two"
    with pytest.raises(InputError, match=r"run=nowhere: there is no such run"):
        heads.main(["nowhere"])


def test_a_row_says_which_heads_look_matter_and_are_necessary():
    found = probe(toys.hand_set_model(), toys.TOKENIZER, *(toys.toy_cases(split, 60) for split in ("select", "report")))
    cells = heads.row("agreement", "run", to_json(found)["tasks"]["agreement"])
    assert len(cells) == len(heads.COLUMNS)
    assert "looks and matters" in cells
    assert "1; 1" in cells
    assert cells[-1].startswith("0.0 (50%; 10.")


def test_shuffled_antecedents_are_right_in_half_of_the_stories():
    drawn = cases("train", 200, 0, ("agreement", "chains"))
    rng = Random(0)
    same = [shuffled.with_any_antecedent(case, rng) == case.text for case in drawn]
    assert 0.4 < sum(same) / len(same) < 0.6
    start = drawn[0].spans.answer[0]
    assert shuffled.with_any_antecedent(drawn[0], rng)[:start] == drawn[0].text[:start]


def test_both_kinds_of_stories_are_trained_on_with_every_seed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shuffled, "N_STORIES", 20)
    wanted = {}

    def train_seeds(variants, setup):
        wanted.update(variants)
        return {name: [tmp_path / f"{name}-{seed}" for seed in setup.seeds] for name in variants}

    found = to_json(
        probe(toys.hand_set_model(), toys.TOKENIZER, *(toys.toy_cases(split, 60) for split in ("select", "report")))
    )
    found["tasks"] = dict.fromkeys(shuffled.TASKS, found["tasks"]["agreement"])
    monkeypatch.setattr(shuffled, "train_seeds", train_seeds)

    def probe_seeds(runs, setup, tasks):
        assert tasks == shuffled.TASKS, "of runs on files, only those of resolved tasks would be probed"
        return {name: [found] * len(runs[name]) for name in runs}

    monkeypatch.setattr(shuffled, "probe_seeds", probe_seeds)
    shuffled.main([str(tmp_path), "--seeds", "2", "--steps", "7"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * 2 * (len(shuffled.TASKS) + 1)
    assert lines[2].startswith("| as_they_are | 0 | agreement | 100.0% | 1.0 | 100.0% | ")
    for kind, settings in wanted.items():
        text = tmp_path / f"{kind}.jsonl"
        assert {"max_steps=7", f"data.path={text}"} <= set(settings)
        assert len(text.read_text().splitlines()) == 20 * len(shuffled.TASKS)


def test_untrained_models_pass_no_rule_that_asks_for_behaviour(finished_run, capsys):
    untrained.main([str(finished_run), "--seeds", "2", "--cases", "20"])
    out = capsys.readouterr().out
    assert "2 untrained models, 20 cases a task and split" in out
    last = out.splitlines()[-1]
    assert last.startswith("| any of these |")
    assert last.endswith("| 0 |")


def test_untrained_models_have_no_role_in_a_text(finished_run, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("\n".join(write("train", 200, seed=0)))
    untrained_in_text.main([str(finished_run), str(tmp_path / "text.txt"), "--seeds", "2"])
    out = capsys.readouterr().out
    assert "2 untrained models" in out
    assert out.splitlines()[-1] == "| 0 | 0 | 0 | 0 | 0 |"


@pytest.fixture
def run_without_heads(tmp_path) -> Path:
    model = GPT(GPTConfig(toys.TOKENIZER.vocab_size, block_size=8, n_layer=1, n_head=1, n_embd=8, attention="R"))
    save_run(tmp_path / "R", model, toys.TOKENIZER)
    return tmp_path / "R"


SCRIPTS_OF_HEADS = {
    untrained: ["RUN"],
    untrained_in_text: ["RUN", "text.txt"],
    heads_on_unseen_names: ["RUN"],
    heads: ["RUN"],
    seeds: ["RUN", "other"],
}


@pytest.mark.parametrize("script", SCRIPTS_OF_HEADS, ids=lambda script: script.__name__)
def test_what_has_no_heads_or_is_no_run_is_refused_as_probe_does(script, run_without_heads):
    def arguments(run: object) -> list[str]:
        return [str(run) if argument == "RUN" else argument for argument in SCRIPTS_OF_HEADS[script]]

    with pytest.raises(InputError, match=r"^run=\S*R: attention=R has no heads to probe$"):
        script.main(arguments(run_without_heads))
    with pytest.raises(InputError, match=r"^run=\S*nowhere: there is no such run; \S* has R$"):
        script.main(arguments(run_without_heads.with_name("nowhere")))


@pytest.mark.parametrize(
    ("script", "arguments", "answer"),
    [
        (untrained, ["run", "--cases", "18"], "--cases 18: must be at least 20, and even"),
        (untrained, ["run", "--cases", "21"], "--cases 21: must be at least 20, and even"),
        (untrained, ["run", "--seeds", "0"], "--seeds 0: must be at least 1"),
        (heads_on_unseen_names, ["run", "--cases", "2"], "--cases 2: must be at least 20, and even"),
        (untrained_in_text, ["run", "text.txt", "--seeds", "0"], "--seeds 0: must be at least 1"),
        (untrained_in_text, ["run", "text.txt", "--tokens", "-5"], "--tokens -5: must be at least 1"),
        (shuffled, ["runs", "--seeds", "0"], "--seeds 0: must be at least 1"),
    ],
)
def test_too_few_of_what_is_measured_are_refused(script, arguments, answer):
    with pytest.raises(InputError, match=f"^{answer}"):
        script.main(arguments)


@pytest.mark.parametrize("script", [untrained, heads_on_unseen_names])
def test_a_block_too_short_for_every_task_is_an_answer(script, tmp_path, monkeypatch):
    """Given before anything is measured: of several runs, those before it would be measured in vain."""
    monkeypatch.setattr("experiments.heads_on_unseen_names.probe", None)
    save_run(tmp_path / "short", GPT(GPTConfig(257, block_size=8, n_layer=1, n_head=1, n_embd=8)), toys.TOKENIZER)
    with pytest.raises(InputError, match=r"run=\S*short: none of its tasks can be measured: .* block of 8 tokens"):
        script.main([str(tmp_path / "short"), "--cases", "20"])


def test_a_text_is_read_as_text_file_is(finished_run, tmp_path, capsys):
    text = tmp_path / "text.txt"
    with pytest.raises(InputError, match=r"^TEXT=\S*text.txt: there is no such file or folder"):
        untrained_in_text.main([str(finished_run), str(text)])
    text.write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="too few for two windows"):
        untrained_in_text.main([str(finished_run), str(text)])
    assert capsys.readouterr().out.startswith("note   TEXT: ")
