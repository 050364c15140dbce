"""What a test looks at in a browser, on the page in which a model runs."""

import re

from playwright.sync_api import Locator, Page, expect

BEGINNING = "text=the+cat+left+the+mat+because+it+was+tired&head=1.1&for=cat&against=mat"


def ready(page: Page) -> Page:
    """The page once the model has answered."""
    page.set_default_timeout(30_000)
    expect(page.locator(".livewords .from").first).to_be_visible()
    return page


def box(page: Page, name: str = "Your text") -> Locator:
    return page.get_by_label(name, exact=True).and_(page.locator("textarea"))


def slot(page: Page, i: int = 0) -> Locator:
    return page.locator(".slot").nth(i)


def next_words(page: Page, i: int = 0) -> list[str]:
    return slot(page, i).locator(".nextwords li:not(.none) .name").all_inner_texts()


def chances(page: Page, i: int = 0) -> list[str]:
    return slot(page, i).locator(".nextwords li:not(.none) .value:not(.was)").all_inner_texts()


def tints(page: Page, i: int = 0) -> list[float]:
    words = slot(page, i).locator(".livewords .word")
    return words.evaluate_all("words => words.map(word => +word.style.getPropertyValue('--weight'))")


def from_word(page: Page, i: int = 0) -> int:
    return int(slot(page, i).locator(".from").get_attribute("data-i"))


def word(page: Page, text: str, i: int = 0) -> Locator:
    return slot(page, i).locator(".livewords .word", has_text=re.compile(f"^{text}$")).first


def chips(page: Page) -> list[str]:
    return [text.removesuffix(" ×") for text in page.locator(".livechips li button").all_inner_texts()]


def head(page: Page, name: str) -> Locator:
    return page.locator(f'[data-live="{name}"]')
