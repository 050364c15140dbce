"""A corpus may hold anything: on the page it is text, and nothing of it acts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from browser import quiet_pages

from common.visible import visible
from data import Case
from data.cases.case import Spans
from data.text.tokenizers import BpeTokenizer
from model import GPT, GPTConfig
from probing import probe, write_files
from report.probe_page import write_probe_page

PIECES = {
    b"</script><script>window.acted=1</script>": "</script><script>window.acted=1</script>",
    b"<img src=x onerror=window.acted=1>": "<img src=x onerror=window.acted=1>",
    b"\"'`${window.acted=1}&lt;": "\"'`${window.acted=1}&lt;",
    b"-->]]>": "-->]]>",
    b" two": " two",
    b" ": "␣",
    b"  ": "␣␣",
    b"\n\n": "↵↵",
    b"a\tb\x00": "a⇥b␀",
    b"\xe2\x82": "\\xe2\\x82",
    "שלום".encode(): "שלום",
    "\u202eevil".encode(): "\\u202eevil",
    "👩\u200d🚀".encode(): "👩\u200d🚀",
    "\u00a0\ufeff".encode(): "\\xa0\\ufeff",
    b"W" * 300: "W" * 300,
}
TASK = "</script><img src=x onerror=window.acted=1> __proto__"
OTHER_TASK = "constructor"  # what every object of a script has


@pytest.fixture(scope="module")
def tokenizer() -> BpeTokenizer:
    """Each hostile piece is a token of its own, between bars."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    for piece in PIECES:
        ranks.setdefault(piece, len(ranks))
    return BpeTokenizer("bpe", ranks, r"[^|]+|\|")


def hostile_cases(split: str) -> list[Case]:
    """Pairs of counterfactuals in which the text before the question is hostile."""
    dirt = "|".join(piece.decode() for piece in PIECES if piece != b"\xe2\x82")
    cases = []
    for i in range(20):
        before = f"{'.' * (i % 5)}|{dirt}|"
        first, second = ("A", "B") if i % 4 < 2 else ("B", "A")
        gold, foil = (first, second) if i % 2 else (second, first)
        start = len(before.encode())
        spans = {"A": (start, start + 1), "B": (start + 2, start + 3)}
        answer = (start + 6, start + 7)
        case = Case(f"{split}{i}", f"{before}A|B|{gold.lower()}|{gold}", TASK, f"f{i % 5}", split, Spans(
            gold=(spans[gold],), distractors=(spans[foil],), answer=answer, pronoun=(start + 4, start + 5)
        ), foil, counterfactual=f"{split}{i ^ 1}", counterfactual_kind="gender")  # fmt: skip
        cases.append(case)
    others = [
        replace(case, id=f"{case.id}!", counterfactual=f"{case.counterfactual}!", task=OTHER_TASK) for case in cases
    ]
    return cases + others


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    model = GPT(GPTConfig(tokenizer.vocab_size, block_size=64, n_layer=1, n_head=2, n_embd=16)).eval()
    drawn = (hostile_cases(split) for split in ("select", "report"))
    source = {"run": "<b onclick=x>run</b>", "step": 1, "cases": "</script>"}
    found = replace(
        probe(model, tokenizer, *drawn, source=source), too_few=["<script>window.acted=1</script>: too few"]
    )
    write_files(found, folder)
    ids = [tokenizer.end, *(tokenizer.pieces.index(piece) for piece in PIECES)]
    write_probe_page(found, tokenizer, folder, window=ids)
    return folder


@pytest.mark.parametrize(("piece", "text"), PIECES.items())
def test_a_piece_is_made_visible(piece, text):
    assert visible(piece) == text


def test_hostile_text_is_shown_as_text(open_page, folder):
    page = open_page(folder / "report.html", width=390)
    page.wait_for_selector(".strip canvas")
    page.get_by_label("Text", exact=True).select_option(label="the text that was measured")
    words = page.locator(".tinted").first.locator(".word").all_inner_texts()
    assert words[1:] == [text.removeprefix(" ") for text in PIECES.values()]
    assert page.evaluate("window.acted") is None
    assert page.locator("main img, main script, main b[onclick]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "a long token is broken, not the page"
    assert page.locator("#roles .bars li").first.get_attribute("data-task") == TASK
    assert "<img src=x onerror=window.acted=1> proto" in page.locator("#numbers tbody th").first.inner_text()
    assert "<b onclick=x>run</b>" in page.locator(".about").inner_text()
    page.locator("#roles .bars button", has_text=OTHER_TASK).click()
    assert "native code" not in page.locator("main").inner_text()
    page.get_by_label("Text", exact=True).select_option(index=1)
    assert "</script><script>" in page.locator(".tinted").first.inner_text()
    page.locator(".tinted").first.locator('[data-i="3"]').hover()
    assert page.evaluate("window.acted") is None


def test_the_page_has_the_very_bytes_of_its_files(open_page, folder):
    page = open_page(folder / "report.html")
    with page.expect_download() as download:
        page.get_by_text("Save heads.json").click()
    assert TASK in json.loads(download.value.path().read_text())["tasks"]


def test_were_a_script_to_get_in_it_would_not_run(browser, folder):
    """The Content-Security-Policy, should escaping ever fail."""
    add = """() => {
      document.body.append(Object.assign(document.createElement("script"), {textContent: "window.acted = 1"}));
      return window.acted;
    }"""
    with (
        pytest.raises(AssertionError, match="violates the following Content Security Policy"),
        quiet_pages(browser) as open_page,
    ):
        assert open_page(folder / "report.html").evaluate(add) is None
