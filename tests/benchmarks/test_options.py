"""Options that nothing can be measured with are refused in one line, before anything long."""

import argparse

import pytest
import toys

from benchmarks import attention, live_page, page, probing, processes, sampling_text, step, tokenizing
from common.errors import InputError
from model import GPT, GPTConfig
from storage.weights import save_run

TEXT_OPTIONS = {"gigabytes": 0, "megabytes": 1, "rounds": 1, "folder": None}


@pytest.mark.parametrize(
    ("script", "arguments", "answer"),
    [
        (attention, ["--device", "foo"], "device=foo: must be auto, cpu"),
        (attention, ["--figure", "nowhere/a.png"], "--figure nowhere/a.png: there is no folder nowhere"),
        (attention, ["--figure", "a.jpg"], "--figure a.jpg: must end in .png, .svg, .pdf"),
        (page, ["--opens", "0"], "--opens 0: must be at least 1"),
        (page, ["nowhere/report.html"], "nowhere/report.html: there is no such file; give the report.html"),
        (live_page, ["--turns", "0"], "--turns 0: must be at least 1"),
        (processes, ["model=huge"], "model=huge: "),
        (processes, ["tokens_per_step=128", "model.block_size=128"], "tokens_per_step=128: must be a multiple"),
    ],
)
def test_what_cannot_be_measured_is_an_answer(script, arguments, answer):
    with pytest.raises(InputError, match=f"^{answer}"):
        script.main(arguments)


def test_a_shape_that_is_no_network_is_an_answer(monkeypatch):
    monkeypatch.setattr(probing, "find_spec", lambda name: name)
    with pytest.raises(InputError, match=r"^--layers, --heads, --width, --vocab: n_embd=128 does not divide"):
        probing.main(["--heads", "3"])


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"megabytes": 0}, "--megabytes 0: must be at least 1"),
        ({"rounds": -1}, "--rounds -1: must be at least 0"),
        ({"gigabytes": float("nan")}, "--gigabytes nan: must be at least 0"),
    ],
)
def test_no_text_is_not_tokenized(options, answer, tmp_path):
    with pytest.raises(InputError, match=f"^{answer}$"):
        tokenizing.main(argparse.Namespace(**TEXT_OPTIONS | options))
    with pytest.raises(InputError, match=r"^--folder \S*nowhere: there is no such folder; make it first$"):
        tokenizing.main(argparse.Namespace(**TEXT_OPTIONS | {"folder": tmp_path / "nowhere"}))


def test_a_run_without_a_text_gives_no_prompts(tmp_path):
    save_run(tmp_path / "run", GPT(GPTConfig(257, block_size=8, n_layer=1, n_head=1, n_embd=8)), toys.TOKENIZER)
    answer = r"^run=\S*run: no prompts can be taken .* the run has no corpus; give a run whose text is there$"
    with pytest.raises(InputError, match=answer):
        sampling_text.main([str(tmp_path / "run")])


def test_help_of_a_step_is_what_it_measures(capsys):
    step.main(["--help"])
    assert "python -m benchmarks.step model=small" in capsys.readouterr().out
