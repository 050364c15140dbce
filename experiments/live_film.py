"""A short film of the page that runs: ``python -m experiments.live_film RUN/probe/report.html [--to docs/live.gif]``

Types a sentence, then takes the page's tour, if it has one. Needs playwright and a Chromium, like the tests of pages.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from common.atomic import require_writable
from common.browser import HELP, launched
from common.errors import InputError
from common.one_line import run

if TYPE_CHECKING:
    from playwright.sync_api import Page

TYPED = ("The animal", "The animal didn't cross the street", "The animal didn't cross the street because it was too")
WIDTH, HEIGHT = 1160, 900  # of the window, in pixels
SHOWN = 860, 660  # of the film
BRIEF, LONG = 1_200, 5_000  # milliseconds a picture stays
SETTLED = 700  # milliseconds after which the model has answered, and the page has drawn it


def picture(page: "Page") -> Image.Image:
    page.wait_for_selector(".live:not(.pending)")
    page.wait_for_timeout(SETTLED)
    page.locator("#live").evaluate("section => scrollTo(0, section.getBoundingClientRect().top + scrollY - 12)")
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)


def pictures(page: "Page") -> Iterator[tuple[Image.Image, int]]:
    """Pictures, and how long each stays."""
    for text in TYPED:
        page.get_by_role("textbox", name="Your text").fill(text)
        yield picture(page), BRIEF
    tour = page.get_by_role("button", name="Take the tour")
    if not tour.count():
        return
    tour.click()
    while True:
        yield picture(page), LONG
        button = page.get_by_role("button", name="Next", exact=True)
        if not button.count():  # the last step
            return
        button.click()


def require_model(page: Path) -> None:
    """Raises InputError where ``page`` is no page in which a model runs."""
    if not page.is_file():
        raise InputError(f"{page}: there is no such file; give RUN/probe/report.html")
    if b'id="weights"' not in page.read_bytes():
        raise InputError(f"{page}: no model runs in it; give RUN/probe/report.html, or the live.html beside it")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.live_film", description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--to", type=Path, default=Path("docs/live.gif"))
    parser.add_argument("--browser", help=HELP)
    options = parser.parse_args(arguments)
    require_model(options.page)
    if options.to.suffix != ".gif":
        raise InputError(f"--to {options.to}: must end in .gif")
    require_writable(options.to.parent)
    with launched(options.browser) as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(options.page.resolve().as_uri())
        shown, milliseconds = zip(*pictures(page), strict=True)
    frames = [image.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE) for image in shown]
    options.to.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(options.to, save_all=True, append_images=frames[1:], duration=list(milliseconds), loop=0)
    print(f"{options.to}: {len(frames)} pictures, {options.to.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run(main)
