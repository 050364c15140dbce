"""The sentences of articles lead the page and stand in the terminal, and their pairs can be looked at word by word."""

import io
import json
import re
from dataclasses import replace

import pytest
from browser import contrast
from networks import loud_model
from toy_report import MATTERS, toy_sentences, write_toy_report

from data.stories.articles import PAIRS
from model import GPTConfig
from probing import Findings
from report.examples import choose_examples
from report.probe_page import first_task
from report.probe_terminal import print_findings
from report.terminal import Output


@pytest.fixture(scope="module")
def findings(findings: Findings) -> Findings:
    return replace(findings, sentences=toy_sentences())


def test_heads_json_has_them(folder):
    assert json.loads((folder / "heads.json").read_text())["sentences"] == toy_sentences()


def test_the_page_begins_with_them(open_page, folder):
    page = open_page(folder / "report.html")
    first = page.locator("section").first
    assert first.get_attribute("id") == "sentences"
    text = first.inner_text().replace("\xa0", " ")
    assert "The cat left the mat. The cat was tired → cat 91.2 %" in text
    assert f"From “tired”, head {MATTERS} gives 81 % of its attention to “cat” and 3 % to “mat”." in text
    assert "the model says “mat” (66.6 %), and log P(cat) − log P(mat) goes from 4.5 to -3.2 nats." in text
    assert "The cat was <i>soft</i> → <b>dog</b> 50.0 %" in text, "text is text"
    assert "The answer would be “mat” (2.0 %). The model is right in" in text


def test_candidates_are_tinted_where_they_first_stand(open_page, folder):
    page = open_page(folder / "report.html")
    words = page.locator(".known").first.locator(".word")
    assert words.all_inner_texts() == ["cat", "mat", "tired"]
    weights = words.evaluate_all("words => words.map(word => +word.style.getPropertyValue('--weight'))")
    assert weights == [0.81, 0.03, 0]
    assert page.locator(".known").first.inner_html().index("<span") == len("The "), "the second cat is no candidate"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_they_fit_and_can_be_read(open_page, folder, width, scheme):
    page = open_page(folder / "report.html", width=width, scheme=scheme)
    page.wait_for_selector(".known")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for selector in (".known", ".known .gold", ".known .other", ".known b", ".pairs .what"):
        assert contrast(page.locator(selector).first) >= 4.5, selector


def test_a_page_of_an_earlier_probe_has_none(findings, open_page, tmp_path):
    write_toy_report(replace(findings, sentences=()), tmp_path)
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector(".strip canvas")
    assert page.locator("#sentences").count() == 0


def test_the_terminal_has_a_line_for_each(findings):
    console = Output(file=io.StringIO(), width=200)
    print_findings(findings, console)
    text = console.file.getvalue()
    assert "The cat left the mat. The cat was tired\n  tired  cat 91.2%" in text
    assert re.search(r"1\.0: cat 81%, mat 3% +4\.5 to -3\.2, mat 66\.6%\n", text)
    assert re.search(r"<b>dog</b> 50\.0% *the model does not resolve this task", text)
    assert text.index("sentences of articles") < text.index("who looks back")
    console = Output(file=io.StringIO(), width=200)
    print_findings(replace(findings, sentences=()), console)
    assert "sentences of articles" not in console.file.getvalue()


@pytest.mark.parametrize(("text", "said"), [("The cat left because it was", True), ("The cat was", False)])
def test_only_sentences_with_it_are_said_to_be_undecided_there(findings, open_page, tmp_path, text, said):
    found = replace(findings, sentences=[{**sentence, "text": text} for sentence in toy_sentences()])
    console = Output(file=io.StringIO(), width=200)
    print_findings(found, console)
    assert ("at 'it' a causal model cannot know what is meant" in console.file.getvalue()) == said
    write_toy_report(found, tmp_path)
    about = open_page(tmp_path / "report.html").locator("#sentences").inner_text()
    assert ("At “it” a causal model cannot know" in about) == said


def test_their_pairs_are_the_first_texts_to_look_at(stories):
    config = GPTConfig(stories.tokenizer.vocab_size, block_size=64, n_layer=1, n_head=2, n_embd=16)
    records = [
        {"task": pair.task, "key": key, "look": None if pair.task == "cue" else {"head": "0.0"}}
        for pair in PAIRS
        for key in pair.keys
    ]
    found = Findings(loud_model(config), {}, [], [], None, None, sentences=records)
    examples = choose_examples(found, stories.tokenizer, None)
    assert [(example.task, example.name) for example in examples] == [
        (pair.task, " or ".join(pair.keys)) for pair in PAIRS
    ]
    assert "".join(examples[0].texts[1].tokens[1:]).startswith(
        " The animal didn't cross the street because it was too wide."
    )
    assert first_task(replace(found, sentences=[records[0], {"task": "chains", "look": {"head": "0.0"}}])) == "chains"
    assert first_task(replace(found, sentences=records[:4])) is None
