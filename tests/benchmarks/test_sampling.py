"""The race of three programs that write: at toy size, against a stand-in with nanoGPT's interface."""

import pytest
import torch

from benchmarks import sampling, sampling_text
from benchmarks.sampling import Part, measure
from common.errors import InputError

STAND_IN = """
from dataclasses import dataclass
import torch
from transformers import GPT2Config, GPT2LMHeadModel

@dataclass
class GPTConfig:
    block_size: int
    vocab_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float
    bias: bool

class GPT(GPT2LMHeadModel):
    def __init__(self, c):
        sizes = dict(n_positions=c.block_size, n_layer=c.n_layer, n_head=c.n_head, n_embd=c.n_embd)
        super().__init__(GPT2Config(vocab_size=c.vocab_size, use_cache=False, **sizes))
        print("number of parameters")

    def forward(self, tokens):
        return super().forward(tokens).logits[:, -1:], None

    def generate(self, tokens, max_new_tokens, top_k):
        assert top_k == 1
        for _ in range(max_new_tokens):
            tokens = torch.cat((tokens, self(tokens)[0].argmax(-1)), dim=1)
        return tokens
"""
SPECULATING = "Lookback, speculate=4"
TOY = "--layers 2 --heads 2 --width 16 --vocab 30 --context 48 --new 6 --slow 3 --short-new 8 --rounds 2".split()


@pytest.fixture
def clone(tmp_path):
    (tmp_path / "model.py").write_text(STAND_IN)
    return str(tmp_path)


def test_all_write_the_same_tokens_and_are_timed_in_turns(clone, capsys):
    sampling.main([clone, *TOY, "--batches", "1", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert "All wrote the same tokens." in lines
    header = lines.index(next(line for line in lines if line.startswith("| prompt + new")))
    rows = [line.strip("| ").split(" | ") for line in lines[header + 2 : header + 14]]
    assert [row[:2] for row in rows[::3]] == [[f"{job}", b] for job in ("long: 42 + 6", "short: 16 + 8") for b in "13"]
    assert [row[2].split()[0] for row in rows] == ["nanoGPT", "transformers", "Lookback"] * 4
    firsts = [line for line in lines[header + 14 :] if line.startswith("|")]
    assert firsts[0].startswith("| prompt of 24 tokens | ms to the first token")
    assert [row.strip("| ").split(" | ")[-1] for row in firsts[2:]] == ["24, 25, 26", "24, 1, 1", "24, 1, 1"]
    assert not any("number of parameters" in line for line in lines)


def test_a_run_writes_after_its_own_text_with_and_without_speculation(finished_run, capsys):
    sampling_text.main([str(finished_run), "--prompts", "2", "--rounds", "1", "--speculate", "4"])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| 0")]
    assert [row[:2] for row in rows[1:]] == [[t, name] for t in ("0", "0.8") for name in ("Lookback", SPECULATING)]
    assert rows[0][1].startswith("transformers")
    assert rows[0][-1] == rows[1][-1] == rows[3][-1] == "1.00"
    assert float(rows[2][-1]) >= 1


class Liar:
    name = "Liar"

    def write(self, prompts, n):
        return sampling.Written(seconds=[1.0] * n, tokens=torch.zeros(len(prompts), n, dtype=torch.long))


def test_other_tokens_end_the_race():
    expected = torch.tensor([[0, 0, 0], [0, 0, 7]])
    with pytest.raises(SystemExit, match=r"Liar: other tokens than Lookback's, first in text 1 at new token 2"):
        measure(Part(Liar(), torch.zeros(2, 4, dtype=torch.long), expected))


def test_rates_are_with_the_prompt_and_after_the_first_token(monkeypatch):
    monkeypatch.setattr(Liar, "write", lambda *_: sampling.Written(seconds=[2.0, 2.5, 3.0], tokens=expected))
    expected = torch.zeros(2, 3, dtype=torch.long)
    result = measure(Part(Liar(), torch.zeros(2, 4, dtype=torch.long), expected))
    assert (result.whole, result.after_first, result.first) == (2.0, 4.0, 2.0)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--context", "2000"], r"--context 2000: must be .* at most 1024"),
        (["--new", "1"], r"--new 1: must be at least 2"),
        (["--short-new", "1020"], r"--short-new 1020: with 16 more must fit into --context 1024"),
        (["--batches", "0"], r"--batches 0: must be at least 1"),
    ],
)
def test_impossible_sizes_are_answered(clone, arguments, answer):
    with pytest.raises(InputError, match=answer):
        sampling.main([clone, *arguments])


def test_a_folder_that_is_no_clone_is_answered(tmp_path):
    with pytest.raises(InputError, match=r"holds no model.py; give the path of a clone of karpathy/nanoGPT"):
        sampling.main([str(tmp_path)])
