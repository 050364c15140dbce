"""A browser that is not there, or does not start, is an answer."""

import sys

import pytest

from common import browser
from common.errors import InputError


def test_a_browser_that_does_not_start_is_named(tmp_path):
    path = tmp_path / "browser"
    with pytest.raises(InputError, match=f"^--browser {path}: does not start; give the path of a Chromium$"):
        browser.launched(str(path)).__enter__()


def test_without_any_browser_the_answer_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "playwrights_own", lambda: None)
    with pytest.raises(InputError, match=r"there is no Chromium; give one as --browser PATH, .* tests/requirements"):
        browser.launched(None).__enter__()


def test_a_program_that_is_no_browser_is_named():
    with pytest.raises(InputError, match=r"^\S*python\S*: .*; give another Chromium as --browser PATH$"):
        browser.launched(sys.executable).__enter__()


def test_without_playwright_the_answer_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(InputError, match=r"pip install -r tests/requirements.txt"):
        browser.launched(None).__enter__()
