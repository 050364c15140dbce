"""A Chromium for scripts and tests that open pages; Playwright, which drives it, is imported only where one is."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from common.errors import InputError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
HELP = "a Chromium; left out: one on the PATH, or else Playwright's own"  # of --browser


def starts(browser: str) -> bool:
    """Whether it runs at all: some distributions have a ``chromium-browser`` that only says where to get one."""
    try:
        return subprocess.run([browser, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def on_path() -> str | None:
    """The first browser on the PATH that starts."""
    return next((path for name in NAMES if (path := shutil.which(name)) and starts(path)), None)


def playwrights_own() -> str | None:
    """The browser that ``playwright install`` brings, where it was brought."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if starts(path) else None


def find() -> str | None:
    return on_path() or playwrights_own()


@contextmanager
def launched(given: str | None) -> Iterator["Browser"]:
    """A headless one: ``given``, the value of --browser, or one that is found. Raises InputError where none starts."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise InputError("that needs Playwright: pip install -r tests/requirements.txt") from None
    if given is not None and not starts(given):
        raise InputError(f"--browser {given}: does not start; give the path of a Chromium")
    path = given or find()
    if path is None:
        raise InputError(
            "there is no Chromium; give one as --browser PATH, or run python -m playwright install chromium (of "
            "tests/requirements.txt)"
        )
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        except Error as error:
            raise InputError(
                f"{path}: {error.message.splitlines()[0]}; give another Chromium as --browser PATH"
            ) from None
        yield browser
        browser.close()
