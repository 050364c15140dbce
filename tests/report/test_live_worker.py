"""What the worker of the live page answers: texts read with and without edits, texts continued, errors in one line."""

import base64
import json

import numpy as np
import pytest
import torch
from conftest import ROOT
from live_worker import answer, blank_file, open_model, question, start_worker
from networks import BYTES, bigram_model, loud_model
from playwright.sync_api import Page

from data.text.tokenizers import CharacterTokenizer
from model import GPT, GPTConfig
from model.cache import context_start
from probing.heads import attention_row
from report.live_model import packed_model, rounded
from report.pages import SCRIPTS

BLOCK = 32
TEXT = "Tom met Anna."
TOKENS = [BYTES.end, *TEXT.encode()]
CUT = {"head": "0.1", "row": 5, "kind": "cut", "a": [2, 4], "anchor": None}


@pytest.fixture(scope="module")
def model() -> GPT:
    return loud_model(GPTConfig(BYTES.vocab_size, block_size=BLOCK, n_layer=2, n_head=2, n_embd=32))


@pytest.fixture
def ready(worker, model) -> Page:
    """A worker that has the model."""
    assert open_model(worker, model, BYTES)["ready"]
    return worker


def test_a_text_is_read(ready, model):
    found = answer(ready, text=TEXT, row=7, head="1.0")
    assert [token["id"] for token in found["tokens"]] == TOKENS
    assert [token["text"] for token in found["tokens"]] == ["⟨end⟩", *TEXT.replace(" ", "␣")]
    assert (found["dropped"], found["row"], found["stale"], found["anchors"], found["after"]) == (0, 7, [], [], None)
    assert found["before"]["weights"] == pytest.approx(attention_row(rounded(model), TOKENS, 7, "1.0"), abs=1e-4)
    assert answer(ready, text=TEXT)["row"] == len(TOKENS) - 1
    assert answer(ready, text=TEXT)["before"]["weights"] is None


def test_of_a_longer_text_the_end_is_read(ready):
    text = TEXT * 5
    every = [BYTES.end, *text.encode()]
    found = answer(ready, text=text)
    assert found["dropped"] == context_start(len(every), BLOCK)
    assert [token["id"] for token in found["tokens"]] == every[found["dropped"] :]


def test_edits_are_seen_in_after_alone(ready):
    clean = answer(ready, text=TEXT, head="0.1", row=5)
    found = answer(ready, text=TEXT, head="0.1", row=5, rows=[CUT])
    assert found["before"] == clean["before"]
    after = found["after"]
    assert after["weights"][2:4] == [0, 0]
    moved = np.abs(np.subtract(after["weights"], found["before"]["weights"])).sum() / 2
    assert after["rows"]["0.1"] == pytest.approx(moved)
    assert after["rows"]["0.0"] == 0, "another head of the same layer"
    assert after["rows"]["1.0"] > 0, "a later layer"
    assert [word["p"] for word in after["next"]] != [word["p"] for word in clean["before"]["next"]]
    assert answer(ready, text=TEXT, head="0.1", row=5) == clean, "taken back"


def test_a_head_that_is_off_changes_the_next_words(ready):
    found = answer(ready, text=TEXT, off={"0.0": "zero"}, words=["A", "B"])
    assert found["after"]["rows"]["0.0"] == 0
    assert found["after"]["adds"]["0.0"] == 0
    assert found["before"]["adds"]["0.0"] != 0
    assert found["after"]["odds"] != pytest.approx(found["before"]["odds"], abs=1e-3)


def test_every_edit_has_next_words_of_its_own(ready):
    found = [answer(ready, text=TEXT, off={head: "zero"})["after"]["next"] for head in ("0.0", "0.1", "0.0")]
    assert found[0] == found[2] != found[1]


def test_the_next_words_are_those_of_the_text_whatever_row_is_asked_for(ready):
    last, first = (answer(ready, text=TEXT, row=row, rows=[CUT]) for row in (None, 1))
    assert first["before"]["next"] == last["before"]["next"]
    assert first["after"]["next"] == last["after"]["next"]


def test_an_edit_holds_while_the_tokens_up_to_its_row_are_the_same(ready):
    (anchor,) = answer(ready, text=TEXT, rows=[CUT])["anchors"]
    assert anchor == TOKENS[:6]
    edit = CUT | {"anchor": anchor}
    later = answer(ready, text="Tom kept", rows=[edit])
    assert (later["stale"], later["anchors"]) == ([0], [])
    assert later["after"] is None
    assert answer(ready, text="Tom me", rows=[edit])["stale"] == []
    assert answer(ready, text="Tom", rows=[edit])["stale"] == [0], "the row is not there"
    assert answer(ready, text="Tom", rows=[CUT])["stale"] == [0]
    both = answer(ready, text="Tim met", rows=[edit, CUT | {"row": 2, "a": [0, 1]}])
    assert (both["stale"], both["anchors"]) == ([0], [[BYTES.end, *b"Ti"]])


def test_an_edit_of_words_that_a_head_does_not_see_is_named(worker):
    """From row 5, a window of 3 tokens sees those from 3 on."""
    config = GPTConfig(BYTES.vocab_size, block_size=BLOCK, n_layer=1, n_head=2, n_embd=32, attention="W", window=3)
    open_model(worker, loud_model(config), BYTES)
    far, near, both = (CUT | {"a": [0, 3]}, CUT, CUT | {"kind": "swap", "a": [4, 5], "b": [1, 2]})
    found = answer(worker, text=TEXT, head="0.1", row=5, rows=[far, near, both])
    assert found["unseen"] == [True, False, True]
    without = answer(worker, text=TEXT, head="0.1", row=5, rows=[far, both])
    assert without["after"]["weights"] == without["before"]["weights"], "they change nothing"


COUNTED = """([source, model, weights, first, second]) => {
  const { LiveWorker, Reading } = new Function(source + "; return { LiveWorker, Reading };")();
  let n = 0;
  const { logits } = Reading.prototype;
  Reading.prototype.logits = function (row) { n++; return logits.call(this, row); };
  const bytes = Uint8Array.from(atob(weights), character => character.charCodeAt(0));
  const [worker, other] = [0, 1].map(() => new LiveWorker(() => null));
  for (const one of [worker, other]) one.open({ model, weights: bytes.buffer });
  const counts = [first, second, first].map(question => { worker.read(question); return n; });
  return [counts, worker.read(second), other.read(second)];
}"""


def test_neither_next_words_nor_log_odds_are_computed_anew_for_another_row_or_head(open_page, tmp_path, model):
    source = "".join((ROOT / "report" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS["worker"])
    parts = packed_model(model, BYTES)
    asked = [
        question(text=TEXT, row=row, head=head, words=["A", "x"], off={"0.0": "zero"})
        for row, head in ((3, "0.1"), (9, "1.1"))
    ]
    given = [source, json.loads(parts["model.json"]), base64.b64encode(parts["weights"]).decode(), *asked]
    (first, second, third), kept, anew = open_page(blank_file(tmp_path)).evaluate(COUNTED, given)
    assert 0 < first == second == third
    assert kept == anew


def test_a_text_is_continued_token_by_token(ready, model):
    found = answer(ready, "generate", TEXT, n=8, temperature=1.0, seed=1)
    assert found["done"]
    assert len(found["ids"]) == 8
    assert [token["id"] for token in found["came"]] == found["ids"]
    assert found["came"][-1]["whole"] == found["text"]
    assert answer(ready, "generate", TEXT, n=8, temperature=1.0, seed=1, off={"0.0": "zero"})["ids"] != found["ids"]


def test_the_same_is_drawn_in_one_go_and_in_two(worker):
    """Also where the context has moved on."""
    letters = CharacterTokenizer("abcdefgh")
    open_model(worker, loud_model(GPTConfig(8, block_size=16, n_layer=1, n_head=2, n_embd=16), rest=0.1), letters)
    for text in ("ab", "abcdefgh" * 3):
        drawn = {"temperature": 1.0, "seed": 3}
        whole = answer(worker, "generate", text, n=8, **drawn)
        half = answer(worker, "generate", text, n=4, **drawn)
        assert half["ids"] == whole["ids"][:4]
        assert answer(worker, "generate", half["text"], n=4, **drawn)["ids"] == whole["ids"][4:]


def test_edits_of_rows_end_when_the_context_moves_on(ready, model):
    """Row 16 is the last one of the second context, and another token's."""
    text = "Tom met Anna. He said, my name."
    edits = [CUT | {"head": head, "row": 16, "kind": "only", "a": [0, 1]} for head in ("0.0", "0.1", "1.0", "1.1")]
    first, second = answer(ready, "generate", text, n=2, rows=edits)["ids"]
    context = [BYTES.end, *text.encode(), first][context_start(BLOCK + 1, BLOCK) :]
    assert len(context) == 17
    with torch.inference_mode():
        assert second == int(rounded(model)(torch.tensor([context]))[0, -1].argmax())


def test_a_continuation_ends_at_the_end_token_and_holds_no_half_characters(worker):
    model = bigram_model(16)
    open_model(worker, model, BYTES)
    found = answer(worker, "generate", "A", n=9)
    assert found["ids"] == [*b"\xc3\xa9", BYTES.end]
    assert found["came"][-1]["text"] == "⟨end⟩"
    assert [token["whole"] for token in found["came"]] == ["A", "Aé", "Aé"]
    assert (found["text"], found["ended"]) == ("Aé", True)
    assert [answer(worker, "generate", "A", n=1)[key] for key in ("text", "ended")] == ["A", False]
    assert answer(worker, "generate", "", n=3)["text"] == "Aé"


def test_what_is_begun_from_nothing_has_no_space_before_it(worker):
    """As documents of stories begin with one that nobody types."""
    tokenizer = type(BYTES)("bytes", {piece: i for i, piece in enumerate(BYTES.pieces[:-1])}, BYTES.pattern, " ")
    model = bigram_model(16)
    with torch.no_grad():
        model.head.weight[ord(" "), BYTES.end] = 1
    open_model(worker, model, tokenizer)
    found = answer(worker, "generate", "", n=3)
    assert found["ids"] == [*b" P."]
    assert found["text"] == "P."


def test_nothing_is_continued_from_nothing_without_an_end_token(worker):
    letters = CharacterTokenizer("abc")
    open_model(worker, loud_model(GPTConfig(3, block_size=8, n_layer=1, n_head=2, n_embd=16)), letters)
    assert answer(worker, "generate", "")["error"] == "the text is empty; type or paste one"
    assert answer(worker, "generate", "a", n=2)["ended"] is False


def test_a_continuation_is_stopped_and_what_is_there_stays(ready):
    script = """async question => {
      const came = [];
      const done = ask(question, came);
      while (!came.length) await new Promise(resolve => setTimeout(resolve, 1));
      const stopped = await ask({ ask: "stop" });
      return [await done, stopped];
    }"""
    found, stopped = ready.evaluate(script, question("generate", "Tom", n=5_000, temperature=1.0))
    assert stopped["stopped"]
    assert 0 < len(found["ids"]) < 5_000
    assert found["text"].startswith("Tom")


def test_texts_are_read_while_another_is_continued(ready):
    script = """async ([long, read]) => {
      const came = [];
      const done = ask(long, came);
      const answer = await ask(read);
      const before = came.length;
      await ask({ ask: "stop" });
      await done;
      return [answer, before];
    }"""
    long = question("generate", "Tom", n=5_000, temperature=1.0)
    found, before = ready.evaluate(script, [long, question(text=TEXT)])
    assert len(found["tokens"]) == len(TOKENS)
    assert before < 5_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": ""}, "the text is empty; type or paste one"),
        ({"head": "7.7"}, "head 7.7: this model has no such head"),
        ({"head": "constructor"}, "head constructor: this model has no such head"),
        ({"row": 14}, "row=14: the model sees 14 tokens; give 0 to 13"),
        ({"row": -1}, "row=-1: the model sees 14 tokens; give 0 to 13"),
        ({"off": {"2.0": "zero"}}, "head 2.0: this model has no such head"),
        ({"off": {"0.0": "mean"}}, "head 0.0: this page does not hold its mean output; choose zero"),
        ({"ask": "__proto__"}, "ask=__proto__: must be open, read, generate or stop"),
    ],
)
def test_what_cannot_be_answered_is_one_line(ready, given, message):
    assert answer(ready, **{"text": TEXT, **given})["error"] == message
    assert "tokens" in answer(ready, text=TEXT), "and the worker goes on"


@pytest.mark.parametrize("ask", ["read", "generate"])
def test_logits_that_are_not_finite_are_named(worker, model, ask):
    weights = np.frombuffer(packed_model(model, BYTES)["weights"], dtype="<f2").copy()
    weights[-1_000:] = np.nan
    open_model(worker, model, BYTES, weights.tobytes())
    assert answer(worker, ask, TEXT)["error"] == "the model's logits are not finite"


def test_nothing_is_read_before_there_is_a_model(worker):
    start_worker(worker)
    assert answer(worker, text=TEXT)["error"] == "the model is not open yet"
