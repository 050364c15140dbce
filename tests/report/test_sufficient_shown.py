"""Which few heads suffice, on the page and in the terminal: what is shown is what was measured."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page
from toy_report import UNRESOLVED, write_toy_report

from probing import Findings, write_files
from probing.circuits import Sufficiency
from probing.circuits.hypotheses import Equivalence
from report.circuits_terminal import enough_heads, p_text
from report.probe_terminal import print_findings
from report.terminal import Output


@pytest.fixture
def found(folder: Path) -> dict:
    return json.loads((folder / "heads.json").read_text())["tasks"]["agreement"]["sufficient"]


@pytest.fixture
def page(open_page, folder: Path) -> Page:
    page = open_page(folder / "report.html")
    page.set_default_timeout(30_000)
    page.wait_for_selector("#sufficient .chart svg")
    return page


@pytest.fixture(scope="module")
def sufficient(findings: Findings) -> Sufficiency:
    (result,) = (result for result in findings.tasks if result.name == "agreement")
    assert result.sufficient is not None
    return result.sufficient


def test_the_curves_have_the_numbers_of_heads_json(page, found):
    lines = page.locator("#sufficient .chart .line")
    names = lines.evaluate_all("lines => lines.map(line => line.dataset.name)")
    assert [name.split(":")[0].split(" ")[0] for name in names] == ["greedy", "the", "by", "at"]
    dots = lines.nth(0).locator("circle").evaluate_all("dots => dots.map(dot => +dot.dataset.y)")
    assert dots == pytest.approx([point["log_odds"] for point in found["curves"]["greedy"]["points"]])
    mark = page.locator("#sufficient .chart .mark")
    assert float(mark.get_attribute("data-y")) == pytest.approx(found["kept"]["log_odds"])


def test_the_set_the_areas_and_the_tests_are_there_in_words(page, found):
    text = page.locator("#sufficient ul").inner_text().replace("\xa0", " ")
    assert re.search(r"2 of 4 heads bring 100 % \(.*\) of what all heads bring to the log-odds: ", text)
    assert f"log-odds: {', '.join(found['heads'])}." in text
    assert f"greedy {found['curves']['greedy']['area']:.2f} (" in text
    groups = found["circuit"]["groups"]
    half = f"in {groups / 2:g} of {groups} groups of cases about the same words, p 1: not rejected"
    assert f"These heads alone: higher log-odds {half}" in text
    assert f"All other heads alone: higher log-odds in 0 of {groups} groups" in text
    assert "None is shown to be superfluous, which proves nothing" in text


def test_the_table_has_every_size(page, found):
    page.locator("#sufficient summary").click()
    rows = page.locator("#sufficient tbody tr")
    assert rows.count() == 5
    greedy = found["curves"]["greedy"]
    assert rows.nth(1).locator("td").nth(0).inner_text().startswith(f"+ {greedy['heads'][0]}: ")
    assert rows.nth(4).inner_text().replace("\xa0", " ").count("100 %") == 4


def test_a_task_that_is_not_resolved_has_no_curves(page):
    page.locator("#numbers button", has_text=UNRESOLVED.replace("_", " ")).click()
    assert page.locator("#sufficient .chart").is_hidden()
    assert "does not resolve it" in page.locator("#sufficient ul").inner_text()


def test_the_section_is_there_only_when_it_was_measured(open_page, findings, tmp_path):
    write_toy_report(replace(findings, tasks=[replace(task, sufficient=None) for task in findings.tasks]), tmp_path)
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector("#sites .chart svg")
    assert page.locator("#sufficient").count() == 0


def test_a_line_a_task_is_printed(findings, tmp_path):
    console = Output(file=io.StringIO(), width=300)
    print_findings(findings, console)
    (line,) = (line for line in console.file.getvalue().splitlines() if line.startswith("sufficient"))
    assert line.startswith("sufficient  agreement: 2 of 4 heads bring 100% (100-100) of the log-odds back: ")
    assert sorted(line.split("back: ")[1].split(";")[0].split()) == ["0.0", "1.0"]
    assert line.rstrip().endswith("equivalent to the whole model: not rejected, p 1")
    write_files(findings, tmp_path)
    tasks = json.loads((tmp_path / "heads.json").read_text())["tasks"]
    assert tasks[UNRESOLVED]["sufficient"] is None


def test_what_was_not_reached_or_is_superfluous_is_printed(sufficient):
    members = [replace(member, superfluous=True) for member in sufficient.members]
    worse = Equivalence(better=1, groups=20, p=0.012, rejected=True)
    text = enough_heads(replace(sufficient, reached=False, members=tuple(members), circuit=worse))
    assert "equivalent to the whole model: rejected, p .012" in text
    assert f"superfluous: {' '.join(sufficient.heads)}" in text
    assert text.endswith("no set of the 4 heads tried reaches 90% where sets are chosen")
    assert "do not surely raise" in enough_heads(replace(sufficient, share=None, share_ci=None))


def test_p_has_no_more_digits_than_mean_something():
    assert [p_text(p) for p in (1.0, 0.3361, 0.02, 0.00004)] == ["p 1", "p .34", "p .02", "p < .001"]
