"""Fine-tuning on prompts with answers, as its users do it: train, resume, sample, and what is refused."""

import json
from pathlib import Path

import pytest
from conftest import SMALL
from trainers import rows_without_clock

from data import Tokenizer
from storage.metrics import read_rows

RECORDS = [{"q": f"{i} + 1?", "a": f"{i + 1}!"} for i in range(60)]
QA = ("data=answers", "data.path=qa.jsonl", "data.prompt=q", "data.answer=a", "data.template=Q: {prompt} A: {answer}")
QUICK = ("wandb.mode=disabled", "tokens_per_step=512", "max_steps=6", "eval_every=3", "checkpoint_every=3")


@pytest.fixture
def trained(script):
    """The script, in a folder with a run on answers whose tokenizer is bytes."""
    Path("qa.jsonl").write_text("\n".join(map(json.dumps, RECORDS)))
    script("train", "run=qa", "tokenizer=bytes", *QA, *QUICK, *SMALL)
    return script


def test_a_run_on_answers_is_sampled_with_its_template_and_stops_at_an_answers_end(trained, capsys, monkeypatch):
    rows = [row for row in read_rows(Path("qa/metrics.jsonl")) if "val_loss" in row]
    assert {row["answers/accuracy"] for row in rows} <= {i / 6 for i in range(7)}
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]
    assert rows[0]["sample"].startswith("Q: ")

    def write(model, prompt, *_, **__):
        asked.append(bytes(prompt.tolist()[1:]))
        yield from ([b] for b in [*b" 2!", 256, *b"more"])

    class Token(list):
        tolist = list.copy

    asked = []
    monkeypatch.setattr("sample.generate", lambda *given, **_: map(Token, write(*given)))
    capsys.readouterr()
    trained("sample", "run=qa", "prompt=1 + 1?")
    assert asked == [b"Q: 1 + 1? A:"]
    assert capsys.readouterr().out == "Q: 1 + 1? A: 2!\n"
    for name, origin in (("kept", "qa"), ("again", "kept")):
        trained("train", f"run={name}", f"init_from={origin}", "max_steps=0")
        trained("sample", f"run={name}", "prompt=1 + 1?")
        assert asked.pop() == b"Q: 1 + 1? A:", "weights that are kept alone have the template of their run"


def test_the_command_that_began_a_run_on_answers_goes_on_with_it(trained):
    before = Path("qa/config.yaml").read_text()
    trained("train", "run=qa", "tokenizer=bytes", *QA, *QUICK, *SMALL, "max_steps=7", "resume=true")
    assert Path("qa/config.yaml").read_text() == before.replace("max_steps: 6", "max_steps: 7")
    assert [row["step"] for row in rows_without_clock(Path("qa"))][-1] == 7


def test_where_heads_see_prompts_together_a_note_says_so(script, capsys):
    Path("qa.jsonl").write_text("\n".join(map(json.dumps, RECORDS * 30)))
    for arguments in (
        ("train", "run=qa", "tokenizer=bytes", "probe_every=6", *QA, *QUICK, *SMALL),
        ("probe", "run=qa"),
    ):
        capsys.readouterr()
        script(*arguments)
        printed = " ".join("".join(capsys.readouterr()).split())
        assert "data=answers: in the text that heads are measured in, prompts see each other" in printed


def test_answers_are_learned_by_the_weights_of_a_run_on_text(script, finished_run):
    """With its tokenizer and its block; `probe.py text=` then reads it."""
    Path("qa.jsonl").write_text("\n".join(map(json.dumps, RECORDS)))
    script("train", f"init_from={finished_run}", "run=tuned", "optimizer=finetune", *QA, *QUICK)
    assert Tokenizer.load(Path("tuned/tokenizer.json")).start == "", "no prompt begins with a space, as stories do"
    script("probe", "run=tuned", "text=Q: 1 + 1? A: 2!")


def test_a_run_that_was_only_evaluated_goes_on_as_one_that_begins_with_steps(script, finished_run):
    Path("qa.jsonl").write_text("\n".join(map(json.dumps, RECORDS)))
    script("train", f"init_from={finished_run}", "run=tuned", "optimizer=finetune", *QA, *QUICK, "max_steps=0")
    script("train", "run=tuned", "resume=true", "max_steps=2")
    assert Tokenizer.load(Path("tuned/tokenizer.json")).start == ""
    assert read_rows(Path("tuned/metrics.jsonl"))[-1]["step"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data.answer=b",), "qa.jsonl, line 1: has no text under 'b'; name the key with data.answer=..."),
        (("data.template={prompt}",), "data.template='{prompt}': must have {prompt} once, and {answer} at its end"),
        ((r"data.template={prompt}\n{answer}",), r"data.template={prompt}\n{answer}: its \n is a backslash and an n"),
        (("data.path=gone.jsonl",), "data.path=gone.jsonl: there is no such file or folder"),
        (("model.block_size=8",), "60 of 60 prompts with their answers are longer than a block"),
        (("model.block_size=8", "data.skip_too_long=true"), "no prompt with its answer is left to train on"),
        (("data.val_path=empty.jsonl",), "data.val_path=empty.jsonl: there is no prompt with its answer in it"),
        (("data.val_fraction=2",), "data.val_fraction=2.0: must be between 0 and 1"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_line(error_of, arguments, message):
    Path("empty.jsonl").touch()
    Path("qa.jsonl").write_text("\n".join(map(json.dumps, RECORDS)))
    given = {argument.partition("=")[0] for argument in arguments}
    kept = [argument for argument in (*QA, *QUICK, *SMALL) if argument.partition("=")[0] not in given]
    assert message in error_of("train", "run=qa", "tokenizer=bytes", *kept, *arguments)
    assert not Path("qa").exists()
