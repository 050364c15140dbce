"""Finds or installs a Chromium for the tests of pages; called by ``make test``. Without one, those tests skip."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
APT = ("apt-get", "-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15", "-o", "DPkg::Lock::Timeout=60")


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


def error_of(*command: str, seconds: int) -> str | None:
    """What a command that failed said last; it is quiet, and knows that nobody answers questions."""
    without_patience = {"DEBIAN_FRONTEND": "noninteractive", "PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "5000"}
    environment = os.environ | without_patience
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than {seconds} seconds"
    if done.returncode == 0:
        return None
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "rror" in line or line[:2] == "E:"]
    return said[-1] if said else f"{command[0]} ended with status {done.returncode}"


def install() -> str | None:
    """Debian's package where one may install it, else Playwright's own; returns why neither came."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("installing Debian's chromium for the tests of pages", flush=True)
        failed = error_of(*APT, "update", seconds=120)
        failed = failed or error_of(*APT, "install", "--yes", "--no-install-recommends", "chromium", seconds=600)
        if not failed:
            return None
    print("installing Playwright's Chromium for the tests of pages", flush=True)
    return error_of(sys.executable, "-m", "playwright", "install", "--no-shell", "chromium", seconds=600)


if __name__ == "__main__" and not find():
    reason = install()
    if not find():
        print(
            f"the tests of pages will be skipped: there is no Chromium ({reason or 'the one installed does not start'})"
        )
