"""How the page in which a model runs looks: wide and narrow, light and dark, to a screen reader, and when it cannot."""

import pytest
from browser import contrast
from playwright.sync_api import Page, expect
from toy_live import write_damaged, write_toy_live

DAMAGES = ("half", "other bytes", "empty")
EDITED = (
    "text=the+cat+left+the+mat&other=the+dog+left+the+mat&head=0.1&off=0.0&edit=one:0.1:5:swap:2-3:5-6"
    "&edit=one:0.1:50:cut:2-3"
)
READ = (
    *(
        ".what",
        ".said .livestatus",
        ".livewords .unread",
        ".differs",
        ".editmenu",
        ".nextwords .name",
        ".nextwords .was",
    ),
    *(".odds", ".livechips button", ".livechips .stale", ".livehead .does", ".livehead .adds", ".livehead .name"),
    *(".sampling", ".livehow p:not(:empty)"),
)


def ready(page: Page, fragment: str = "") -> Page:
    page.set_default_timeout(30_000)
    if fragment:
        page.evaluate("fragment => { location.hash = fragment; }", fragment)
        expect(page.locator(".slots .from")).to_have_count(2)
    expect(page.locator(".livewords .from").first).to_be_visible()
    return page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_everything_fits_and_can_be_read(open_page, file, width, scheme):
    page = ready(open_page(file, width=width, scheme=scheme), EDITED)
    expect(page.locator(".livechips .stale")).to_have_count(1)
    page.locator(".livewords .word", has_text="left").first.click()
    expect(page.locator(".unread").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for selector in READ:
        assert contrast(page.locator(selector).first) >= 4.5, selector


def test_on_paper_the_whole_text_is_there(open_page, tmp_path):
    page = ready(open_page(write_toy_live(tmp_path, block_size=512)))
    page.locator("textarea").first.fill("the cat saw a red bird and " * 60)
    words = page.locator(".livewords").first
    expect(words.locator(".word")).to_have_count(422)
    cut = "node => node.scrollHeight > node.clientHeight"
    assert words.evaluate(cut)
    page.emulate_media(media="print")
    assert not words.evaluate(cut)


def test_the_first_screen_has_all_of_it(open_page, file):
    page = ready(open_page(file, height=860))
    for selector in ("textarea", ".livewords", ".nextwords", '[data-live="1.2"]'):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] + box["height"] <= 860, selector


def test_a_hundred_and_forty_four_heads_fit_on_a_phone(open_page, tmp_path):
    page = ready(open_page(write_toy_live(tmp_path, n_layer=12, n_head=12), width=390))
    assert page.locator("[data-live]").count() == 144
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".liveheads").bounding_box()["height"] < 420


def test_nothing_moves_once_it_is_there(open_page, file):
    page = ready(open_page(file))
    shift = """() => new Promise(done => {
      let total = 0;
      const add = list => list.getEntries().forEach(entry => total += entry.value);
      new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
      setTimeout(() => done(total), 300);
    })"""
    assert page.evaluate(shift) < 0.01
    height = page.evaluate("document.documentElement.scrollHeight")
    for word in page.locator(".livewords .word").all()[:4]:
        word.hover()
        assert page.evaluate("document.documentElement.scrollHeight") == height


def test_what_a_screen_reader_gets(open_page, file):
    page = ready(open_page(file), EDITED)
    named = "nodes => nodes.every(node => node.ariaLabel || node.innerText?.trim() || node.labels?.length)"
    assert page.locator("#live :is(button, select, input, textarea)").evaluate_all(named)
    assert page.locator('#live [role="grid"] [role="row"] [role="gridcell"][aria-label]').count() == 6
    assert page.locator('.livehead[tabindex="0"]').count() == 1, "one stop for the tab key"
    assert page.locator('[data-live="0.0"]').get_attribute("aria-label").startswith("head 0.0, off, adds ")
    expect(page.locator(".slot .unseen[aria-live]").first).to_contain_text("next word: ")


def test_a_screen_reader_hears_the_next_word_when_typing_has_ended(open_page, file):
    page = ready(open_page(file))
    heard = page.locator(".slot .unseen[aria-live]").first
    expect(heard).to_contain_text("next word: ")
    heard.evaluate(
        "node => { window.said = 0; new MutationObserver(() => window.said++).observe(node, { childList: true }); }"
    )
    page.locator("textarea").first.press_sequentially(" and a red bird sat on", delay=10)
    page.wait_for_function("() => window.said === 1")
    page.wait_for_timeout(1_000)
    assert page.evaluate("window.said") == 1


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("weights", damage) for damage in DAMAGES),
        ("model.json", "half"),
        ("worker.js", "half"),
        ("live.json", "empty"),
    ],
)
def test_damaged_parts_are_named_in_one_line(open_page, tmp_path, name, damage):
    page = open_page(write_damaged(tmp_path, name, damage))
    expect(page.locator("#live .what")).to_contain_text("damaged")
    expect(page.locator("#live .live")).to_have_count(0)
    assert page.locator("h1").is_visible()


@pytest.mark.parametrize("missing", ["Worker", "DecompressionStream"])
def test_a_browser_that_cannot_run_it_is_told_so(open_page, file, missing):
    page = open_page(file)
    page.context.add_init_script(f"delete globalThis.{missing}")
    page.reload()
    expect(page.locator("#live .what")).to_have_text(f"The model does not run here: this browser has no {missing}.")
    expect(page.locator("#live .live")).to_have_count(0)


def test_a_worker_that_ends_is_named(open_page, file):
    page = open_page(file)
    page.context.add_init_script(
        "Worker = class extends EventTarget { postMessage() { const event = new Event('error');"
        " event.message = 'out of memory'; setTimeout(() => this.dispatchEvent(event)); } }"
    )
    page.reload()
    expect(page.locator("#live .what")).to_have_text("The model does not run here: out of memory")
