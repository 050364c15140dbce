"""Fixtures: what tests of pages open; none of them changes what it is given."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import quiet_pages
from live_in_browser import BEGINNING, ready, slot
from playwright.sync_api import Browser, Page, expect
from toy_live import write_toy_live
from toy_report import toy_findings, write_toy_report

from probing import Findings


@pytest.fixture(scope="session")
def findings() -> Findings:
    """The hand-set model on its own language."""
    return toy_findings()


@pytest.fixture(scope="module")
def folder(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a probe, and its heads.json."""
    folder = tmp_path_factory.mktemp("probe")
    write_toy_report(findings, folder)
    return folder


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page in which a tiny model runs."""
    return write_toy_live(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def opened(browser: Browser, file: Path) -> Iterator[Page]:
    with quiet_pages(browser) as open_page:
        yield ready(open_page(file))


@pytest.fixture
def page(opened: Page) -> Page:
    """One page for all tests, each of which finds it as it begins."""
    opened.evaluate("fragment => { location.hash = ''; location.hash = fragment; }", BEGINNING)
    opened.locator("h1").click()  # which nothing watches
    expect(slot(opened).locator(".from")).to_have_text("tired")
    expect(opened.locator(".slot:not([hidden]) .compared")).to_have_count(0)
    return opened
