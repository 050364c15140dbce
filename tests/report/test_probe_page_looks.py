"""How the page of probe.py looks: on wide and narrow screens, light and dark, on paper, and to a screen reader."""

import pytest
from browser import contrast
from toy_report import choose_text


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_fits_and_can_be_read(open_page, folder, width, scheme):
    page = open_page(folder / "report.html", width=width, scheme=scheme)
    page.wait_for_selector(".strip canvas")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] < 60")
    assert dark == (scheme == "dark")
    choose_text(page, "agreement, typical")
    for selector in (
        "h1",
        ".what",
        ".status",
        ".word.gold",
        ".unread",
        ".cell .name",
        ".cell .role",
        ".verdict",
        "figcaption",
        "td",
        "dd",
    ):
        assert contrast(page.locator(selector).first) >= 4.5, selector


def test_nothing_moves_once_it_is_there(open_page, folder):
    page = open_page(folder / "report.html")
    shift = """() => new Promise(done => {
      let total = 0;
      const add = list => list.getEntries().forEach(entry => total += entry.value);
      new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
      setTimeout(() => done(total), 500);
    })"""
    assert page.evaluate(shift) < 0.01
    height = page.evaluate("document.documentElement.scrollHeight")
    page.locator(".tinted").first.locator('[data-i="2"]').hover()
    page.locator("canvas.big").hover()
    assert page.evaluate("document.documentElement.scrollHeight") == height, "pointing at something moves nothing"
    for cell in page.locator(".cell").all():
        cell.click()
        assert page.evaluate("document.documentElement.scrollHeight") == height, "nor does another head"


PRINTED = ("h1", "h2", ".lead p", ".what", "td")


def test_it_prints(open_page, folder):
    page = open_page(folder / "report.html", width=740)
    page.wait_for_selector(".strip canvas")
    assert len(page.pdf()) > 10_000
    page.emulate_media(media="print")
    assert not page.locator("#dynamics .controls").is_visible()
    columns = page.locator(".columns").first.evaluate("e => getComputedStyle(e).gridTemplateColumns.split(' ').length")
    assert columns == 2, "paper is no phone"
    sizes = [
        page.locator(selector).first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") for selector in PRINTED
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= 8
    for cell in ("#numbers th", "#numbers td"):
        assert page.locator(cell).first.evaluate("e => getComputedStyle(e).overflowWrap") == "normal", (
            "words stay whole"
        )


def test_what_a_screen_reader_is_told(open_page, folder):
    page = open_page(folder / "report.html")
    page.wait_for_selector(".strip canvas")
    assert page.locator("section").count() == page.locator("section[aria-labelledby]").count() == 9
    assert page.locator('[role="grid"] [role="row"] [role="gridcell"][aria-label]').count() == 4
    assert page.locator('.cell[tabindex="0"]').count() == 1, "one stop for the tab key"
    named = "nodes => nodes.every(node => node.innerText?.trim() || node.ariaLabel || node.labels?.length)"
    assert page.locator("button, select, input").evaluate_all(named)
    assert page.locator(".chart svg[role=img]").evaluate_all(
        "charts => charts.every(chart => chart.ariaLabel.length > 10)"
    )
