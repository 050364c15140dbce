"""The page in which a model runs, in a real browser: what a person can do there, and what follows from it."""

import pytest
from live_in_browser import box, chances, chips, from_word, head, next_words, ready, slot, tints, word
from networks import BYTES
from playwright.sync_api import expect
from toy_live import OTHER, TEXT, noisy_model, write_toy_live

from report.live_page import live_parts, write_live_page


def test_it_begins_with_the_first_start_and_its_head(open_page, file):
    page = ready(open_page(file))
    assert box(page).input_value() == TEXT
    assert page.get_by_label("Begin with").locator("option:checked").inner_text() == "tired"
    assert page.get_by_label("Begin with").locator("optgroup").count() == 2
    assert head(page, "1.1").get_attribute("aria-selected") == "true"
    assert slot(page).locator(".livewords .word").all_inner_texts() == ["⟨start⟩", *TEXT.split()]
    assert page.get_by_label("log-odds: the word for").input_value() == "cat"


def test_typing_changes_the_next_words(page):
    before = next_words(page), chances(page)
    box(page).press_sequentially(" and")
    expect(slot(page).locator(".livewords .word")).to_have_count(len(TEXT.split()) + 2)
    expect(slot(page).locator(".from")).to_have_text("and")
    assert (next_words(page), chances(page)) != before
    box(page).fill("")
    expect(slot(page).locator(".livewords .word")).to_have_count(0)
    assert next_words(page) == []
    assert page.locator(".livenote").is_hidden()


WATCHED_WORKER = """() => {
  window.most = window.open = 0;
  window.Worker = class extends Worker {
    constructor(url) {
      super(url);
      this.addEventListener("message", ({ data }) => data.tokens && window.open--);
    }
    postMessage(question, ...more) {
      if (question.ask === "read") window.most = Math.max(window.most, ++window.open);
      super.postMessage(question, ...more);
    }
  };
}"""
TYPED = """text => {
  const box = document.querySelector(".live textarea");
  for (let n = 1; n <= text.length; n++) {
    box.value = text.slice(0, n);
    box.dispatchEvent(new Event("input"));
  }
}"""


def test_while_a_text_is_read_only_the_newest_waits(open_page, file):
    page = open_page(file)
    page.context.add_init_script(f"({WATCHED_WORKER})()")
    page.reload()
    ready(page).evaluate(TYPED, "a dog saw the old cat and a red bird")
    expect(slot(page).locator(".from")).to_have_text("bird")
    assert page.evaluate("window.most") == 1


def test_a_next_word_can_be_written_by_a_click(page):
    first = next_words(page)[0]
    slot(page).locator(".nextwords button").first.click()
    assert box(page).input_value() == f"{TEXT} {first}"
    expect(slot(page).locator(".from")).to_have_text(first)


def test_pointing_and_keys_move_the_row(page):
    last = len(TEXT.split())
    assert from_word(page) == last
    assert sum(tints(page)) == pytest.approx(1, abs=0.01)
    word(page, "left").hover()
    expect(slot(page).locator(".from")).to_have_text("left")
    assert sum(tints(page)[:4]) == pytest.approx(1, abs=0.01), "a causal model cannot look ahead"
    assert slot(page).locator(".unread").count() == last - 3
    page.locator("h1").hover()
    expect(slot(page).locator(".from")).to_have_text("tired")
    word(page, "mat").click()
    page.locator("h1").hover()
    expect(slot(page).locator(".from")).to_have_text("mat")
    slot(page).locator(".livewords").focus()
    page.keyboard.press("ArrowRight")
    expect(slot(page).locator(".from")).to_have_text("because")
    assert "Head 1.1 from “because”:" in slot(page).locator(".said .livestatus").inner_text()
    page.keyboard.press("Home")
    expect(slot(page).locator(".from")).to_have_text("⟨start⟩")


def test_a_pointer_that_rests_does_not_move_the_row_while_somebody_types(page):
    word(page, "left").hover()
    expect(slot(page).locator(".from")).to_have_text("left")
    for text in ("a dog saw the old cat", "the old dog saw a red bird", "a dog saw the mat"):
        box(page).fill(text)
        expect(slot(page).locator(".from")).to_have_text(text.split()[-1])
        page.wait_for_timeout(100)
    assert from_word(page) == 5


def test_another_head_has_another_row(page):
    before = tints(page)
    head(page, "0.2").click()
    expect(head(page, "0.2")).to_have_attribute("aria-selected", "true")
    expect(slot(page).locator(".said .livestatus")).to_contain_text("Head 0.2 from")
    assert tints(page) != before
    head(page, "0.2").press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.live") == "1.2"


def test_a_head_switched_off_and_on_again_leaves_everything_as_it_was(page):
    before = next_words(page), chances(page)
    page.get_by_role("button", name="Switch off").click()
    expect(slot(page).locator(".next")).to_have_class("next compared")
    assert chips(page) == ["1.1 off"]
    assert "off" in head(page, "1.1").inner_text()
    assert chances(page) != before[1]
    assert "→" in page.locator(".odds b").first.inner_text()
    assert "+0.00" in head(page, "1.1").inner_text() or "0.00" in head(page, "1.1").inner_text()
    page.get_by_role("button", name="undo: 1.1 off").click()
    expect(slot(page).locator(".next")).to_have_class("next")
    assert (next_words(page), chances(page)) == before
    assert chips(page) == []


def test_what_a_head_of_the_first_layer_changes_in_rows_above_is_named(page):
    head(page, "0.0").click()
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator(".livehow .moved")).to_contain_text("the rows that moved most: 1.")
    assert "↔" in head(page, "1.0").inner_text() + head(page, "1.1").inner_text() + head(page, "1.2").inner_text()


def test_a_head_can_be_replaced_by_its_mean_where_that_is_known(open_page, tmp_path, page):
    assert page.get_by_role("button", name="Use its mean").count() == 0
    known = ready(open_page(write_toy_live(tmp_path, means=True)))
    known.get_by_role("button", name="Use its mean").click()
    expect(slot(known).locator(".next")).to_have_class("next compared")
    assert chips(known) == ["1.1 replaced by its mean"]
    of_mean = chances(known)
    known.get_by_role("button", name="Switch off").click()
    assert chips(known) == ["1.1 off"]
    expect(slot(known).locator(".nextwords")).not_to_have_text("\n".join(of_mean))
    assert chances(known) != of_mean


def test_the_weights_of_two_words_are_exchanged_and_taken_back(page):
    before = tints(page)
    page.get_by_role("button", name="Swap two weights").click()
    word(page, "cat").click()
    assert "Choose the second word" in slot(page).locator(".said .livestatus").inner_text()
    word(page, "mat").click()
    expect(page.locator(".livechips li button")).to_have_text("1.1 from “tired”: “cat” ⇄ “mat” ×")
    expect(slot(page).locator(".next")).to_have_class("next compared")
    after = tints(page)
    assert (after[2], after[5]) == pytest.approx((before[5], before[2]), abs=2e-3)
    assert [after[i] for i in (0, 1, 3, 4)] == pytest.approx([before[i] for i in (0, 1, 3, 4)], abs=2e-3)
    page.get_by_role("button", name="undo:").click()
    expect(slot(page).locator(".next")).to_have_class("next")
    assert tints(page) == before


@pytest.mark.parametrize(("kind", "weight"), [("Remove one", 0), ("All on one word", 1)])
def test_a_word_is_cut_or_gets_all(page, kind, weight):
    page.get_by_role("button", name=kind).click()
    word(page, "cat").click()
    expect(slot(page).locator(".next")).to_have_class("next compared")
    assert tints(page)[2] == pytest.approx(weight, abs=1e-3)
    assert sum(tints(page)) == pytest.approx(1, abs=0.01)


def test_an_edit_of_a_word_that_the_head_does_not_see_says_so(open_page, tmp_path):
    page = ready(open_page(write_toy_live(tmp_path, attention="W", window=3)))
    for i, (of, note) in enumerate((("it", ""), ("cat", " (this head does not see it)"))):
        page.get_by_role("button", name="Remove one").click()
        word(page, of).click()
        expect(page.locator(".livechips li button").nth(i)).to_have_text(f"1.1 from “tired”: “{of}” removed{note} ×")
    page.get_by_role("button", name="Swap two weights").click()
    word(page, "it").click()
    word(page, "mat").click()
    expect(page.locator(".livechips li button").last).to_contain_text("“it” ⇄ “mat” (this head does not see both)")


def test_an_edit_rests_while_a_word_before_it_is_another_one(page):
    page.get_by_role("button", name="Remove one").click()
    word(page, "cat").click()
    box(page).fill(f"{TEXT} and it")
    expect(slot(page).locator(".from")).to_have_text("it")
    assert "not now" not in chips(page)[0], "what comes later does not matter"
    box(page).fill(TEXT.replace("cat", "dog"))
    expect(page.locator(".livechips .stale")).to_contain_text("“cat” removed (not now")
    box(page).fill(TEXT)
    expect(page.locator(".livechips .stale")).to_have_count(0)


def test_words_that_come_later_cannot_be_chosen_and_escape_ends_choosing(page):
    word(page, "left").click()
    page.get_by_role("button", name="Remove one").click()
    word(page, "tired").click()
    assert chips(page) == []
    page.keyboard.press("Escape")
    expect(page.locator(".picking")).to_have_count(0)
    assert "Head 1.1 from “left”" in slot(page).locator(".said .livestatus").inner_text()


def test_all_is_taken_back_by_one_button(page):
    for name in ("0.0", "1.2"):
        head(page, name).click()
        page.get_by_role("button", name="Switch off").click()
    assert chips(page) == ["0.0 off", "1.2 off"]
    page.get_by_role("button", name="Undo all").click()
    expect(page.locator(".livechips li button")).to_have_count(0)
    expect(slot(page).locator(".next")).to_have_class("next")


def test_a_second_text_stands_beside_the_first_and_words_that_differ_are_marked(page):
    page.get_by_role("button", name="Its counterfactual").click()
    expect(slot(page, 1).locator(".differs")).to_have_text("wide")
    assert slot(page).locator(".differs").all_inner_texts() == ["tired"]
    assert box(page, "Second text").input_value() == OTHER
    assert chances(page, 1) != chances(page)
    expect(slot(page, 1).locator(".odds")).to_contain_text("Log-odds of “cat” against “mat”: ")
    box(page, "Second text").fill("the red cat left the mat because it was tired")
    expect(slot(page, 1).locator(".differs")).to_have_text("red")
    expect(slot(page).locator(".differs")).to_have_count(0)
    page.get_by_role("button", name="Close the second text").click()
    expect(slot(page, 1)).to_be_hidden()


def test_where_the_second_text_alone_is_changed_the_grid_is_said_to_be_of_the_first(page):
    page.get_by_role("button", name="Its counterfactual").click()
    slot(page, 1).get_by_role("button", name="Remove one").click()
    word(page, "cat", 1).click()
    expect(page.locator(".livehow .moved")).to_have_text(
        "Only the second text is changed; bars and rows here are of the first."
    )


def test_head_edits_hold_for_both_texts_and_row_edits_for_their_own(page):
    page.get_by_role("button", name="Its counterfactual").click()
    slot(page, 1).get_by_role("button", name="Remove one").click()
    word(page, "cat", 1).click()
    expect(slot(page, 1).locator(".next")).to_have_class("next compared")
    assert slot(page).locator(".next").get_attribute("class") == "next"
    assert chips(page) == ["1.1 from “wide”, second text: “cat” removed"]
    head(page, "0.0").press("Enter")
    expect(slot(page).locator(".next")).to_have_class("next compared")


def test_text_is_generated_word_by_word_and_a_seed_repeats_it(page):
    def generated(seed: int) -> str:
        box(page).fill(TEXT)
        page.get_by_label("seed of generated text").fill(str(seed))
        slot(page).get_by_role("button", name="Generate").click()
        expect(slot(page).get_by_role("button", name="Generate")).to_be_visible(timeout=20_000)
        return box(page).input_value()

    first = generated(1)
    assert first.startswith(TEXT)
    assert len(first) > len(TEXT) + 20
    assert generated(2) != first
    assert generated(1) == first


def while_generating(action: str) -> str:
    """A script, a function of ``name``, that begins to generate and does this once there is more text in ``box``."""
    return f"""async name => {{
      const box = document.querySelector(".live textarea");
      const before = box.value;
      const button = [...document.querySelectorAll(".slot button")].find(own => own.textContent === "Generate");
      button.click();
      while (box.value === before) await new Promise(resolve => setTimeout(resolve));
      {action}
    }}"""


TYPED_INTO_GENERATED = while_generating("box.value = 'a dog'; box.dispatchEvent(new Event('input'));")
STOPPED_MEANWHILE = while_generating("""
  if (button.textContent !== "Stop") throw Error(button.textContent);
  button.click();
""")


def test_generating_stops_at_a_button_and_at_a_key(page):
    button = slot(page).get_by_role("button", name="Generate")
    page.evaluate(TYPED_INTO_GENERATED)
    expect(button).to_be_visible()
    page.wait_for_timeout(300)
    assert box(page).input_value() == "a dog"
    page.evaluate(STOPPED_MEANWHILE)
    expect(button).to_be_visible()


SWITCHED_OFF_MEANWHILE = while_generating("""
  const enter = new KeyboardEvent("keydown", { key: "Enter", bubbles: true });
  document.querySelector(`[data-live="${name}"]`).dispatchEvent(enter);
  return box.value;
""")


def test_generating_stops_when_a_head_is_switched_off(page):
    there = page.evaluate(SWITCHED_OFF_MEANWHILE, "0.0")
    expect(slot(page).get_by_role("button", name="Generate")).to_be_visible()
    page.wait_for_timeout(300)
    assert box(page).input_value() == there


def test_the_status_names_the_head_whose_weights_are_shown(page):
    of_old, menu, tint = page.evaluate("""() => {
      document.querySelector('[data-live="0.2"]').click();
      const text = selector => document.querySelector(selector).textContent;
      return [text(".said .livestatus"), text(".editmenu"), document.querySelector(".word.from").style.cssText];
    }""")
    assert of_old.startswith("Head 1.1 from")
    assert menu.startswith("Row of 1.1 at")
    expect(slot(page).locator(".said .livestatus")).to_contain_text("Head 0.2 from")
    expect(slot(page).locator(".editmenu")).to_contain_text("Row of 0.2 at")
    assert slot(page).locator(".from").get_attribute("style") != tint


def test_the_focus_goes_on_where_a_button_goes(page):
    for name in ("0.0", "1.2"):
        head(page, name).press("Enter")
    page.get_by_role("button", name="Undo all").press("Enter")
    assert page.evaluate("document.activeElement.matches('.livechips')")
    page.get_by_role("button", name="Its counterfactual").press("Enter")
    assert page.evaluate("document.activeElement.innerText") == "Close the second text"


def test_escape_ends_choosing_from_the_button_too(page):
    page.get_by_role("button", name="Remove one").click()
    expect(page.locator(".picking")).to_have_count(1)
    page.get_by_role("button", name="Remove one").press("Escape")
    expect(page.locator(".picking")).to_have_count(0)


def test_a_character_of_several_tokens_is_one_letter_of_its_word(open_page, tmp_path):
    write_live_page(tmp_path, "bytes", live_parts(noisy_model(BYTES), BYTES, []))
    page = open_page(tmp_path / "live.html")
    page.set_default_timeout(30_000)
    box(page).fill("the cafés ran")
    page.get_by_role("button", name="Remove one").click()
    word(page, "f").click()
    expect(page.locator(".livechips li button")).to_contain_text("“cafés” removed")
    expect(slot(page).locator(".next")).to_have_class("next compared")
    texts = slot(page).locator(".livewords .word").all_inner_texts()
    start = texts.index("c")
    assert texts[start : start + 6] == [*"café", "◦", "s"]
    assert tints(page)[start : start + 6] == [0] * 6
    assert tints(page)[start + 6] > 0


def test_a_model_without_heads_speaks_of_none(open_page, tmp_path):
    page = ready(open_page(write_toy_live(tmp_path, attention="R")))
    expect(slot(page).locator(".nextwords li:not(.none)").first).to_be_visible()
    assert "head" not in page.locator("main").inner_text().lower()
    assert page.locator(".editmenu:visible, .liverow, .livechips").count() == 0


def test_the_tour_sets_the_state_step_by_step(page):
    page.get_by_role("button", name="Take the tour").click()
    tour = page.locator(".livetour")
    expect(tour).to_contain_text("1 of 2")
    assert box(page).input_value() == "the dog saw the cat"
    assert tour.get_by_role("button", name="Back").is_disabled()
    tour.get_by_role("button", name="Next").click()
    assert "<b>Without</b> it." in tour.inner_text()
    assert chips(page) == ["0.1 off"]
    tour.get_by_role("button", name="Back").click()
    assert chips(page) == []
    tour.get_by_role("button", name="End the tour").click()
    expect(tour).to_be_hidden()
    assert page.evaluate("document.activeElement.innerText") == "Take the tour"


def test_everything_can_be_done_by_keyboard(page):
    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"the tab key does not lead to {selector}")

    tab_to("textarea")
    page.keyboard.press("Control+End")
    page.keyboard.type(" and a dog")
    expect(slot(page).locator(".from")).to_have_text("dog")
    tab_to(".livewords")
    page.keyboard.press("ArrowLeft")
    expect(slot(page).locator(".from")).to_have_text("a")
    tab_to("[data-kind=swap]")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".livechips li button")).to_have_text("1.1 from “a”: “cat” ⇄ “left” ×")
    tab_to("[data-live]")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert chips(page)[0] == "0.1 off"
    page.locator("textarea").first.focus()
    tab_to(".livechips li button")
    page.keyboard.press("Enter")
    assert len(chips(page)) == 1
    assert page.evaluate("document.activeElement.matches('.livechips button')"), "the focus is not lost"
