"""Texts in the page in which a model runs: such as it cannot read, long ones, and some from right to left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import change_address, one_page
from networks import BYTES, bigram_model
from playwright.sync_api import Browser, Locator, Page, expect
from toy_live import noisy_model, write_toy_live

from data.text.tokenizers import CharacterTokenizer
from report.live_page import live_parts, write_live_page

LETTERS = CharacterTokenizer("abcdefgh .۱۲שלוםعرب")
UNKNOWN = "“é” is no token of this model"


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a model of characters, which knows few of them and has no end token."""
    folder = tmp_path_factory.mktemp("letters")
    write_live_page(folder, "letters", live_parts(noisy_model(LETTERS), LETTERS, []))
    return folder / "live.html"


@pytest.fixture(scope="module")
def opened(browser: Browser, letters: Path) -> Iterator[Page]:
    with one_page(browser, letters) as page:
        yield page


@pytest.fixture
def page(opened: Page) -> Page:
    """One page for all tests, each of which finds it with two texts that are read."""
    opened.locator("h1").click()  # which nothing watches
    change_address(opened, "")
    change_address(opened, "text=abc&other=abd")
    expect(opened.locator(".slots .from")).to_have_text(["c", "d"])
    return opened


def box(page: Page, i: int = 0) -> Locator:
    return page.locator("textarea").nth(i)


def words(page: Page, i: int = 0) -> Locator:
    return page.locator(".livewords").nth(i).locator(".word")


def note(page: Page) -> Locator:
    return page.locator(".livenote")


def test_of_a_text_that_cannot_be_read_nothing_is_shown_but_why(page):
    box(page).fill("abé")
    expect(note(page)).to_have_text(UNKNOWN)
    expect(words(page)).to_have_count(0)
    assert page.locator(".slot").first.locator(".nextwords li:not(.none)").count() == 0
    assert page.locator(".said .livestatus").first.inner_text() == ""
    expect(words(page, 1)).to_have_count(3)
    box(page).fill("ab")
    expect(words(page)).to_have_count(2)
    expect(note(page)).to_be_hidden()


def test_why_a_text_cannot_be_read_goes_with_it(page):
    box(page).fill("é")
    expect(note(page)).to_have_text(UNKNOWN)
    box(page).fill("")
    expect(note(page)).to_be_hidden()


def test_the_error_of_one_text_leaves_the_other_alone(page):
    box(page, 1).fill("abé")
    expect(note(page)).to_have_text(UNKNOWN)
    words(page).nth(1).hover()
    expect(page.locator(".slots .from")).to_have_text(["b"])
    page.wait_for_timeout(200)  # until both have answered
    assert page.locator(".slots .from").all_inner_texts() == ["b"]
    words(page).first.click()
    page.locator("h1").hover()
    expect(page.locator(".slots .from")).to_have_text(["a"])
    expect(note(page)).to_have_text(UNKNOWN)
    page.get_by_role("button", name="Close the second text").click()
    expect(note(page)).to_be_hidden()


def test_an_address_of_a_text_that_cannot_be_read_does_not_wait_for_the_model(open_page, letters):
    page = open_page(letters)
    page.goto("about:blank")
    page.goto(f"{letters.as_uri()}#text=%C3%A9")
    expect(note(page)).to_have_text(UNKNOWN)
    expect(page.locator(".said .livestatus").first).to_have_text("")


def test_an_error_of_generating_goes_when_the_text_is_another_one(page):
    generate = page.get_by_role("button", name="Generate").first
    box(page).fill("é")
    generate.click()
    page.wait_for_timeout(200)
    expect(note(page)).to_have_text(UNKNOWN)
    box(page).fill("")
    generate.click()
    expect(note(page)).to_have_text("the text is empty; type or paste one")
    box(page).fill("ab")
    expect(note(page)).to_be_hidden()


def test_a_text_that_the_model_ends_says_so(open_page, tmp_path):
    write_live_page(tmp_path, "bytes", live_parts(bigram_model(16), BYTES, []))
    page = open_page(tmp_path / "live.html")
    box(page).fill("Aé")
    page.get_by_role("button", name="Generate").first.click()
    expect(note(page)).to_have_text("The model ended the text here.")
    assert box(page).input_value() == "Aé"
    box(page).fill("A")
    expect(note(page)).to_be_hidden()


def test_two_texts_that_begin_alike_share_rows_as_far_as_they_do(page):
    box(page, 1).fill("abde ef")
    expect(words(page, 1)).to_have_count(7)
    words(page).nth(1).click()
    page.locator("h1").hover()
    expect(page.locator(".slots .from")).to_have_text(["b", "b"])
    words(page).nth(2).click()
    page.locator("h1").hover()
    expect(page.locator(".slots .from")).to_have_text(["c", "f"])


RIGHT_TO_LEFT = ["שלום abc", ".. عرب"]


@pytest.mark.parametrize("text", [*RIGHT_TO_LEFT, "abc שלום", "...", "۱۲ abc"])
def test_arrow_keys_go_where_they_point(page, text):
    box(page).fill(text)
    expect(words(page)).to_have_text([*text.replace(" ", "␣")])
    xs = [words(page).nth(i).bounding_box()["x"] for i in (0, len(text) - 1)]
    assert (xs[0] > xs[1]) == (text in RIGHT_TO_LEFT), "the first word is on the right"
    words(page).first.click()
    page.locator("h1").hover()
    page.locator(".livewords").first.focus()
    page.keyboard.press("ArrowLeft" if text in RIGHT_TO_LEFT else "ArrowRight")
    expect(page.locator(".slot").first.locator(".from")).to_have_attribute("data-i", "1")


IN_SIGHT = """node => {
  const [box, word] = [node, node.querySelector(".from")].map(one => one.getBoundingClientRect());
  return word.top >= box.top - 1 && word.bottom <= box.bottom + 1;
}"""
AT_ITS_END = "box => box.scrollTop > 0 && box.scrollTop + box.clientHeight >= box.scrollHeight - 2"


def test_of_a_long_text_the_word_that_looks_and_the_end_are_in_sight(open_page, tmp_path):
    page = open_page(write_toy_live(tmp_path, block_size=512))
    paragraph = page.locator(".livewords").first
    box(page).fill("the cat saw a red bird and " * 60)
    expect(paragraph.locator(".from")).to_have_text("␣")
    assert paragraph.evaluate("node => node.scrollTop > 0")
    assert paragraph.evaluate(IN_SIGHT)
    paragraph.focus()
    page.keyboard.press("Home")
    expect(paragraph.locator(".from")).to_have_text("⟨start⟩")
    assert paragraph.evaluate(IN_SIGHT)
    paragraph.locator(".word").nth(9).hover()
    expect(paragraph.locator(".from")).to_have_attribute("data-i", "9")
    paragraph.evaluate("node => { node.scrollTop = 40; }")
    page.locator("h1").hover()
    expect(paragraph.locator(".from")).to_have_text("⟨start⟩")
    assert paragraph.evaluate("node => node.scrollTop") == 40, "what somebody looks at stays"
    page.locator(".nextwords button").first.click()
    assert box(page).evaluate(AT_ITS_END)
    box(page).evaluate("box => { box.scrollTop = 0; }")
    page.get_by_role("button", name="Generate").first.click()
    page.wait_for_function(f"() => ({AT_ITS_END})(document.querySelector('.live textarea'))")
