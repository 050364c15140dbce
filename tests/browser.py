"""A real browser for the tests of pages, and a guard: a page that asks for anything or logs an error fails its test."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from common.browser import find

expect.set_options(timeout=30_000)  # a busy machine is no failure

ARGUMENTS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
INSIDE = ("data:", "blob:")  # parts of the page itself


CONTRAST = """element => {
  const canvas = document.createElement("canvas").getContext("2d");
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const layers = [];
  for (let node = element; node; node = node.parentElement) {
    layers.unshift(rgba(getComputedStyle(node).backgroundColor));
  }
  let behind = [255, 255, 255];
  for (const [r, g, b, a] of layers) behind = [r, g, b].map((value, i) => value * a / 255 + behind[i] * (1 - a / 255));
  const luminance = rgb => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
    const value = rgb[i] / 255;
    return sum + share * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  }, 0);
  const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind)].sort();
  return (other + 0.05) / (one + 0.05);
}"""


def contrast(element: Locator) -> float:
    """The contrast of an element's text with what lies behind it (WCAG 2.2): 4.5 or more can be read."""
    return element.evaluate(CONTRAST)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Not one for the whole session: while Playwright is there, its event loop counts as running
    in this thread, and asyncio.run would fail in every later test. Starting takes about a second.
    """
    path = find()
    if path is None:
        # LOOKBACK_NEEDS_BROWSER=1: for who must know that pages were tested, as a skip leaves status 0.
        missing = pytest.fail if os.environ.get("LOOKBACK_NEEDS_BROWSER") else pytest.skip
        missing("needs Chromium: put one on the PATH, or run python -m playwright install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])
        yield browser
        browser.close()


@contextmanager
def quiet_pages(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens local files, each in a context of its own without a network; closes them in the end.

    Raises AssertionError where a page, or a window it opened, requested anything but its own file, logged an error, or
    threw one.
    """
    complaints, contexts, scripted = [], [], []

    def open_page(path: Path, width: int = 1280, height: int = 900, scheme: str = "light", **options) -> Page:
        own = Path(path).absolute().as_uri()
        context = browser.new_context(
            **{
                "viewport": {"width": width, "height": height},
                "color_scheme": scheme,
                "accept_downloads": True,
                "offline": True,
                **options,
            }
        )
        contexts.append(context)
        if options.get("java_script_enabled", True):
            scripted.append(context)

        def on_request(request) -> None:
            if request.url.partition("#")[0] != own and not request.url.startswith(INSIDE):
                complaints.append(f"request: {request.url}")

        def on_console(message) -> None:
            if message.type == "error":
                complaints.append(f"console: {message.text}")

        context.on("request", on_request)
        context.on("console", on_console)
        context.on("weberror", lambda error: complaints.append(f"error: {error.error}"))
        page = context.new_page()
        page.goto(own)
        return page

    try:
        yield open_page
        for page in [page for context in scripted for page in context.pages]:
            page.evaluate("() => new Promise(done => setTimeout(done))")  # what was begun is heard of before this ends
    finally:
        for context in contexts:
            context.close()
    assert not complaints, "\n".join(complaints)


@contextmanager
def one_page(browser: Browser, path: Path) -> Iterator[Page]:
    """A local file that several tests share, and that answers soon; see quiet_pages."""
    with quiet_pages(browser) as open_page:
        page = open_page(path)
        page.set_default_timeout(30_000)
        yield page


def change_address(page: Page, fragment: str) -> None:
    page.evaluate("fragment => { location.hash = fragment; }", fragment)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """``open_page(path, width=1280, height=900, scheme="light", **options of a Playwright context)``: a local file in
    a fresh browser context. The test fails at its end if the page was not quiet; see quiet_pages.
    """
    with quiet_pages(browser) as open_page:
        yield open_page
