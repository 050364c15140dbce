"""train.py over a run's whole life: fine-tuning, sweeps, what it leaves to look at, and kills at random moments."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from errno import ENOSPC
from pathlib import Path

import pytest
from conftest import QUICK, SMALL, start_training
from kills import run_in_peace, run_through_kills, what_a_run_became
from processes import Training
from trainers import rows_without_clock

from common.errors import InputError
from report import live_page
from report.training_page import live_page_is_current
from storage import checkpoint
from storage.metrics import read_rows
from training import Trainer

TEXT = "She sells sea shells by the sea shore, and the shells she sells are sea shells for sure. " * 40
PLAIN = ("data=files", "wandb.mode=disabled", "tokens_per_step=128", "log_every=1", *SMALL)


@pytest.fixture
def texts(tmp_path) -> Path:
    for name, text in (("one.txt", TEXT), ("two.txt", TEXT.upper())):
        (tmp_path / name).write_text(text)
    return tmp_path


def prefer(run: Path, step: int) -> None:
    """Makes the checkpoint of this step the best one of a run."""
    path = checkpoint.folder_of(run, checkpoint.saved_steps(run)[-1]) / "state.json"
    state = json.loads(path.read_text()) | {"best_step": step}
    path.write_text(json.dumps(state | {"check": checkpoint.digest(state)}))


def test_fine_tuning_starts_from_the_best_weights_and_their_tokenizer(script, capsys, texts):
    first = ("run=first", "data.path=one.txt", "tokenizer.vocab_size=270", "max_steps=8", "eval_every=4")
    script("train", *PLAIN, *first, "checkpoint_every=4", "model.n_embd=48")
    prefer(Path("first"), 4)
    losses = {row["step"]: row["val_loss"] for row in read_rows(Path("first/metrics.jsonl")) if "val_loss" in row}
    arguments = ("data=files", "data.path=one.txt", "wandb.mode=disabled", "tokens_per_step=128", "log_every=1")
    capsys.readouterr()
    script("train", *arguments, "run=second", "init_from=first", "max_steps=2", "model.dropout=0.1", "seed=5")
    assert "weights from first, step 4" in capsys.readouterr().out
    assert Path("second/tokenizer.json").read_bytes() == Path("first/tokenizer.json").read_bytes()
    assert read_rows(Path("second/metrics.jsonl"))[0]["val_loss"] == losses[4]
    assert losses[4] != pytest.approx(losses[0], abs=0.1)
    assert losses[4] != pytest.approx(losses[8], abs=0.01)
    states = [checkpoint.load(Path(run), "latest")[0]["model"] for run in ("first", "second")]
    assert states[1] == states[0] | {"dropout": 0.1}
    for path in sorted(Path("first").rglob("*"), reverse=True):  # a run stands alone
        path.unlink() if path.is_file() else path.rmdir()
    script("train", "run=second", "resume=true", "max_steps=4")
    assert checkpoint.saved_steps(Path("second"))[-1] == 4


def test_a_fine_tuned_run_goes_on_under_the_name_of_the_run_that_it_began_with(script, texts):
    script("train", *PLAIN, "run=first", "data.path=one.txt", "tokenizer.vocab_size=270", "max_steps=1")
    text = ("data=files", "data.path=one.txt", "tokens_per_step=128", "wandb.mode=disabled")
    script("train", *text, "run=second", "init_from=first", "max_steps=1")
    shutil.rmtree("first")
    Path("second").rename("first")
    script("train", "run=first", "resume=true", "max_steps=2")
    assert checkpoint.saved_steps(Path("first")) == [1, 2]


def test_documents_begin_as_in_the_text_that_a_run_is_trained_on(script, finished_run, texts):
    """Stories begin with a space, and these files do not."""
    assert json.loads((finished_run / "tokenizer.json").read_text())["start"] == " "
    text = ("data=files", "data.path=one.txt", "tokens_per_step=128", "wandb.mode=disabled")
    script("train", *text, "run=second", f"init_from={finished_run}", "max_steps=1")
    assert "start" not in json.loads(Path("second/tokenizer.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("init_from=nowhere",), "init_from=nowhere: there is no such run"),
        (("model.n_layer=3",), "model.n_layer=3: init_from=run brings its model and tokenizer along; leave this out"),
        (("model=small",), "model=small: init_from=run brings"),
        (("tokenizer=bytes",), "tokenizer=bytes: init_from=run brings"),
        (("run=run", "overwrite=true"), "init_from=run: is the run itself"),
        (("init_from=begun",), "init_from=begun: has no checkpoint yet"),
        (("init_from=broken",), "init_from=broken: its config.yaml is damaged"),
    ],
)
def test_what_cannot_be_begun_with_is_refused_before_training(error_of, finished_run, arguments, message):
    Path("run").symlink_to(finished_run)
    for name in ("begun", "broken"):
        (Path(name) / "checkpoints").mkdir(parents=True)
        for file in ("config.yaml", "tokenizer.json"):
            (Path(name) / file).write_bytes((finished_run / file).read_bytes())
    Path("broken/config.yaml").write_text("model: foo\ntokenizer: bar\n")
    assert message in error_of("train", "run=other", "init_from=run", *QUICK, *arguments)
    assert not Path("other").exists()


def test_a_run_leaves_text_and_curves_to_look_at(finished_run):
    samples = {path.name: path.read_text() for path in (finished_run / "samples").glob("step_*.txt")}
    assert sorted(samples) == ["step_000000.txt", "step_000010.txt", "step_000020.txt"]
    rows = [row for row in read_rows(finished_run / "metrics.jsonl") if "sample" in row]
    assert [row["sample"] + "\n" for row in rows] == [samples[name] for name in sorted(samples)]
    assert (finished_run / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    page = (finished_run / "report.html").read_text()
    assert f"<h1>Step 20 of 20: validation loss {rows[-1]['val_loss']:.4f} nats per token" in page
    assert "<p>Training ended at step 20, after " in page
    assert 'id="weights"' in (finished_run / "live.html").read_text(), "the page in which the model runs"
    expected = {"train_loss", "val_loss", "val_bpb", "grad_norm", "tokens_per_second", "seconds", "train_seconds"}
    assert expected | {"lr/matrices", "lr/head", "skipped"} <= rows[-1].keys()


def test_the_model_in_the_page_is_the_best_and_one_that_cannot_be_written_is_a_note(script, monkeypatch, texts, capsys):
    losses = {0: 4.0, 2: 1.0, 4: 3.0, 6: 0.5}
    monkeypatch.setattr(
        Trainer, "losses_of", lambda trainer, model: dict.fromkeys(("val_loss", "val_bpb"), losses[trainer.step])
    )
    script("train", *PLAIN, "run=run", "data.path=one.txt", "max_steps=4", "eval_every=2", "checkpoint_every=4")
    run = Path("run")
    assert "step 2 ·" in (run / "live.html").read_text(encoding="utf-8")
    assert live_page_is_current(run)

    def full(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(live_page, "write_page", full)
    script("train", "run=run", "resume=true", "max_steps=6")
    assert "note   live.html was not written ([Errno 28] No space" in capsys.readouterr().err
    assert checkpoint.saved_steps(run)[-1] == 6
    assert not live_page_is_current(run), "it has the weights of step 2"


def test_an_offline_record_of_wandb_holds_curves_samples_and_configuration(script, texts):
    script("train", *PLAIN, "run=run", "data.path=one.txt", "max_steps=4", "eval_every=2", "wandb.mode=offline")
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", "run/wandb/latest-run"]
    lines = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    config = next(record["run"]["config"]["update"] for record in records if record["type"] == "run")
    assert config["max_steps"] == 4
    assert config["model"]["n_embd"] == 32
    history = [record["history"]["item"] for record in records if record["type"] == "history"]
    rows = read_rows(Path("run/metrics.jsonl"))
    assert [item["_step"] for item in history] == [row["step"] for row in rows] == list(range(5))
    for item, row in zip(history, rows, strict=True):
        for key in ("train_loss", "val_loss", "val_bpb", "grad_norm", "lr/matrices"):
            assert item.get(key) == row.get(key)
    assert ["sample" in str(item) for item in history] == [True, False, True, False, True]
    texts = [page.read_text() for page in Path("run/wandb/latest-run/files/media/html").glob("*.html")]
    report = Path("run/report.html").read_text()
    assert [item["_step"] for item in history if "report.path" in item] == [4]
    assert len(texts) == 4
    texts.remove(report)  # it is there as it is
    assert all("<pre>" in text for text in texts)


def test_side_by_side_a_bad_job_takes_no_good_one_with_it(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    arguments = ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "optimizer=adamw,muon", "max_steps=2")
    process = start_training(
        tmp_path, *arguments, *QUICK, *SMALL, "model.n_head=2,3", "data.tasks=[agreement]", "wandb.project=1.10"
    )
    out, err = process.communicate(timeout=280)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    rows = [line for line in out.splitlines() if "optimizer=" in line and not line.startswith("job ")]
    assert ["best validation loss" in row for row in rows] == [True, False, True, False]
    assert ["divide into n_head=3" in row for row in rows] == [False, True, False, True]
    runs = list((tmp_path / "runs").glob("stories-*"))
    assert [checkpoint.saved_steps(run) for run in runs] == [[2], [2]]
    assert {run.name in out for run in runs} == {True}


def test_a_job_that_fails_in_training_leaves_nothing_to_the_next(script, capsys, texts, monkeypatch):
    """Its record in wandb is finished, signals are handled as before, and no file stays open."""
    settings = (*PLAIN, "data.path=one.txt", "max_steps=12", "wandb.mode=offline", "run='r${optimizer.matrix_lr}'")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    step = Trainer.train_step

    def failing(self) -> dict:
        if self.config.optimizer.matrix_lr == 0.5 and self.step == 3:
            raise InputError("loss or gradient was not finite")
        return step(self)

    monkeypatch.setattr(Trainer, "train_step", failing)
    with pytest.raises(SystemExit) as caught:
        script("train", "-m", "optimizer.matrix_lr=0.5,0.004", "optimizer=adamw", *settings)
    assert caught.value.code == 1
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    links = [*Path("/proc/self/fd").glob("*")]
    assert not [link for link in links if str(Path.cwd()) in os.path.realpath(link)]
    bad, good = capsys.readouterr().out.splitlines()[-2:]
    assert "  error: " in bad
    assert good.endswith(f"{rows_without_clock(Path('r0.004'))[-1]['val_loss']:.4f}")
    for run in ("r0.5", "r0.004"):
        assert len(list(Path(run).glob("wandb/offline-run-*/*.wandb"))) == 1
    if not links:
        pytest.skip("this system lists no open files; all else was as it should be")


def test_half_and_half_is_the_whole(script, texts):
    settings = (*PLAIN, "data.path=one.txt", "tokenizer=bpe", "model.dropout=0.1", "micro_batch=64")
    script("train", *settings, "run=whole", "max_steps=4", "eval_every=2")
    script("train", *settings, "run=half", "max_steps=4", "eval_every=2", "checkpoint_every=2")
    for path in (Path("half/checkpoints/step_000004")).iterdir():  # as if it had been killed after step 2
        path.unlink()
    Path("half/checkpoints/step_000004").rmdir()
    script("train", "run=half", "resume=true")
    one, other = (checkpoint.load(Path(run), "latest") for run in ("whole", "half"))
    assert one[0]["sha256"] == other[0]["sha256"]
    assert one[0]["batches"] == other[0]["batches"]
    assert rows_without_clock(Path("whole")) == rows_without_clock(Path("half"))


def test_a_run_killed_at_random_moments_becomes_what_it_would_have(tmp_path):
    """The first run has another seed for the hashes of strings."""
    settings = (*QUICK, *SMALL, "data.tasks=[agreement]", "max_steps=60", "eval_every=20", "checkpoint_every=5")
    seed = time.time_ns()  # other moments at every test
    (tmp_path / "alone").mkdir()
    run_in_peace(start_training, tmp_path / "alone", settings)
    Training(tmp_path, "refused").communicate(timeout=120)  # or the first time below would be the server's, too
    first, whole = run_in_peace(Training, tmp_path, settings)
    rng, gained = random.Random(seed), []
    for _ in range(5):  # where the machine has become quicker, a run may end before it is killed after a checkpoint
        shutil.rmtree(tmp_path / "killed", ignore_errors=True)
        gained = run_through_kills(Training, tmp_path, settings, (first + whole) / 2, rng)
        if any(gained):
            break
    else:
        pytest.skip(f"seed {seed} killed nothing that had been saved")
    expected = what_a_run_became(tmp_path / "alone" / "peace")
    for run in ("peace", "killed"):
        assert what_a_run_became(tmp_path / run) == expected, (run, seed, gained)
