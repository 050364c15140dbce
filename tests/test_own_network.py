"""A network of one's own, of tokens that are no text, without a corpus: every script works on it, or says why not."""

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT
from inputs_of_ids import LETTERS, cases_of_letters
from networks import loud_model

from data.text.tokenizers import IdTokenizer, byte_tokenizer
from model import GPTConfig
from storage.weights import save_run

NAMES = [*LETTERS, "1", "2"]


def case_of_ids(text: str, name: str, split: str) -> dict:
    """A case of letters as a line of a file, each letter one token and nothing between them."""
    ids = [NAMES.index(letter) for letter in text.removesuffix(".").split()]
    which = ids[2] - len(LETTERS)
    return {
        "id": name,
        "tokens": ids,
        "task": "letters",
        "template": NAMES[ids[0]],
        "foil": ids[1 - which],
        "spans": {
            "gold": [[which, which + 1]],
            "distractors": [[1 - which, 2 - which]],
            "cue": [2, 3],
            "answer": [3, 4],
        },
        "counterfactual": f"{name[:-1]}{1 - which}",
        "counterfactual_kind": "cue",
    }


@pytest.fixture
def run(script) -> None:
    """A run in an empty folder, and cases for it."""
    shape = {"block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16}
    save_run(Path("run"), loud_model(GPTConfig(len(NAMES), **shape)), IdTokenizer(NAMES))
    lines = [json.dumps(case_of_ids(case.text, case.id, case.split)) for case in cases_of_letters(72)]
    Path("mine.jsonl").write_text("\n".join(lines))


def test_it_writes_and_reads_names(run, script, capsys):
    script("sample", "run=run", "prompt=A B 1", "max_new_tokens=3", "temperature=0", "show=1.0")
    written = capsys.readouterr().out.splitlines()[0].split(" ")
    assert written[:3] == ["A", "B", "1"]
    assert len(written) == 6
    assert set(written) <= set(NAMES)
    script("probe", "run=run", "text=A B 1")
    out = capsys.readouterr().out
    assert "head 1." in out
    assert "not known" not in out
    assert "spelled in pieces" not in out


def test_its_heads_are_measured_on_cases_of_ids(run, script, capsys):
    script("probe", "run=run", "cases=mine.jsonl")
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "note heads are not measured in the run's validation text: there is none, because the run has no corpus" in out
    )
    found = json.loads(Path("run/probe/heads.json").read_text())
    letters = found["tasks"]["letters"]
    assert (letters["judged_by"], letters["by_site"]["sites"]) == ("pairs", ["C", "A-1", "A"])
    assert found["model"]["cases"] == "mine.jsonl"


def test_what_it_has_no_text_or_no_corpus_for_is_refused_in_a_line(run, error_of):
    Path("some.txt").write_text("A B 1\n" * 100)
    assert error_of("sample", "run=run") == (
        "error: run=run: it has no end token to begin a text with; give prompt=..."
    )
    assert error_of("sample", "run=run", "prompt=A b") == (
        "error: 'b' is no name of a token; give names with one space between them (A, B, C, ...)"
    )
    assert error_of("probe", "run=run") == (
        "error: run=run: there is nothing to measure its heads on; give cases=FILE or text_file=PATH"
    )
    assert error_of("probe", "run=run", "cases=mine.jsonl", "text_file=some.txt") == (
        "error: text_file=some.txt: is no file of ids, .npy or .bin (raw uint16 or uint32)"
    )
    assert error_of("train", "run=run", "resume=true") == (
        "error: run=run: has no corpus to go on with; init_from=run begins another run on data=..."
    )
    assert error_of("train", "run=other", "init_from=run", "data=files", "data.path=some.txt") == (
        "error: init_from=run: its tokens are ids that stand for no text, so it cannot be trained on data=files; give "
        "data=tokens data.path=FILE"
    )
    assert "its tokens are ids with names, which no tokenizer of transformers has" in error_of(
        "export", "run=run", "to=out"
    )


def test_weights_become_a_run_without_a_corpus(script, capsys):
    """Though tokens_per_step does not fit the block, and with nothing in the cache."""
    shape = {"block_size": 24, "n_layer": 1, "n_head": 2, "n_embd": 16}
    tokenizer = byte_tokenizer()
    save_run("theirs", loud_model(GPTConfig(tokenizer.vocab_size, **shape)), tokenizer)
    script("train", "init_from=theirs", "run=ours", "max_steps=0", "wandb.mode=disabled")
    assert "run ours: nothing was trained, and it has no corpus" in " ".join(capsys.readouterr().out.split())
    before = Path("ours/checkpoints").stat().st_mtime_ns
    script("train", "init_from=theirs", "run=ours", "max_steps=0", "resume=auto", "wandb.mode=disabled")
    assert "run ours: is there already" in " ".join(capsys.readouterr().out.split())
    assert Path("ours/checkpoints").stat().st_mtime_ns == before
    assert not Path("cache").exists()
    script("sample", "run=ours", "max_new_tokens=4")


def test_the_lines_of_the_manual_make_a_run_that_samples(script):
    manual = (ROOT / "docs" / "your-own-sentences.md").read_text(encoding="utf-8")
    (code,) = (part for part in re.findall(r"```python\n(.*?)```", manual, re.DOTALL) if "save_run" in part)
    exec(code, {})
    script("sample", "run=runs/chess", "prompt=e4 e5", "max_new_tokens=2")
