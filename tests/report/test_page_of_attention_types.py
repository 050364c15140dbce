"""Models of several kinds of attention: layers say which they are, and one without heads is an empty row."""

import io
import json
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect
from rich.console import Console
from toy_report import choose_text
from toys import TOKENIZER, hand_set_model, toy_cases

from model import GPT
from probing import Findings, probe, write_files
from report.figures.role_map import draw_role_map
from report.probe_page import write_probe_page
from report.role_table import role_table


def with_recurrent_layer() -> GPT:
    """The hand-set model, between whose layers stands a recurrent one that has learned nothing and so does nothing."""
    two = hand_set_model()
    three = GPT(replace(two.config, n_layer=3, attention="FRW", window=two.config.block_size)).eval()
    weights = {name.replace("blocks.1.", "blocks.2."): weight for name, weight in two.state_dict().items()}
    unknown = three.load_state_dict(weights, strict=False)
    assert not unknown.unexpected_keys
    assert all(name.startswith("blocks.1.") for name in unknown.missing_keys)
    return three


@pytest.fixture(scope="module")
def findings() -> Findings:
    cases = (toy_cases(split, 40) for split in ("select", "report"))
    return probe(with_recurrent_layer(), TOKENIZER, *cases, source={"run": "toy", "step": 7})


@pytest.fixture
def page(findings, open_page, tmp_path) -> Page:
    write_files(findings, tmp_path)
    write_probe_page(findings, TOKENIZER, tmp_path)
    page = open_page(tmp_path / "report.html")
    choose_text(page, "agreement, typical")
    expect(page.locator(".tinted .gold[style*=weight]").first).to_be_visible()
    return page


def test_heads_behind_a_recurrent_layer_are_judged_as_ever(findings, tmp_path):
    write_files(findings, tmp_path)
    found = json.loads((tmp_path / "heads.json").read_text())
    best = found["tasks"]["agreement"]["best"]
    assert (best["head"], best["looks"], best["matters"]) == ("2.0", True, True)
    assert [len(layer) for layer in found["all_roles"]] == [2, 0, 2]
    assert draw_role_map(findings, tmp_path / "map.png")


def test_layers_say_their_types_in_the_terminal(findings):
    console = Console(file=io.StringIO(), width=80)
    console.print(role_table(findings, console))
    rows = [line.split() for line in console.file.getvalue().splitlines()[1:]]
    assert [row[:2] for row in rows if row[1:2] and row[1] in "FRW"] == [["0", "F"], ["1", "R"], ["2", "W"]]


def test_the_page_has_a_row_for_a_layer_without_heads_and_keys_pass_over_it(page):
    assert page.locator(".rolemap .layer").all_inner_texts() == ["layer 0 F", "layer 1 R", "layer 2 W"]
    assert page.locator(".rolemap .headless").inner_text() == "recurrent: no heads"
    page.click('.cell[data-head="2.0"]')
    page.locator('.cell[data-head="2.0"]').focus()
    for key, head in (("ArrowUp", "0.0"), ("ArrowUp", "0.0"), ("ArrowRight", "0.1"), ("ArrowDown", "2.1")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.head") == head
    assert "2 layers of 2 heads, 1 recurrent layer" in page.locator("header").inner_text()
