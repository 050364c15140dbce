"""Runs of experiments: trained and probed once, gone on with, and never taken for others."""

import json
import os
from contextlib import suppress

import pytest
from networks import loud_model

from common.errors import InputError
from data.stories import TASKS
from data.text.tokenizers import byte_tokenizer
from experiments import runs
from model import GPTConfig
from storage.weights import save_run


@pytest.fixture
def executed(monkeypatch) -> list[list[str]]:
    """The commands that would have been executed."""
    calls = []
    monkeypatch.setattr(runs, "execute", lambda what, command: calls.append([what, *command]))
    return calls


QUICK = ["data.n_train=300", "data.n_val=40", "tokens_per_step=256", "log_every=1", "eval_every=10", "max_steps=20"]


SMALL = ["model.block_size=64", "model.n_layer=2", "model.n_head=2", "model.n_embd=32", "checkpoint_every=10"]


EVERY = [*QUICK, *SMALL, f"data.tasks=[{','.join(TASKS)}]"]


def test_a_run_that_reached_its_end_is_not_trained_again(finished_run, executed):
    folder = finished_run.parent
    assert runs.train_all({"run": EVERY}, folder) == {"run": finished_run}
    assert executed == []


def test_missing_runs_are_begun_and_interrupted_ones_go_on(finished_run, executed, tmp_path):
    stopped, begun = tmp_path / "stopped", tmp_path / "begun"
    for run in (stopped, begun):
        run.mkdir()
        for name in ("config.yaml", "tokenizer.json"):
            (run / name).write_bytes((finished_run / name).read_bytes())
        (run / "checkpoints").mkdir()
    os.symlink(finished_run / "checkpoints" / "step_000010", stopped / "checkpoints" / "step_000010")
    runs.train_all({"new": EVERY, "stopped": EVERY, "begun": EVERY}, tmp_path, jobs=1)
    assert executed == [
        [f"training {name}", "train.py", f"run={tmp_path / name}", "resume=auto", *runs.QUIET, *EVERY]
        for name in ("new", "stopped", "begun")
    ]


def test_a_run_of_other_settings_is_not_taken_for_the_one_asked_for(finished_run, executed):
    with pytest.raises(InputError, match=r"was trained with max_steps=20 instead of 30, model.n_head=2 instead of 4"):
        runs.train_all({"run": [*EVERY, "max_steps=30", "model.n_head=4", "model.n_kv_head=2"]}, finished_run.parent)
    with pytest.raises(InputError, match=r"n_hed: there is no such key"):
        runs.train_all({"run": ["model.n_hed=3"]}, finished_run.parent)
    assert executed == []


ASKED = {"cases": None, "tasks": None, "n_cases": 400}


def test_heads_are_probed_where_they_are_missing_or_older_than_the_weights(finished_run, executed, tmp_path):
    run = tmp_path / "run"
    (run / "probe").mkdir(parents=True)
    (run / "config.yaml").write_text("seed: 7\n")
    os.symlink(finished_run / "checkpoints", run / "checkpoints")
    written = run / "probe" / "heads.json"
    heads = {"model": {"seed": 7, "checkpoint": "best", "asked": ASKED}, "roles": []}
    written.write_text(json.dumps(heads))
    assert runs.probe_all([run]) == [heads]
    assert executed == []
    os.utime(written, (0, 0))
    runs.probe_all([run])
    assert executed == [["probing run", "probe.py", f"run={run}", "seed=7"]]


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ({"seed": 0}, None),
        ({"checkpoint": "latest"}, None),
        ({"asked": ASKED | {"tasks": ["cue"]}}, None),
        ({"asked": ASKED | {"tasks": ["cue"]}}, ["agreement", "cue"]),
        ({}, ["cue"]),
        ({"asked": ASKED | {"cases": "mine.jsonl"}}, None),
        ({"asked": ASKED | {"n_cases": 20}}, None),
        ({"asked": None}, None),
    ],
)
def test_heads_that_were_probed_otherwise_are_probed_again(finished_run, executed, tmp_path, there, asked):
    run = tmp_path / "run"
    (run / "probe").mkdir(parents=True)
    (run / "config.yaml").write_text("seed: 7\n")
    os.symlink(finished_run / "checkpoints", run / "checkpoints")
    model = {"seed": 7, "checkpoint": "best", "asked": ASKED} | there
    (run / "probe" / "heads.json").write_text(json.dumps({"model": model}))
    runs.probe_all([run], tasks=asked)
    tasks = [] if asked is None else [f"tasks=[{','.join(asked)}]"]
    assert executed == [["probing run", "probe.py", f"run={run}", "seed=7", *tasks]]


@pytest.mark.parametrize("key", ["eval_every=5", "precision=bf16"])
def test_a_run_whose_numbers_would_be_others_is_not_taken_either(finished_run, executed, key):
    with pytest.raises(InputError, match=rf"was trained with {key.partition('=')[0]}=.* instead of"):
        runs.train_all({"run": [*EVERY, key]}, finished_run.parent)
    assert executed == []


@pytest.mark.parametrize(
    ("seeds", "jobs", "message"), [((0, 1, 0), 2, "--seeds 0 1 0: each once"), ((0, 1), 0, "--jobs 0: must be")]
)
def test_a_seed_counts_once_and_some_run_is_trained(tmp_path, seeds, jobs, message):
    with pytest.raises(InputError, match=message):
        runs.Setup(tmp_path, seeds, jobs)


def test_a_network_without_a_corpus_is_no_run_to_train_and_can_be_probed(executed, tmp_path):
    run = tmp_path / "run"
    save_run(run, loud_model(GPTConfig(257, block_size=16, n_layer=1, n_head=1, n_embd=8)), byte_tokenizer())
    with pytest.raises(InputError, match="run has no corpus and was not trained; delete it, or"):
        runs.train_all({"run": EVERY}, tmp_path)
    with pytest.raises(InputError, match="was not evaluated while it was trained"):
        runs.best_loss(run)
    with suppress(FileNotFoundError):  # of what is not executed here
        runs.probe_all([run])
    assert executed == [["probing run", "probe.py", f"run={run}", "seed=0"]]


def test_a_failed_command_says_how_it_ended(tmp_path):
    with pytest.raises(
        InputError, match=r"probing x failed \(python probe.py run=.*\): error: run=.*there is no such run"
    ):
        runs.execute("probing x", ["probe.py", f"run={tmp_path / 'none'}"])


def test_after_a_failure_nothing_more_is_begun():
    begun = []

    def work(name: str) -> None:
        begun.append(name)
        raise InputError(f"{name} failed")

    with pytest.raises(InputError, match="a failed"):
        runs.in_parallel(work, ["a", "b", "c", "d"], 1)
    assert begun == ["a"]
