"""Which head feeds which, and why a head looks: the pictures on the page of a probe have the numbers of heads.json."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from toy_report import UNRESOLVED
from toys import TOKENIZER

from probing import write_files
from probing.circuits import Edge, Edges, NotMeasured
from report.probe_page import write_probe_page

DROPS = {("0.0", "1.0", "q"): 20.24, ("0.1", "1.0", "k"): 5.06, ("0.1", "1.0", "v"): 0.4, ("0.0", "1.1", "q"): 0.2}


def made_edges(n: int = 4) -> Edges:
    """The strongest ``n`` of DROPS, of which the last does not count."""
    edges = [Edge(*path, drop, (drop - 0.1, drop + 0.1), 0.0005, drop > 0.3) for path, drop in list(DROPS.items())[-n:]]
    return Edges(tuple(edges), 0.25, 3e-6, 100, ("1.0", "1.1"))


@pytest.fixture(scope="module")
def write(findings, tmp_path_factory):
    def write(edges: Edges | NotMeasured | None, **changes) -> Path:
        folder = tmp_path_factory.mktemp("edges")
        changed = {"edges": edges} | changes
        own = replace(findings, tasks=[replace(task, **changed) if task.resolved else task for task in findings.tasks])
        write_files(own, folder)
        write_probe_page(own, TOKENIZER, folder)
        return folder / "report.html"

    return write


@pytest.fixture(scope="module")
def path(write) -> Path:
    return write(made_edges())


@pytest.fixture
def page(open_page, path: Path) -> Page:
    return open_page(path)


def shown(page: Page, css: str) -> str:
    return page.locator(css).first.inner_text().replace("\xa0", " ")


def test_each_edge_that_counts_is_an_arrow_as_wide_as_its_nats(page):
    arrows = page.locator("#edges .arrow[data-edge]")
    expect(arrows).to_have_count(3)
    widths = {
        arrow.get_attribute("data-edge"): float(arrow.locator(".shaft").get_attribute("stroke-width"))
        for arrow in arrows.all()
    }
    assert widths["0.0 1.0 q"] == pytest.approx(4 * widths["0.1 1.0 k"], rel=0.03)
    assert widths["0.1 1.0 v"] < widths["0.1 1.0 k"]
    dashes = {
        arrow.get_attribute("class"): arrow.locator(".shaft").evaluate("p => getComputedStyle(p).strokeDasharray")
        for arrow in arrows.all()
    }
    assert len(set(dashes.values())) == 3, "q, k and v differ without colour"
    assert [text.text_content() for text in page.locator("#edges .nats").all()] == ["0.4", "5.1", "20.2"]


def test_an_arrow_leads_from_its_sender_up_to_its_receiver(page):
    centres = {
        node.text_content(): [float(node.locator("circle").get_attribute(name)) for name in ("cx", "cy")]
        for node in page.locator("#edges .node").all()
    }
    assert set(centres) == {"0.0", "0.1", "1.0", "1.1"}
    assert centres["0.0"][1] > centres["1.0"][1], "the first layer stands at the bottom"
    for arrow in page.locator("#edges .arrow[data-edge]").all():
        sender, receiver, _ = arrow.get_attribute("data-edge").split()
        numbers = [float(number) for number in re.findall(r"[\d.]+", arrow.locator(".shaft").get_attribute("d"))]
        assert numbers[0] == pytest.approx(centres[sender][0])
        assert abs(numbers[-2] - centres[receiver][0]) <= 20
        assert centres[receiver][1] < numbers[-1] < numbers[1] < centres[sender][1]


def test_the_strongest_edge_is_said_in_words_and_every_one_in_numbers(page, path):
    assert shown(page, "#edges > p:nth-of-type(2)") == (
        "0.0 feeds the query of 1.0: with what it writes there in the counterfactual, the answer's log-odds fall by "
        "20.2 nats. "
        "Between heads that do not look: 0.25 nats at most."
    )
    page.locator("#edges summary").click()
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator("#edges tbody tr").all()]
    assert rows[0] == ["0.0", "1.0", "query", "20.24", "20.14 to 20.34", "0.0005", "yes"]
    assert rows[-1][-1] == ""
    heads = json.loads((path.parent / "heads.json").read_text())
    assert len(rows) == len(heads["tasks"]["agreement"]["edges"]["edges"]) == 4
    assert "4 edges, over 100 cases. Negative control" in page.locator("#edges details").inner_text()


def test_pointer_and_keyboard_show_an_edges_numbers(page):
    status = page.locator("#edges .status")
    page.locator('#edges .arrow[data-edge="0.1 1.0 v"]').focus()
    expect(status).to_have_text(
        "0.1 feeds the value of 1.0: with what it writes there in the counterfactual, the answer's log-odds fall by "
        "0.4 nats (0.30 to 0.50), p 0.0005."
    )
    page.locator('#edges .arrow[data-edge="0.0 1.0 q"] .tip').hover()
    expect(status).to_contain_text("the query of 1.0")
    page.mouse.move(0, 0)
    expect(status).to_have_text("")


@pytest.mark.parametrize(
    ("edges", "text"),
    [
        (NotMeasured("no <b>head</b> comes before"), "Not measured: no <b>head</b> comes before."),
        (made_edges(1), "None of 1 edges counts. Between heads that do not look: 0.25 nats at most."),
    ],
)
def test_where_there_is_no_edge_the_page_says_why(open_page, write, edges, text):
    page = open_page(write(edges))
    expect(page.locator("#edges > p:nth-of-type(2)")).to_have_text(text)
    expect(page.locator("#edges svg:visible")).to_have_count(0)


def test_what_was_not_asked_for_has_no_section(open_page, write):
    page = open_page(write(None))
    expect(page.locator("#scores")).to_be_visible()
    expect(page.locator("#edges")).to_have_count(0)


def test_a_task_that_is_not_resolved_has_neither(page):
    page.locator(f'.bars li[data-task="{UNRESOLVED}"] button').click()
    for id in ("edges", "scores"):
        expect(page.locator(f"#{id} > p:nth-of-type(2)")).to_contain_text("does not resolve this task")
        expect(page.locator(f"#{id} :is(.arrow, .parts, details):visible")).to_have_count(0)


def test_the_parts_are_those_of_heads_json_and_add_up(page, path):
    own = json.loads((path.parent / "heads.json").read_text())["tasks"]["agreement"]["score_parts"]
    total = own["total"]["mean"]
    assert f"head 1.0 scores what is meant {total:.2f} higher" in shown(page, "#scores > p:nth-of-type(2)")
    assert "from head 0.0 in the query with the token itself in the key" in shown(page, "#scores > p:nth-of-type(2)")
    for i, (side, part) in enumerate((("query", "head 0.0"), ("key", "the token itself"))):
        row = page.locator("#scores .parts").nth(i).locator(f'li[data-part="{part}"]')
        name = {"head 0.0": "0.0", "the token itself": "token"}[part]
        mean = next(other["mean"] for other in own[side] if other["name"] == name)
        assert float(row.locator(".value").inner_text()) == pytest.approx(mean, abs=0.005)
        values = page.locator("#scores .parts").nth(i).locator(".value").all_inner_texts()
        assert sum(float(value.replace("−", "-")) for value in values) == pytest.approx(total, abs=0.02)


def test_a_score_that_was_not_split_has_its_reason(open_page, write):
    page = open_page(write(None, score_parts=NotMeasured("weights are not made of scores")))
    expect(page.locator("#scores > p:nth-of-type(2)")).to_have_text("Not measured: weights are not made of scores.")
    expect(page.locator("#scores details")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(open_page, path, scheme):
    page = open_page(path, width=390, scheme=scheme)
    expect(page.locator("#edges .arrow[data-edge]")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for id in ("edges", "scores"):
        page.locator(f"#{id} summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
