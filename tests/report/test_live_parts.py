"""What a page gets so that the model runs in it, and where the page is written."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs_of_ids import cases_of_letters, in_ids
from toy_text import HEAD, ROLE, toy_text
from toys import TOKENIZER, hand_set_model, toy_cases

from common.errors import InputError
from data import Case
from data.cases.case import Spans
from data.text.tokenizers import BpeTokenizer, IdTokenizer, byte_tokenizer
from model import GPT, GPTConfig
from probing import Findings, probe, write_files
from probing.in_text import cut_windows
from probing.in_text.ablation import means_over_windows
from report import live_page, probe_page
from report.live_model import packed_model, rounded
from report.live_page import live_parts, live_parts_of, starts_of_articles, starts_of_cases

CONFIG = GPTConfig(TOKENIZER.vocab_size, block_size=24, n_layer=2, n_head=2, n_embd=16, attention="FR")
WINDOWS = cut_windows(np.frombuffer(b"A.k?A\nKAs? BC.h\nA, .K?K\n" * 30, dtype=np.uint8), TOKENIZER, 24)


def read(parts: dict[str, bytes], name: str) -> np.ndarray:
    """A tensor of the parts, as the page's script finds it."""
    (about,) = (tensor for tensor in json.loads(parts["model.json"])["tensors"] if tensor["name"] == name)
    numbers = np.frombuffer(parts["weights"], "<f2")[about["start"] :]
    return numbers[: np.prod(about["shape"], dtype=int)].reshape(about["shape"]).astype(np.float32)


def note(parts: dict[str, bytes]) -> str | None:
    return json.loads(parts["live.json"])["note"]


def test_every_weight_is_there_rounded_to_half_precision():
    model = GPT(CONFIG, seed=3)
    parts = packed_model(model, TOKENIZER)
    for name, parameter in rounded(model).named_parameters():
        np.testing.assert_array_equal(read(parts, name), parameter.detach().numpy(), err_msg=name)
    assert len(parts["weights"]) == 2 * model.n_parameters(), "a tied head counts once"


def test_rounding_leaves_the_model_as_it_was():
    model = GPT(CONFIG, seed=3)
    before = model.embed.weight.clone()
    assert not torch.equal(rounded(model).embed.weight, before)
    assert torch.equal(model.embed.weight, before)


def test_means_are_those_of_heads_over_all_positions():
    model = GPT(CONFIG, seed=3).eval()
    parts = live_parts(model, TOKENIZER, [], WINDOWS)
    expected = means_over_windows(model, WINDOWS, lambda _: None).means.mean(2)[0]
    np.testing.assert_allclose(read(parts, "means.0"), expected.numpy(), atol=1e-3)
    names = [tensor["name"] for tensor in json.loads(parts["model.json"])["tensors"]]
    assert "means.1" not in names, "a recurrent layer has no heads"


def test_tokens_are_bytes():
    about = json.loads(packed_model(GPT(CONFIG), TOKENIZER)["model.json"])["tokenizer"]
    assert [base64.b64decode(token) for token in about["tokens"]] == TOKENIZER.pieces


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 70_000.0])
def test_weights_that_half_precision_cannot_hold_are_refused_and_the_page_says_so(value):
    model = GPT(CONFIG)
    with torch.no_grad():
        model.blocks[0].mlp.up.weight[0, 0] = value
    with pytest.raises(InputError, match=r"blocks.0.mlp.up.weight has weights that are not finite or above 65,504"):
        packed_model(model, TOKENIZER)
    parts = live_parts(model, TOKENIZER, [])
    assert parts.keys() == {"live.json"}
    assert "float16 cannot hold" in note(parts)


def test_a_page_is_not_made_of_a_model_that_is_too_large(monkeypatch):
    monkeypatch.setattr(live_page, "MOST_WEIGHTS", 1_000)
    parts = live_parts(GPT(CONFIG), TOKENIZER, [])
    assert parts.keys() == {"live.json"}
    assert "a page holds up to 1,000" in note(parts)


def test_the_heading_of_a_page_that_does_not_run_promises_nothing(tmp_path):
    for parts, title in ((live_parts(GPT(CONFIG), TOKENIZER, []), "running"), ({"live.json": b"{}"}, "does not run")):
        (page,) = live_page.write_live_page(tmp_path, "toy", parts)
        assert title in page.read_text().partition("</h1>")[0]
        assert ("The model runs in this file" in page.read_text()) == (title == "running")


def test_a_tokenizer_of_another_kind_is_not_run():
    other = BpeTokenizer("bpe", {bytes([byte]): byte for byte in range(256)}, r"[^|]+|\|")
    assert "does not know the way" in note(live_parts(GPT(CONFIG), other, []))


def test_sentences_begin_with_what_articles_use_each_beside_its_counterfactual():
    starts = starts_of_articles({("cue", "tired"): "1.3"})
    tired, wide = starts[:2]
    assert tired["text"].endswith("it was too tired. Later we talked about the")
    assert tired["other"] == wide["text"]
    assert (tired["head"], wide["head"]) == ("1.3", None)
    assert tired["name"] == "tired: The animal didn't cross the st ..."
    assert wide["words"] == ["street", "animal"]


def test_cases_begin_with_the_first_of_each_task():
    cases = toy_cases("report", 4)
    cases += [replace(case, task="other_task", counterfactual=None) for case in cases]
    one, other = starts_of_cases(cases, TOKENIZER, "Cases", {"agreement": "1.0"})
    assert (one["name"], one["head"], other["name"], other["head"]) == ("agreement", "1.0", "other task", None)
    assert one["text"] == cases[0].text[:-1]
    assert one["other"] == cases[1].text[:-1]
    assert other["other"] is None


def test_cases_of_token_ids_begin_by_the_names_of_their_tokens():
    """Those that can be typed: with the end token in front where there is one."""
    letters, moves = [in_ids(case) for case in cases_of_letters(2)], IdTokenizer(["e4", "e5", "Nf3", "start"], "start")
    (one,) = starts_of_cases(letters, byte_tokenizer(), "Cases")
    assert (one["text"], one["other"], one["words"]) == ("A B 1 ", "A B 2 ", ["A", "B"])
    spans = Spans(gold=((1, 2),), distractors=(), answer=(3, 4))
    case = Case("1", "", "moves", "1", "", spans, foil=(0,), tokens=(3, 0, 1, 2))
    (one,) = starts_of_cases([case], moves, "Cases")
    assert (one["text"], one["other"], one["words"]) == ("e4 e5", None, ["Nf3", "e4"])
    assert starts_of_cases([replace(case, tokens=(1, 0, 1, 2))], moves, "Cases") == []


def test_held_out_ids_begin_with_a_sequence():
    moves = IdTokenizer(["e4", "e5", "Nf3", "start"], "start")
    windows = cut_windows(np.array([0, 1, 3, 2, 1, 0, 3, 1, 2] * 6), moves, 18)
    assert [start["text"] for start in live_page.starts_of_text(moves, windows)] == ["Nf3 e5", "Nf3 e5"]
    plain = IdTokenizer(3)
    windows = cut_windows(np.array([0, 1, 2] * 9), plain, 6)
    assert live_page.starts_of_text(plain, windows)[0]["text"] == "0 1 2"


def test_a_run_on_ids_that_cannot_be_typed_has_no_tour():
    moves = IdTokenizer(["to move", "e4", "e5", "start"], "start")
    model = GPT(replace(CONFIG, vocab_size=4), seed=3).eval()
    windows = cut_windows(np.array([3, 1, 2, 1, 2, 1] * 30), moves, 24)
    parts = live_parts_of(Findings(model, {}, [], [], None, None, text=toy_text()), moves, [], windows)
    assert json.loads(parts["live.json"])["tour"] == []
    assert "Names of tokens have spaces" in note(parts)


def test_the_roles_of_heads_in_a_text_say_whether_they_are_needed_or_attend():
    text = toy_text()
    attends = ROLE | {"role": "token_before", "by": "attention"}
    text["heads"][0]["roles"] = [attends, ROLE | {"role": "pronoun"}]
    roles = live_page.roles_in_words(Findings(hand_set_model(), {}, [], [], None, None, text=text))
    assert roles["0.0"]["text"] == "attends to the token before, needed most for pronouns"
    assert (roles[HEAD]["text"], roles[HEAD]["short"]) == ("needed most for line ends", "for line ends")


def test_a_beginning_has_the_line_ends_of_a_box():
    """As a page has them: its rows count tokens of what is in the box."""
    windows = cut_windows(np.frombuffer(b"ab\r\ncd\r" * 30, dtype=np.uint8), TOKENIZER, 24)
    texts = [start["text"] for start in live_page.starts_of_text(TOKENIZER, windows)]
    assert all("\n" in text and "\r" not in text for text in texts)


def write_probed(folder: Path) -> dict[str, int]:
    """A probe's page with the model; the sizes of what is there."""
    select, report = (toy_cases(split, 40) for split in ("select", "report"))
    found = probe(hand_set_model(), TOKENIZER, select, report, source={"run": "toy", "step": 7})
    write_files(found, folder)
    live = live_parts_of(found, TOKENIZER, report, WINDOWS)
    probe_page.write_probe_page(found, TOKENIZER, folder, live=live)
    return {path.name: path.stat().st_size for path in folder.glob("*.html")}


def test_the_model_is_in_the_probes_page_where_that_stays_small_and_else_beside_it(tmp_path, monkeypatch):
    whole = write_probed(tmp_path)
    assert whole.keys() == {"report.html"}
    monkeypatch.setattr(probe_page, "LARGEST_LIVE", 100)
    beside = write_probed(tmp_path)
    assert beside.keys() == {"report.html", "live.html"}
    assert beside["report.html"] < whole["report.html"]
    monkeypatch.undo()
    assert write_probed(tmp_path).keys() == {"report.html"}, "what an earlier probe left is gone"


def test_a_beginning_has_no_character_in_its_name_that_acts_on_the_list():
    windows = cut_windows(np.frombuffer("a \u202eb\x1b".encode() * 30, dtype=np.uint8), TOKENIZER, 24)
    starts = live_page.starts_of_text(TOKENIZER, windows)
    assert starts
    for start in starts:
        assert start["name"].isprintable()
        assert "\u202e" in start["text"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t, in this. He knew us directly, and said so", "He knew us directly, and said so"),
        ("verted Number Twenty and more than that. He", "Number Twenty and more than that. He"),
        ("end!”\n\nNew lines\nbegin here and go on and on", "New lines\nbegin here and go on and on"),
        ("unbroken", "unbroken"),
        ("\ufffdé so\ufffd", "so"),
    ],
)
def test_a_window_begins_with_a_sentence_or_a_word(text, expected):
    assert live_page.beginning(text) == expected
