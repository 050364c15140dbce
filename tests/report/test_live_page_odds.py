"""The next words of the page in which a model runs, and the two words whose log-odds it shows, in a real browser."""

import re

import pytest
import torch
from conftest import ROOT
from live_in_browser import box, next_words, ready, slot
from playwright.sync_api import Locator, Page, expect
from toy_live import STARTS, TEXT, WORDS, noisy_model, word_tokenizer

from report.live_page import live_parts, write_live_page


def test_the_words_of_the_log_odds_are_the_likeliest_two_or_ones_own(page):
    page.get_by_label("Begin with").select_option(label="dog")
    expect(page.get_by_label("log-odds: the word for")).to_have_value("")
    expect(page.get_by_label("log-odds: the word for")).to_have_attribute("placeholder", next_words(page)[0])
    expect(page.locator(".odds b").first).to_contain_text("nats")
    of_likeliest = page.locator(".odds b").first.inner_text()
    page.get_by_label("log-odds: the word for").fill("bird")
    page.get_by_label("log-odds: the word against").fill("cat")
    expect(page.locator(".odds b").first).not_to_have_text(of_likeliest)
    expect(page.locator(".livehow")).to_contain_text("to “bird” against “cat”")
    adds = [float(text.replace("−", "-")) for text in page.locator(".livehead .adds").all_inner_texts()]
    sums = re.search(r"All heads: (\S+); the rest of the network: (\S+)\.", page.locator(".livehow").inner_text())
    heads, rest = (float(text.replace("−", "-")) for text in sums.groups())
    assert sum(adds) == pytest.approx(heads, abs=0.05)
    odds = float(page.locator(".odds b").first.inner_text().split()[0].replace("−", "-"))
    assert heads + rest == pytest.approx(odds, abs=0.03), "of one token each, without softcap"


ASKED_WORKER = """() => {
  window.asked = [];
  window.Worker = class extends Worker {
    postMessage(question, ...more) {
      window.asked.push(question);
      super.postMessage(question, ...more);
    }
  };
}"""


def test_next_words_are_asked_for_as_they_were_found_and_typed_ones_as_words(open_page, file):
    page = open_page(file)
    page.context.add_init_script(f"({ASKED_WORKER})()")
    page.reload()
    ready(page)
    last = "() => [window.asked.at(-1).words, window.asked.at(-1).exact]"
    assert page.evaluate(last) == [["cat", "mat"], False]
    page.get_by_label("Begin with").select_option(label="dog")
    page.wait_for_function("() => window.asked.at(-1).exact && window.asked.at(-1).words")
    assert [text.strip() for text in page.evaluate(last)[0]] == next_words(page)[:2]


def test_the_words_that_a_start_brings_go_with_its_text(page):
    field = page.get_by_label("log-odds: the word for")
    expect(field).to_have_value("cat")
    box(page).fill(f"{TEXT} the")
    expect(field).to_have_value("cat")
    box(page).fill("a dog sat")
    expect(field).to_have_value("")
    field.fill("dog")
    page.get_by_label("log-odds: the word against").fill("mat")
    box(page).fill("a bird sat")
    expect(field).to_have_value("dog")


def odds_words(page: Page) -> list[Locator]:
    return [page.get_by_label(f"log-odds: the word {name}") for name in ("for", "against")]


def test_a_start_keeps_words_that_are_not_in_its_text_and_so_does_its_address(page):
    one, other = odds_words(page)
    page.get_by_label("Begin with").select_option(label="bird")
    expect(one).to_have_value("red")
    page.wait_for_function("() => location.hash.includes('for=red&against=old')")
    page.reload()
    expect(slot(page).locator(".from")).to_have_text("sat")
    assert [field.input_value() for field in (one, other)] == ["red", "old"]
    box(page).fill("a dog sat on")
    expect(one).to_have_value("")


def test_typed_words_stay_whether_they_are_in_the_text_or_those_of_a_start(page):
    one, other = odds_words(page)
    box(page).fill("a dog sat")
    one.fill("red")
    other.fill("old")
    box(page).fill("a dog sat on")
    expect(slot(page).locator(".from")).to_have_text("on")
    page.wait_for_function("() => location.hash.includes('sat+on&')")
    page.reload()
    expect(slot(page).locator(".from")).to_have_text("on")
    assert [field.input_value() for field in (one, other)] == ["red", "old"]


def test_a_text_of_ones_own_begins_in_the_empty_box(page):
    page.get_by_label("Begin with").select_option(label="a text of your own")
    expect(box(page)).to_have_value("")
    expect(box(page)).to_be_focused()


def test_one_word_alone_has_no_log_odds(page):
    page.get_by_label("log-odds: the word against").fill("")
    expect(page.locator(".odds b").first).to_have_text("Type the other word, too.")
    page.get_by_label("log-odds: the word for").fill("")
    expect(page.locator(".odds b").first).to_contain_text("nats")


LIKELIHOOD = "([next, word]) => {{ {} return likelihood(next, word).shown; }}"


@pytest.mark.parametrize(("first", "bound"), [(1, "60.0"), (3, "30.0"), (9, "5.0")])
def test_a_word_that_is_not_listed_is_less_likely_than_the_first_token_it_can_have(opened, first, bound):
    """A word that begins with token 3 is listed, and another one that does may have up to 0.3."""
    names = ("dom", "running_text", "live/next")
    source = "".join((ROOT / "report" / f"{name}.js").read_text(encoding="utf-8") for name in names)
    listed = [([1], [0.6]), ([3, 4], [0.3, 0.07]), ([2], [0.05])]
    words = [{"ids": ids, "text": f"{ids}", "pieces": [{"p": p} for p in pieces]} for ids, pieces in listed]
    word = {"ids": [first, 8], "text": "other"}
    assert opened.evaluate(LIKELIHOOD.format(source), [words, word]) == f"< {bound}\u00a0%"


def test_two_next_words_that_differ_in_a_space_alone_are_told_apart(open_page, tmp_path):
    tokenizer = word_tokenizer()
    model = noisy_model(tokenizer, head_bias=True)
    with torch.no_grad():
        model.head.bias[[ord("."), 256 + WORDS.index(".")]] = 30
    write_live_page(tmp_path, "a toy", live_parts(model, tokenizer, STARTS))
    page = ready(open_page(tmp_path / "live.html"))
    page.get_by_label("Begin with").select_option(label="dog")
    expect(slot(page).locator(".livewords .word").nth(1)).to_have_text("a")
    assert set(next_words(page)[:2]) == {".", "␣."}
    labels = [slot(page).locator(".nextwords button").nth(i).get_attribute("aria-label") for i in range(2)]
    assert {label.split(",")[0] for label in labels} == {"write “.”", "write “␣.”"}
    for field in odds_words(page):
        expect(field).to_have_attribute("placeholder", re.compile(r"^␣?\.$"))
    assert len({field.get_attribute("placeholder") for field in odds_words(page)}) == 2
