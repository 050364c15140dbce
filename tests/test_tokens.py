"""A run on ids: every script works on it, with names and without, or says in one line why not."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, run_script
from networks import loud_model

from data import TokenFiles, TokenizerConfig, prepare
from data.text.tokenizers import byte_tokenizer
from model import GPTConfig
from storage.weights import save_run

NAMES = ["start", "e2e4", "e7e5", "g1f3", "b8c6", "f1b5", "he", "..."]
SMALL = ("model.block_size=16", "model.n_layer=2", "model.n_head=2", "model.n_embd=16", "tokens_per_step=64")
QUICK = ("eval_every=4", "checkpoint_every=4", "log_every=1", "wandb.mode=disabled")
DATA = ("data=tokens", "data.path=ids.bin")
NAMED = ("data.names=names.txt", "data.end=0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ids, their names, and a run on them: sequences of two moves in turns."""
    folder = tmp_path_factory.mktemp("tokens")
    rng, ids = np.random.default_rng(0), []
    while len(ids) < 2_000:
        pair = rng.permutation(np.arange(1, 8))[:2].tolist()
        ids += [0, *(pair * 8)[: rng.integers(5, 12)]]
    np.array(ids, dtype="<u2").tofile(folder / "ids.bin")
    (folder / "names.txt").write_text("\n".join(NAMES))
    with chdir(folder):
        run_script("train", "run=run", *DATA, *QUICK, *SMALL, *NAMED, "max_steps=12", "probe_every=12")
    return folder


@pytest.fixture
def run(trained: Path, script: Callable[..., None]) -> Path:
    """All of it, moved to the folder that the scripts run in, as its settings say."""
    shutil.copytree(trained, Path.cwd(), dirs_exist_ok=True)
    config = Path("run/config.yaml")
    config.write_text(config.read_text().replace(str(trained), str(Path.cwd())))
    return Path("run")


def rows(run: Path) -> list[dict]:
    drawn = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row if "second" not in key} for row in drawn]


def test_no_loss_is_per_byte(run):
    assert "val_loss" in rows(run)[-1]
    assert not any("val_bpb" in row for row in rows(run))
    assert "bits per byte" not in (run / "report.html").read_text().partition("<script")[0]
    assert any(key.startswith("probe/text/") for key in rows(run)[-1])


def test_it_resumes_exactly_without_the_names_it_began_with(run, script):
    whole = rows(run)
    shutil.rmtree(run / "checkpoints" / "step_000012")
    Path("names.txt").unlink()
    script("train", "run=run", "resume=true")
    assert rows(run) == whole


def test_other_ids_do_not_resume_it(run, error_of):
    ids = np.fromfile("ids.bin", dtype="<u2")
    ids[1:].tofile("ids.bin")
    shutil.rmtree(run / "checkpoints" / "step_000012")
    assert "this is not the text that it was trained on" in error_of("train", "run=run", "resume=true")


@pytest.mark.parametrize("prompt", ["1 2", "e2e4 e7e5"])
def test_a_prompt_is_ids_or_names(run, script, capsys, prompt):
    script("sample", "run=run", f"prompt={prompt}", "max_new_tokens=3", "temperature=0")
    written = capsys.readouterr().out.splitlines()[0].split(" ")
    assert written[:2] == ["e2e4", "e7e5"]
    assert set(written) <= set(NAMES[1:])


def test_its_heads_are_measured_in_held_out_ids_without_the_names_file(run, script, capsys):
    Path("names.txt").unlink()
    script("probe", "run=run")
    out = " ".join(capsys.readouterr().out.split())
    assert "not measured The tokens stand for no text: words, names, pronouns, punctuation and line ends are" in out
    found = json.loads((run / "probe" / "heads.json").read_text())
    assert found["tasks"] == {}
    assert [*found["text"]["relations"]][-3:] == ["same_token", "end_token", "rest"]
    assert found["text"]["kinds"].keys() <= {"all", "end_token", "pair_again", "token_again", "new_token"}
    assert found["text"]["text"]["language"] is None


def test_its_heads_are_measured_in_another_file_of_ids(run, script):
    np.save("other.npy", np.fromfile("ids.bin", dtype="<u2")[:800])
    script("probe", "run=run", "text_file=other.npy")
    found = json.loads((run / "probe" / "heads.json").read_text())
    assert found["text"]["source"] == {"text_file": "other.npy"}


def test_another_run_begins_with_its_weights_on_other_ids(run, script):
    np.save("other.npy", np.fromfile("ids.bin", dtype="<u2")[:900])
    on_other = ("data=tokens", "data.path=other.npy")
    script("train", "run=next", "init_from=run", *on_other, *QUICK, "tokens_per_step=64", "max_steps=4")
    assert Path("next/tokenizer.json").read_bytes() == Path("run/tokenizer.json").read_bytes()
    assert rows(Path("next"))[0]["val_loss"] == pytest.approx(rows(run)[-1]["val_loss"], abs=0.2)
    script("probe", "run=next")


def test_its_weights_alone_become_a_run(run, script):
    script("train", "run=ours", "init_from=run", "max_steps=0", "wandb.mode=disabled")
    script("sample", "run=ours", "prompt=e2e4", "max_new_tokens=2")


def test_a_run_of_text_trains_on_ids_of_its_tokens(script):
    np.array([*b"To be, or not to be. " * 40], dtype="<u2").tofile("bytes.bin")
    shape = {"block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16}
    save_run("text", loud_model(GPTConfig(257, **shape)), byte_tokenizer())
    on_ids = ("init_from=text", "data=tokens", "data.path=bytes.bin")
    script("train", "run=next", *on_ids, *QUICK, "tokens_per_step=64", "max_steps=2")
    last = rows(Path("next"))[-1]
    assert last["val_bpb"] == pytest.approx(last["val_loss"] / np.log(2), rel=0.02)  # a token is a byte


def test_the_lines_of_the_manual_make_ids(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("games.txt").write_text("e2e4 e7e5\ng1f3\n")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(code, {})
    read = prepare(
        TokenFiles("moves.bin", names="moves.txt", end=0, val_fraction=0.3), TokenizerConfig("ids"), tmp_path
    )
    assert read.tokenizer.decode(read.train.read(0, 3)) == " e2e4 e7e5"


def test_what_does_not_go_together_is_refused_in_a_line(run, error_of):
    Path("some.txt").write_text("A B 1\n" * 100)
    assert error_of("train", *DATA, "tokenizer=bpe") == (
        "error: tokenizer=bpe: data=tokens has ids already; leave it out"
    )
    assert error_of("train", "run=new", "tokenizer.kind=ids", "data=files", "data.path=some.txt") == (
        "error: tokenizer.kind=ids: comes with data=tokens alone; give tokenizer=bytes"
    )
    on_text = ("init_from=run", "data=files", "data.path=some.txt")
    assert error_of("train", "run=new", *on_text) == (
        "error: init_from=run: its tokens are ids that stand for no text, so it cannot be trained on data=files; give "
        "data=tokens data.path=FILE"
    )
    assert error_of("train", "run=new", "init_from=run", *DATA, "data.end=0") == (
        "error: data.end=0: init_from=run brings its model and tokenizer along; leave this out"
    )
    assert error_of("train", "run=new", *DATA, "data.dtype=int8").startswith("error: data.dtype=int8: must be")
    assert error_of("probe", "run=run", "tasks=[agreement]") == (
        "error: tasks=[agreement]: are of text, and the tokens of this model stand for none"
    )
    assert "its tokens are ids with names, which no tokenizer of transformers has" in error_of(
        "export", "run=run", "to=out"
    )
