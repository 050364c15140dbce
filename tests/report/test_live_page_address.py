"""The state of the page in which a model runs, in the page's address: kept, sent, and not to be trusted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import change_address, one_page
from playwright.sync_api import Browser, Page, expect

WHOLE = (
    "text=the+cat+left+the+mat&other=the+dog+left+the+mat&head=0.2&row=other%3A4&off=0.0%2C1.1"
    "&edit=one%3A0.2%3A5%3Aswap%3A2-3%3A5-6&edit=other%3A1.0%3A4%3Acut%3A2-3&for=cat&against=dog"
    "&temperature=0.5&seed=7"
)
HOSTILE = [
    "text=a&text=b",
    "text=a&__proto__=b",
    "text=a&head=9.9",
    "text=a&head=constructor",
    "text=a&off=0.0:mean",
    "text=a&row=one:-1",
    "text=a&row=other:1",
    "text=a&edit=one:0.0:3:swap:0-1:0-1",
    "text=a&edit=one:0.0:1:cut:0-9",
    "text=a&edit=one:0.0:3:eval:0-1",
    "text=a&temperature=1e9",
    "text=a&seed=99999999999",
    "text=a&for=only+one",
    "head=0.0",
    "%E0%A4%A=",
    "<img src=x onerror=window.acted=1>",
    f"text={'a' * 5_000}",
    "text=a" + "&edit=one:0.0:1:cut:0-1" * 65,
]


@pytest.fixture(scope="module")
def opened(browser: Browser, file: Path) -> Iterator[Page]:
    with one_page(browser, file) as page:
        yield page


@pytest.fixture
def page(opened: Page) -> Page:
    """One page for all tests, each of which finds it with the same text and nothing changed."""
    change_address(opened, "")
    change_address(opened, "text=a+cat+sat")
    expect(opened.locator(".slots .from")).to_have_text("sat")
    expect(opened.locator(".livechips button:not([hidden])")).to_have_count(0)
    return opened


SHOWN = """() => [
  ...[...document.querySelectorAll(".live textarea, .live input")].map(({ value }) => value),
  document.querySelector(".livehead[aria-selected=true]").dataset.live,
  ...[...document.querySelectorAll(".slots .from")].map(({ dataset }) => dataset.i),
  document.querySelector(".livechips").innerText,
  document.querySelector(".slots").className,
]"""
TRIED = f"""async fragments => {{
  const [tried, note, shown] = [[], document.querySelector(".livenote"), {SHOWN}];
  for (const fragment of fragments) {{
    note.textContent = "";
    const heard = new Promise(resolve => addEventListener("hashchange", resolve, {{ once: true }}));
    location.hash = fragment;
    await heard;
    tried.push([fragment, note.textContent, shown()]);
  }}
  return tried;
}}"""


def shown(page: Page) -> list:
    """All that a person sees of the state."""
    return page.evaluate(SHOWN)


def test_nothing_is_written_before_something_is_changed(open_page, file):
    page = open_page(file)
    page.wait_for_selector(".livewords .from")
    page.wait_for_timeout(600)
    assert "#" not in page.url


def test_a_state_comes_back_from_the_address(page):
    change_address(page, WHOLE)
    expect(page.locator(".livechips li")).to_have_count(4)
    expect(page.locator(".slots .from")).to_have_count(2)
    page.get_by_label("seed of generated text").fill("8")
    page.wait_for_function("() => location.hash.endsWith('seed=8')")
    assert page.url.partition("#")[2] == WHOLE.replace("seed=7", "seed=8")
    before = shown(page)
    assert {"the cat left the mat", "the dog left the mat"} <= set(before)
    page.reload()
    expect(page.locator(".slots .from")).to_have_count(2)
    assert shown(page) == before


def test_what_is_done_is_in_the_address(page):
    page.locator(".live textarea").first.fill("a dog & a cat")
    page.locator('[data-live="0.0"]').press("Enter")
    page.wait_for_function("() => location.hash.includes('off=0.0')")
    assert "text=a+dog+%26+a+cat" in page.url


def test_a_fragment_that_is_none_changes_nothing_and_a_line_says_so(page):
    before = shown(page)
    for fragment, note, after in page.evaluate(TRIED, HOSTILE):
        assert note.startswith("The address after “#” is not used: "), fragment
        assert after == before, fragment
    page.wait_for_timeout(600)
    assert shown(page) == before, "nor later"
    assert page.evaluate("window.acted") is None
    change_address(page, "text=a")
    expect(page.locator(".livenote")).to_be_hidden()


def test_an_address_that_somebody_has_just_set_is_not_overwritten(page):
    page.locator(".live textarea").first.fill("a cat left")
    page.evaluate("history.replaceState(null, '', '#text=the+dog+sat')")  # as if its hashchange were still to come
    page.wait_for_timeout(600)
    assert page.evaluate("location.hash") == "#text=the+dog+sat"


def test_hostile_text_of_an_address_is_text(page):
    change_address(page, "text=%3Cimg%20src%3Dx%20onerror%3Dwindow.acted%3D1%3E&for=%3Cb%3E&against=cat")
    expect(page.locator(".livewords").first).to_contain_text("<img␣src=x␣onerror")
    assert page.locator("main img, main b b").count() == 0
    assert page.evaluate("window.acted") is None


def test_a_row_or_an_edit_past_the_end_of_the_text_is_no_error(page):
    change_address(page, "text=the+cat&row=one:9999&edit=one:0.0:9999:cut:0-1")
    expect(page.locator(".slots .from")).to_have_text("cat")
    expect(page.locator(".livechips .stale")).to_have_count(1)
    expect(page.locator(".livechips .stale")).to_contain_text("(not now: the text ends before it)")


def test_words_of_an_address_may_be_longer_than_those_that_are_typed(page):
    long = "supercalifragilistic" * 4
    change_address(page, f"text=a+cat+sat&for={long}&against=cat")
    expect(page.get_by_label("log-odds: the word for")).to_have_value(long)
    assert page.locator(".livenote").is_hidden()


def test_an_edit_that_rests_is_not_kept_where_it_would_come_back_for_other_words(page):
    change_address(page, "text=the+cat+left&head=0.2&edit=one:0.2:3:cut:2-3")
    expect(page.locator(".compared").first).to_be_visible()
    page.locator(".live textarea").first.fill("the dog left")
    expect(page.locator(".livechips .stale")).to_have_count(1)
    page.wait_for_function("() => location.hash.includes('dog')")
    assert "edit" not in page.url


def test_a_text_too_long_for_an_address_is_read_nevertheless(page):
    page.locator(".live textarea").first.fill("the cat sat. " * 400)
    expect(page.locator(".livenote")).to_contain_text("too long to be kept in the address")
    expect(page.locator(".said .livestatus").first).to_contain_text("out of the model's sight")
    page.locator(".live textarea").first.fill("the cat")
    expect(page.locator(".livenote")).to_be_hidden()
    page.locator(".live textarea").first.fill("猫" * 3_900)  # nine characters each in an address
    expect(page.locator(".livenote")).to_contain_text("too long to be kept in the address")


def test_edits_of_a_second_text_end_with_it_when_a_start_is_chosen(page):
    change_address(page, "text=the+cat&other=the+dog&edit=one:0.0:1:cut:0-1&edit=other:0.0:1:cut:0-1")
    expect(page.locator(".livechips li")).to_have_count(2)
    page.locator("select").first.select_option(label="dog")
    page.wait_for_function("() => location.hash.includes('a+dog+sat')")
    assert "other" not in page.url
    page.reload()
    expect(page.locator(".livenote")).to_be_hidden()
    assert page.locator(".live textarea").first.input_value() == "a dog sat"


def test_a_link_to_a_section_is_left_alone(page):
    before = shown(page)
    for fragment in ("live", "roles", "%E0%A4%A"):  # whether it is on this page or not
        change_address(page, fragment)
        page.wait_for_timeout(100)
        assert page.locator(".livenote").is_hidden()
        assert shown(page) == before


def test_a_number_that_an_address_can_hold_is_taken_and_another_one_is_marked(page):
    temperature, seed = (page.get_by_label(f"{key} of generated text") for key in ("temperature", "seed"))
    temperature.fill("0.33")
    seed.fill("7")
    page.wait_for_function("() => location.hash.endsWith('&temperature=0.33&seed=7')")
    for field, wrong in ((temperature, "5.5"), (temperature, "-1"), (temperature, ""), (seed, "1.5"), (seed, "-2")):
        field.fill(wrong)
        assert field.get_attribute("aria-invalid") == "true", wrong
        assert field.evaluate("field => getComputedStyle(field).boxShadow") != "none", "and it is seen"
        field.fill("2")
        assert field.get_attribute("aria-invalid") == "false"
    page.wait_for_function("() => location.hash.endsWith('&temperature=2&seed=2')")
    seed.fill("-3")
    change_address(page, "text=a+cat&seed=4")
    page.locator("textarea").first.focus()
    page.locator("textarea").first.fill("a dog")
    expect(seed).to_have_value("4")
    assert seed.get_attribute("aria-invalid") == "false"
