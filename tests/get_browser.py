"""Finds or installs a Chromium for the tests of pages; called by ``make test``. Without one, those tests skip."""

import os
import shutil
import subprocess
import sys

from common.browser import find

APT = ("apt-get", "-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15", "-o", "DPkg::Lock::Timeout=60")


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
