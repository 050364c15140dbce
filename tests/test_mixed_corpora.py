"""A book with some stories, through the scripts: trained, resumed, refused in a line, and probed in both."""

import json
import shutil
import signal
from contextlib import chdir
from pathlib import Path

import pytest
import torch
from conftest import SMALL, run_script
from trainers import make_trainer, new_run, rows_without_clock

from cli.run_text import RunText
from common.progress import silent
from data import Dataset, Files, TokenizerConfig, preparing
from data.mixture import StoriesPart, corpora_of
from data.preparing import prepare_mixed
from storage import checkpoint
from storage.metrics import read_rows
from storage.weights import get_parameters, load_model
from training.evaluation import validation_loss

SENTENCES = ("The lamp burned low.", "Nobody answered her.", "He had walked all night along the river, and was tired.")
BOOK = " ".join(SENTENCES[i * i % 7 % 3] for i in range(600))
MIX = ("mix.stories=0.25", "mix.stories.n_train=300", "mix.stories.n_val=20", "mix.stories.tasks=[agreement,cue]")
COMMAND = ("run=run", "data=files", "data.path=book.txt", *MIX, "tokenizer.vocab_size=600", *SMALL, "max_steps=2")
COMMAND = (*COMMAND, "wandb.mode=disabled", "tokens_per_step=256", "eval_every=2", "checkpoint_every=2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with a book, and a run of two steps on it and on stories; tests must not change it."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "book.txt").write_text(BOOK)
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "SAMPLE_BYTES", 100_000)
        run_script("train", *COMMAND, "probe_every=2")
    return folder


@pytest.fixture
def run(trained, tmp_path, monkeypatch) -> Path:
    """A copy of that folder, in which one stands."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preparing, "SAMPLE_BYTES", 100_000)
    return Path("run")


def test_the_record_has_the_loss_on_each_corpus_and_their_mean_by_shares(trained):
    row = read_rows(trained / "run" / "metrics.jsonl")[-1]
    files, stories = row["val_loss/files"], row["val_loss/stories"]
    assert row["val_loss"] == pytest.approx(0.75 * files + 0.25 * stories)
    assert row["val_bpb/files"] < row["val_bpb"] < row["val_bpb/stories"]
    assert files != stories


def test_stories_in_a_mixture_are_evaluated_as_stories_alone(trained):
    row = read_rows(trained / "run" / "metrics.jsonl")[-1]
    for split in ("referential", "report", "unseen_names"):
        assert f"{split}/agreement/accuracy" in row
    assert "referential/recall/accuracy" not in row, "only the tasks that the stories pose"


def test_quick_probes_look_at_stories_and_at_the_book(trained):
    row = read_rows(trained / "run" / "metrics.jsonl")[-1]
    assert {"probe/agreement/choice_accuracy", "probe/text/1.1/nats"} <= row.keys()


def test_the_same_command_goes_on_and_a_changed_mixture_is_refused(run, script, error_of):
    left_out = ("mix.letters=0", "mix.letters.name=files", "mix.letters.path=gone.txt")
    script("train", *COMMAND, *left_out, "resume=true", "max_steps=3")
    assert checkpoint.saved_steps(run) == [2, 3]
    cannot = "which cannot change when it is resumed; leave it out, or begin another run"
    resumed = ("run=run", "resume=true")
    assert error_of("train", *resumed, "mix.stories=0.5") == f"error: mix.stories.share=0.5: the run has 0.25, {cannot}"
    added = error_of("train", *resumed, "mix.letters=0.1", "mix.letters.name=files", "mix.letters.path=book.txt")
    assert added == f"error: mix.letters: the run was begun without this part, {cannot}"


def test_a_mixture_without_stories_moves_with_its_files(run, script, error_of):
    Path("letters.txt").write_text(BOOK[::-1])
    letters = ("mix.stories=0", "mix.letters=0.2", "mix.letters.name=files", "mix.letters.path=letters.txt")
    command = (*COMMAND, *letters, "run=other")
    script("train", *command)
    rows = read_rows(Path("other/metrics.jsonl"))
    assert [key for key in rows[-1] if key.startswith("val_loss/")] == ["val_loss/files", "val_loss/letters"]
    Path("letters.txt").rename("moved.txt")
    shutil.rmtree("cache")
    assert error_of("train", "run=other", "resume=true", "max_steps=3").endswith("give mix.letters.path=... as well")
    script("train", "run=other", "resume=true", "max_steps=3", "mix.letters.path=moved.txt")
    assert checkpoint.saved_steps(Path("other")) == [2, 3]


def test_the_text_that_heads_are_measured_in_is_the_book(run):
    _, tokenizer, state = load_model(run, "latest", torch.device("cpu"))
    run_text = RunText(run)
    text = run_text.validation(state["dataset"], silent)
    assert tokenizer.decode(text.ids[:-1]) == BOOK[-len(BOOK) // 10 :]
    assert run_text.trained_stories(state["dataset"]) is None, "there are words that are in the book alone"


def test_a_probe_asks_stories_and_measures_heads_in_the_book(run, script, capsys):
    script("probe", "run=run", "n_cases=20", "n_tokens=500")
    found = json.loads((run / "probe" / "heads.json").read_text())
    assert {"agreement", "cue", "recall"} <= found["tasks"].keys(), "all tasks, as of a run on stories"
    assert found["sentences"], "those of articles, too"
    assert [head["head"] for head in found["text"]["heads"]] == ["0.0", "0.1", "1.0", "1.1"]
    assert "files" in (run / "report.html").read_text()


@pytest.fixture
def dataset(tmp_path, monkeypatch) -> Dataset:
    monkeypatch.setattr(preparing, "SAMPLE_BYTES", 100_000)
    (tmp_path / "book.txt").write_text(BOOK)
    mix = {"stories": StoriesPart(share=0.25, n_train=300, n_val=20)}
    corpora = corpora_of(Files(str(tmp_path / "book.txt")), mix)
    return prepare_mixed(corpora, TokenizerConfig(vocab_size=600), tmp_path / "cache")


def test_a_mixture_resumes_as_if_it_had_never_stopped(dataset, tmp_path):
    straight = new_run(tmp_path / "straight", dataset, max_steps=8)
    straight.train()
    stopped = new_run(tmp_path / "stopped", dataset, max_steps=8)
    step = stopped.train_step

    def step_and_stop() -> dict:
        if stopped.step == 4:
            stopped.stops.request(signal.SIGTERM)
        return step()

    stopped.train_step = step_and_stop
    stopped.train()
    assert stopped.step == 5
    resumed = make_trainer(tmp_path / "stopped", dataset, max_steps=8)
    resumed.restore()
    resumed.train()
    assert rows_without_clock(resumed.run) == rows_without_clock(straight.run)
    weights = get_parameters(straight.model)
    assert all(torch.equal(weight, weights[name]) for name, weight in get_parameters(resumed.model).items())


def test_the_loss_of_a_part_is_that_of_its_text_alone(dataset, tmp_path):
    trainer = new_run(tmp_path / "run", dataset, max_steps=1)
    row = trainer.evaluate()
    for name, _, own in dataset.parts:
        assert row[f"val_loss/{name}"] == validation_loss(trainer.model, own.val)
