"""Fixtures that several packages' tests share: inputs, a trained run, the scripts in process."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import clean_environment  # noqa: F401 (the first of all that is imported)
import hypothesis
import inputs
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

import cli
import export
import probe
import sample
import train
from cli.schema import ExportCommand, ProbeCommand, SampleCommand, TrainCommand
from data import Dataset, Tokenizer, TokenizerConfig, prepare
from data.stories import TASKS, Stories, write
from data.text.tokenizers import train_bpe

pytest_plugins = ("browser", "live_worker", "toy_pages")
ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = {
    "train": (train.main, TrainCommand),
    "sample": (sample.main, SampleCommand),
    "probe": (probe.main, ProbeCommand),
    "export": (export.main, ExportCommand),
}
QUICK = (
    *("wandb.mode=disabled", "data.n_train=300", "data.n_val=40", "tokens_per_step=256", "log_every=1"),
    "data.tasks=[agreement,cue]",  # every evaluation has cases of each
)
SMALL = ("model.block_size=64", "model.n_layer=2", "model.n_head=2", "model.n_embd=32")
LONGEST = ("test_training_scripts", "test_scripts", "test_world", "test_shortcuts", "test_loop", "test_probing_scripts")
# The switches that make the network exactly GPT-2.
GPT2_SHAPE = {
    "norm": "layernorm",
    "position": "learned",
    "mlp": "gelu",
    "qk_norm": False,
    "softcap": 0.0,
    "bias": True,
    "tie_embeddings": True,
}
# Networks of attention alone, as others publish them.
ATTENTION_ALONE = {"norm": "none", "mlp": "none", "head_bias": True, "qk_norm": False, "softcap": 0.0, "bias": True}

# Two workers share two cores; each is quickest with one thread.
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
hypothesis.settings.register_profile(  # a slow machine is no failure
    "lookback", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("lookback")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first, so that no worker is left alone with one of them in the end."""
    order = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session")
def made_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inputs.make(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module", params=inputs.KINDS)
def input_folder(request: pytest.FixtureRequest) -> Path:
    """A folder with a play, GPT-2's vocabulary and Winogender templates: made, and the real one where it is at hand."""
    return inputs.REAL if request.param == "real" else request.getfixturevalue("made_inputs")


@pytest.fixture(scope="session")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small corpus of stories with its own BPE."""
    return prepare(Stories(n_train=2_000, n_val=100), TokenizerConfig(), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def story_tokenizer() -> Tokenizer:
    """BPE trained on as many stories as it takes to see every word often enough, as in a real run."""
    tokenizer = train_bpe(
        (Stories.start + story for story in write("train", 40_000, seed=0)), TokenizerConfig().vocab_size
    )
    tokenizer.start = Stories.start
    return tokenizer


@pytest.fixture(autouse=True)
def loggers_are_as_before() -> Iterator[None]:
    """Hydra and others leave handlers that write to what was stdout in one test, and fail in the next."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def run_script(name: str, *arguments: str) -> None:
    """A script as its users call it, in this process; what ends it is raised as SystemExit."""
    GlobalHydra.instance().clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{name}.py", *arguments])
        patch.setattr("cli.evaluations.CASES", 20)
        patch.setattr("cli.evaluations.LAST_CASES", 20)
        cli.launch(SCRIPTS[name][0], name, SCRIPTS[name][1])


def start_training(folder: Path, *arguments: str) -> subprocess.Popen:
    """``python train.py`` in a process of its own."""
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A file system of its own at ``path``, which has to be mounted: 256k or 8m are sizes."""
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``script("train", "max_steps=2", ...)`` in an empty folder; training is small and quick."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: str) -> None:
        run_script(name, *arguments)

    return call


@pytest.fixture
def error_of(script: Callable[..., None], capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """Calls a script that must fail; returns its message, having checked that it is one line and status 1."""

    def call(name: str, *arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            script(name, *arguments)
        message = caught.value.code
        assert isinstance(message, str), f"ended with status {message} instead of a message"
        assert "\n" not in message
        assert "Traceback" not in capsys.readouterr().err
        return message

    return call


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps on stories, to sample from and to probe; tests must not change it."""
    folder, every = tmp_path_factory.mktemp("finished"), f"data.tasks=[{','.join(TASKS)}]"
    with chdir(folder):
        run_script("train", "run=run", "max_steps=20", "eval_every=10", "checkpoint_every=10", *QUICK, *SMALL, every)
    return folder / "run"
