"""Keys on the pages: what belongs to the browser is left to it, and a key that is held switches nothing to and fro."""

import pytest
from playwright.sync_api import Page, expect
from toy_text import toy_text, write_text_report

PRESSED = """([selector, pressed]) => {
  const node = document.querySelector(selector);
  const event = new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...pressed });
  return !node.dispatchEvent(event); // whether the page has taken it
}"""
STOPS = {
    "probe": ['.cell[tabindex="0"]', ".tinted"],
    "text": ['.headbar[tabindex="0"]', '.effect[tabindex="0"]', ".tinted"],
    "live": ['.livehead[tabindex="0"]', ".livewords"],
}


def press(page: Page, selector: str, key: str, **more: bool) -> bool:
    return page.evaluate(PRESSED, [selector, {"key": key, **more}])


@pytest.fixture
def page(request, open_page, tmp_path, folder, file) -> Page:
    """The page of a probe, of heads in a text, or of a model that runs."""
    if request.param == "text":
        write_text_report(tmp_path, toy_text())
    path = {"probe": folder / "report.html", "text": tmp_path / "report.html", "live": file}[request.param]
    page = open_page(path)
    page.set_default_timeout(30_000)
    expect(page.locator(".from:visible").first).to_be_visible()
    return page


@pytest.mark.parametrize(
    ("page", "selector"), [(page, selector) for page, every in STOPS.items() for selector in every], indirect=["page"]
)
def test_keys_with_a_modifier_are_the_browsers(page, selector):
    """Such as Alt and an arrow, which go back."""
    for modifier in ("altKey", "ctrlKey", "metaKey"):
        for key in ("ArrowLeft", "ArrowRight", "Home"):
            assert not press(page, selector, key, **{modifier: True}), (modifier, key)
    assert press(page, selector, "ArrowLeft")
    assert press(page, selector, "ArrowRight", shiftKey=True)


@pytest.mark.parametrize("page", ["live"], indirect=True)
def test_a_key_that_is_held_switches_a_head_once(page):
    head = ".livehead[tabindex='0']"
    for repeat in (False, True, True, True):
        assert press(page, head, "Enter", repeat=repeat), "and the page does not scroll"
    assert page.locator(".livechips li button").count() == 1
    assert press(page, head, "Enter", ctrlKey=True) is False
    assert page.locator(".livechips li button").count() == 1
