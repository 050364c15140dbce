"""``compile=true`` where nothing can be compiled: the night's run is slower, and there in the morning."""

import subprocess
from pathlib import Path

import pytest
import torch
from conftest import QUICK, SMALL
from trainers import make_trainer

from storage.metrics import read_rows
from training.device import why_not_compiled

CPU = torch.device("cpu")


def test_a_missing_compiler_is_noticed(monkeypatch):
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "no-such-compiler"))
    torch._dynamo.reset()
    assert why_not_compiled(CPU).startswith("InvalidCxxCompiler: No working C++ compiler found")


@pytest.mark.parametrize(
    "error", [RuntimeError("Triton\nis missing"), OSError("Triton"), subprocess.SubprocessError("Triton")]
)
def test_whatever_compiling_lacks_is_said_in_a_line(monkeypatch, error):
    def fail(function):
        raise error

    monkeypatch.setattr(torch, "compile", fail)
    assert why_not_compiled(CPU) == "Triton"


def test_the_step_goes_through_what_was_compiled(tmp_path, stories, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda model: lambda *ids, **more: compiled.append(1) or model(*ids, **more))
    make_trainer(tmp_path, stories, compile=True).train_step()
    assert compiled


def test_a_run_goes_on_uncompiled_with_a_note_and_remembers_what_was_asked(script, monkeypatch, capsys):
    monkeypatch.setattr("train.why_not_compiled", lambda device: "no compiler")
    monkeypatch.setattr("torch.compile", lambda function: pytest.fail("compiles"))
    Path("a.txt").write_text("The quick brown fox jumps over the lazy dog. " * 60)
    arguments = ("data=files", "data.path=a.txt", "tokenizer=bytes", "tokens_per_step=128", *SMALL, QUICK[0])
    script("train", "run=run", "compile=true", "max_steps=2", *arguments)
    note = "note   compile=true: cannot compile here (no compiler); the run is not compiled, and slower for it\n"
    out = capsys.readouterr().out
    assert out.startswith(note), "before anything is made"
    assert out.count("compile") == note.count("compile")
    assert "compile: true" in Path("run/config.yaml").read_text()
    script("train", "run=run", "resume=true", "max_steps=3")
    assert capsys.readouterr().out.startswith(note)
    assert read_rows(Path("run/metrics.jsonl"))[-1]["step"] == 3
