"""What is printed of a sentence: which heads, and what is known of its words."""

import io
from pathlib import Path

import pytest
from networks import bigram_model, loud_model
from toy_text import HEAD, toy_text, write_text_report
from toys import TOKENIZER, hand_set_model, toy_cases

from common.errors import InputError
from data.text.tokenizers import train_bpe
from model import GPTConfig
from probing import probe, write_files
from probing.sentence import NextWord
from report.sentence import named_heads, new_printer
from report.terminal import Output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose heads.json is of the hand-set model at step 7."""
    run = tmp_path_factory.mktemp("run")
    (run / "probe").mkdir()
    drawn = (toy_cases(split, 40) for split in ("select", "report"))
    write_files(probe(hand_set_model(), TOKENIZER, *drawn, source={"run": "toy", "step": 7}), run / "probe")
    return run


def shown(run: Path, step: int, text: str) -> str:
    console = Output(file=io.StringIO(), color_system=None, soft_wrap=True)
    new_printer(run, step, hand_set_model(), TOKENIZER, None, console).show(text)
    return console.file.getvalue()


def test_the_heads_that_look_and_matter_are_shown_by_their_roles(run):
    out = shown(run, 7, "A.k.h?")
    assert "A.k.h?" not in out, "it is tinted"
    assert "head 1.0: pronoun\n  ⟨start⟩ A[1.00].k.h»?«\n" in out
    assert out.count("\nhead ") == 1


def test_heads_of_another_step_are_not_shown(run):
    out = shown(run, 8, "A.k.h?")
    assert f"note   {run}/probe/heads.json is of step 7, and this is step 8: shown are the heads" in out
    most, _, last = (line for line in out.splitlines() if line.startswith("head "))
    assert most.startswith("head 1.0: without it log P of 'A' changes by -")
    assert "without it log P of 'A' changes by +0.00" in last


def test_what_changes_without_a_head_is_named_after_the_likeliest_token():
    """Which begins the third likeliest word."""
    console = Output(file=io.StringIO(), color_system=None, soft_wrap=True)
    new_printer(Path("run"), 1, bigram_model(16), TOKENIZER, None, console).show("Hm?")
    assert "without it log P of '␣' changes by" in console.file.getvalue()


def test_the_name_of_a_run_does_not_act_on_the_terminal(tmp_path):
    out = shown(tmp_path / "\x1b[31m", 7, "A")
    assert f"run {tmp_path}/␛[31m, step 7" in out
    assert "\x1b" not in out


def test_in_a_text_heads_are_shown_by_what_they_do_there(tmp_path):
    write_text_report(tmp_path, toy_text())
    assert named_heads(tmp_path / "heads.json", 7, hand_set_model())[HEAD] == "needed most for line ends"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "this run's heads have not been measured"),
        ("{", "is damaged, or of another version"),
        ("[" * 100_000, "is damaged, or of another version"),
        ('{"model": {"step": "7"}, "tasks": {}}', "is damaged, or of another version"),
        ('{"model": {"step": null}, "tasks": {}}', "is damaged, or of another version"),
        ('{"model": {"step": 7}}', "is damaged, or of another version"),
        ('{"model": {"step": 7}, "tasks": {}}', "names no head of this model that looks and matters"),
    ],
)
def test_a_file_that_names_no_heads_is_said_to(tmp_path, content, why):
    if content:
        (tmp_path / "heads.json").write_text(content)
    with pytest.raises(InputError, match=why):
        named_heads(tmp_path / "heads.json", 7, hand_set_model())


def test_a_word_of_several_pieces_has_their_product(run):
    printer = new_printer(run, 7, hand_set_model(), TOKENIZER, None, Output(file=io.StringIO()))
    assert printer.next_line(NextWord((*b" Pia",), (0.5, 0.9, 1.0, 1.0))) == (
        "0.450  Pia   (␣·P·i·a: 0.500 x 0.900 x 1.000 x 1.000)"
    )
    assert printer.next_line(NextWord((*b"\n",), (0.0004,))) == "<.001 ↵"
    assert printer.next_line(NextWord((TOKENIZER.end,), (1.0,))) == "1.000 ⟨end⟩"


def test_words_in_pieces_and_words_never_seen_are_named():
    tokenizer = train_bpe(["Tom met Tom. ", "<b>a</b> met"] * 3, 262)
    model = loud_model(GPTConfig(tokenizer.vocab_size, 32, n_layer=1, n_head=2, n_embd=16, attention="R"))
    trained = tokenizer.encode_pieces([("Tom met Tom.", True)])
    for tokens, notes in (
        (trained, ["spelled in pieces: P·i·a", "not in the text that the model was trained on: Pia"]),
        (None, ["spelled in pieces: P·i·a; whether training had them is not known here"]),
    ):
        console = Output(file=io.StringIO(), color_system=None, soft_wrap=True)
        new_printer(Path("run"), 1, model, tokenizer, tokens, console).show("Tom met Pia Pia")
        out = console.file.getvalue()
        assert [line.removeprefix("note   ") for line in out.splitlines() if line.startswith("note")] == notes
        assert "head" not in out, "it has none"
