"""The page of probe.py in a real browser: what it shows is what was measured, and every way to choose works."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from toy_live import write_probe_that_runs
from toy_report import MATTERS, UNRESOLVED, choose_text
from toys import TOKENIZER

from probing import write_files
from report.examples import Example, text_from_its_end
from report.probe_page import write_probe_page


@pytest.fixture
def found(folder: Path) -> dict:
    return json.loads((folder / "heads.json").read_text())


@pytest.fixture
def page(open_page, folder: Path) -> Page:
    page = open_page(folder / "report.html")
    page.set_default_timeout(30_000)
    choose_text(page, "agreement, typical")
    expect(page.locator(".tinted .gold[style*=weight]").first).to_be_visible()
    return page


def tints(page: Page, text: int = 0) -> list[float]:
    words = page.locator(".tinted").nth(text).locator(".word")
    return words.evaluate_all("words => words.map(word => +word.style.getPropertyValue('--weight'))")


def from_word(page: Page, text: int = 0) -> int:
    return int(page.locator(".tinted").nth(text).locator(".from").get_attribute("data-i"))


def test_the_heading_is_there_before_any_script(open_page, folder):
    page = open_page(folder / "report.html", java_script_enabled=False)
    assert page.locator("h1").inner_text() == f"Head {MATTERS} looks back to what a pronoun means, and it matters"
    lead = page.locator(".lead").inner_text().replace("\xa0", " ")
    assert "100.0 % of 40 held-out cases of “agreement”" in lead
    assert "measured at the word that predicts the answer (A-1; 95 % interval" in lead


def test_the_role_map_is_that_of_heads_json(page, found):
    for layer, heads in enumerate(found["all_roles"]):
        for head, roles in enumerate(heads):
            cell = page.locator(f'.cell[data-head="{layer}.{head}"]')
            assert cell.get_attribute("data-role") == (roles[0]["role"] if roles else "")
            assert cell.locator(".dot", has_text="●").count() == sum(role["matters"] for role in roles)
            strength = float(cell.evaluate("cell => getComputedStyle(cell).getPropertyValue('--strength')") or 0)
            assert strength == pytest.approx(roles[0]["strength"] if roles else 0, abs=1e-3)
    assert page.locator(".cell .dot", has_text="●").count() == 1, "of the hand-set model one head matters"


def test_the_bars_are_the_chosen_heads_numbers(page, found):
    page.click('.cell[data-head="0.1"]')
    for name, task in found["tasks"].items():
        quoted = next(head for head in task["heads"] if head["head"] == "0.1")
        row = page.locator(f'.bars li[data-task="{name}"]')
        share = row.locator(".bar").evaluate("bar => +bar.style.getPropertyValue('--share')")
        assert share == pytest.approx(quoted["choice_accuracy"])
        baseline = row.locator("button").evaluate("row => +row.style.getPropertyValue('--baseline')")
        assert baseline == pytest.approx(max(task["baselines"].values()))
        filled = row.locator(".bar").evaluate(
            "bar => parseFloat(getComputedStyle(bar, '::before').width) / bar.clientWidth"
        )
        assert filled == pytest.approx(quoted["choice_accuracy"], abs=0.02)


def test_the_curve_is_drawn_where_its_numbers_are(page, found):
    by_site = found["tasks"]["agreement"]["by_site"]
    box = page.locator("#sites .chart svg")
    assert box.locator(".line").count() == len(by_site["choice_accuracy"])
    dots = box.locator(".chosen circle")
    drawn = dots.evaluate_all("dots => dots.map(dot => [+dot.dataset.y, +dot.getAttribute('cy')])")
    assert [value for value, _ in drawn] == pytest.approx(by_site["choice_accuracy"][MATTERS])
    half = float(box.locator(".half").get_attribute("y1"))
    top = min(y for _, y in drawn)
    for value, y in drawn:
        assert (y - half) / (half - top) == pytest.approx(
            (0.5 - value) / (max(by_site["choice_accuracy"][MATTERS]) - 0.5), abs=1e-3
        )
    page.locator("#sites").get_by_text("The same in numbers").click()
    first = page.locator("#sites tbody tr", has_text=f"{MATTERS} (chosen)").locator("td").all_inner_texts()
    assert [float(text.split()[0]) for text in first] == pytest.approx(
        [round(100 * value, 1) for value in by_site["choice_accuracy"][MATTERS]]
    )


def test_the_table_has_the_chosen_head_of_every_task(page, found):
    for name, task in found["tasks"].items():
        row = page.locator("#numbers tbody tr").filter(
            has=page.get_by_role("rowheader", name=name.replace("_", " "), exact=True)
        )
        cells = row.locator("td").all_inner_texts()
        best = task["best"]
        if not task["resolved"]:
            assert cells[1:] == [*["–"] * 9, "not interpreted"]
            continue
        assert cells[1] == f"{best['head']} {best['site']}"
        assert cells[2] == str(task["stability"]["same_head"])
        assert float(cells[3].split()[0]) == pytest.approx(100 * best["choice_accuracy"], abs=0.05)
        assert float(cells[6].split(", ")[1]) == pytest.approx(best["lift_untrained"], abs=0.05)
        assert float(cells[8].split()[0]) == pytest.approx(best["weight_swap_drop"], abs=0.05)


WOULD_SHOW = "these cases would show it, in 4 of 5 draws,"


@pytest.mark.parametrize(
    ("looks", "power", "verdict", "sentence"),
    [
        (
            False,
            {"choice_accuracy": 0.713},
            f"not shown to look; {WOULD_SHOW} from a choice accuracy of 71 % on",
            "it looks is",
        ),
        (True, {"weight_swap_drop": 0.62}, f"looks; {WOULD_SHOW} from 0.6 nats on", "it matters is"),
        (True, {"weight_swap_drop": None}, "looks; no effect would be shown by these cases", "it matters is"),
    ],
)
def test_what_is_not_shown_stands_beside_what_would_be_found(
    open_page, findings, tmp_path, looks, power, verdict, sentence
):
    result, *others = findings.tasks
    swap = replace(result.effects["weight_swap"][MATTERS], p_adj=0.2)
    unsure = replace(
        result,
        quotes=result.quotes | {MATTERS: replace(result.quotes[MATTERS], looks=looks)},
        effects=result.effects | {"weight_swap": {MATTERS: swap}},
        power=replace(result.power, **power),
        stability=replace(result.stability, heads={MATTERS: 143, "0.1": 57}),
    )
    findings = replace(findings, tasks=[unsure, *others])
    write_files(findings, tmp_path)
    write_probe_page(findings, TOKENIZER, tmp_path)
    page = open_page(tmp_path / "report.html")
    cells = page.locator("#numbers tbody tr", has_text="agreement").locator("td").all_inner_texts()
    assert cells[2] == "143 (0.1)"
    assert plain(cells[-1]) == verdict
    note = plain(page.locator("#sites figcaption").inner_text())
    assert f"Head {MATTERS} was chosen for this task, and again in 143 of 200 resamples" in note
    assert note.endswith(f"(0.1 in 57). That {sentence} not shown: {verdict.split('; ')[1]}.")


def plain(text: str) -> str:
    return text.replace("\xa0", " ")


@pytest.mark.parametrize("name", ["heads.json", "heads.csv"])
def test_the_files_can_be_saved_as_they_are(page, folder, name):
    with page.expect_download() as download:
        page.get_by_text(f"Save {name}").click()
    assert download.value.suggested_filename == name
    assert download.value.path().read_bytes() == (folder / name).read_bytes()


def test_words_are_tinted_by_the_weights_of_the_head(page, findings):
    weights = tints(page)
    case = next(case for case in findings.tasks[0].cases if page_text(page) == shown(case))
    [[start, end]] = case.gold
    assert from_word(page) == case.sites["A-1"]
    assert sum(weights[start:end]) > 0.9, "by hand, the head looks at the name alone"
    assert sum(weights) == pytest.approx(1, abs=0.05)
    assert "gold" in page.locator(".tinted").first.locator(f'[data-i="{start}"]').get_attribute("class")
    page.click('.cell[data-head="0.0"]')
    assert sum(tints(page)[start:end]) < 0.1


def page_text(page: Page) -> str:
    return "".join(page.locator(".tinted").first.locator(".word").all_inner_texts()[1:])


def shown(case) -> str:
    return TOKENIZER.decode(case.tokens[1:])


def test_pointing_at_a_word_shows_where_the_head_looks_from_there(page):
    before = tints(page)
    site = from_word(page)
    page.locator(".tinted").first.locator('[data-i="2"]').hover()
    assert from_word(page) == 2
    assert sum(tints(page)[3:]) == 0, "a causal model cannot look ahead"
    page.locator("h1").hover()
    assert (from_word(page), tints(page)) == (site, before)


def test_the_slider_moves_over_the_sites(page):
    slider = page.get_by_label("site: the word attended from")
    at = from_word(page)
    slider.focus()
    page.keyboard.press("Home")
    assert from_word(page) < at
    assert slider.get_attribute("aria-valuetext") == "P-1: predicts the pronoun"
    page.locator(".ticks button", has_text="A-1").click()
    assert from_word(page) == at


def test_arrow_keys_choose_heads_and_words(page):
    page.click(f'.cell[data-head="{MATTERS}"]')
    page.locator(f'.cell[data-head="{MATTERS}"]').focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert page.locator('.cell[aria-selected="true"]').get_attribute("data-head") == "0.1"
    assert page.evaluate("document.activeElement.dataset.head") == "0.1"
    assert page.locator('.strip button[aria-pressed="true"]').inner_text() == "0.1"
    assert page.get_by_label("Head", exact=True).input_value() == "0.1"
    page.keyboard.press("ArrowRight")
    assert page.locator('.cell[aria-selected="true"]').get_attribute("data-head") == "0.1", (
        "there is no head to the right"
    )
    at = from_word(page)
    page.locator(".tinted").first.focus()
    page.keyboard.press("ArrowLeft")
    assert from_word(page) == at - 1
    assert page.locator(".status").first.inner_text().startswith("from “.”: ")
    page.locator(".strip button", has_text=MATTERS).click()
    assert page.locator('.cell[aria-selected="true"]').get_attribute("data-head") == MATTERS


def test_a_task_brings_its_story_and_its_curve(page):
    page.locator('.bars li[data-task="the_other_way"] button').click()
    assert "not interpreted" in page.locator(".kind").inner_text()
    assert page.get_by_label("Text", exact=True).locator("option:checked").inner_text() == "the other way, typical"
    assert "the other way" in page.locator("#sites figcaption").inner_text()
    assert "the other way was not measured" in page.locator("#dynamics .status").inner_text()


NO_HEAD = "The model does not resolve this task: no head is interpreted."


def test_of_a_task_that_is_not_resolved_no_head_is_interpreted(open_page, findings, tmp_path):
    both = [dict.fromkeys(("agreement", UNRESOLVED), moment["tasks"]["agreement"]) for moment in findings.dynamics]
    moments = [moment | {"tasks": tasks} for moment, tasks in zip(findings.dynamics, both, strict=True)]
    findings = replace(findings, dynamics=moments)
    write_files(findings, tmp_path)
    write_probe_page(findings, TOKENIZER, tmp_path)
    page = open_page(tmp_path / "report.html")
    page.locator(f'.bars li[data-task="{UNRESOLVED}"] button').click()
    assert page.locator("#sites figcaption").inner_text() == f"the other way: {NO_HEAD[0].lower()}{NO_HEAD[1:]}"
    status = plain(page.locator("#dynamics .status").inner_text())
    assert status == f"step 7, 700 tokens, the other way: right 100 %. {NO_HEAD}"
    page.locator('.bars li[data-task="agreement"] button').click()
    assert "was chosen for this task" in page.locator("#sites figcaption").inner_text()
    assert "picks what is meant" in page.locator("#dynamics .status").inner_text()


def test_a_moment_that_was_not_finite_is_called_so_and_the_page_is_whole(open_page, findings, tmp_path):
    last = findings.dynamics[-1]
    broken = {task: look | {"mass": None, "resample_ablation_drop": None} for task, look in last["tasks"].items()}
    findings = replace(findings, dynamics=[*findings.dynamics[:-1], last | {"tasks": broken}])
    write_files(findings, tmp_path)
    write_probe_page(findings, TOKENIZER, tmp_path)
    page = open_page(tmp_path / "report.html")
    assert "agreement was not measured" in page.locator("#dynamics .status").inner_text()


def test_an_axis_of_moments_has_a_zero_only_where_the_first_is_there(open_page, findings, tmp_path):
    for first, texts in ((0, ["0", "100", "200", "500"]), (1, ["100", "200", "500"])):
        folder = tmp_path / f"{first}"
        folder.mkdir()
        write_files(own := replace(findings, dynamics=findings.dynamics[first:]), folder)
        write_probe_page(own, TOKENIZER, folder)
        page = open_page(folder / "report.html")
        axis = page.locator("#dynamics .chart").first.locator(".axes text[text-anchor=middle]")
        assert axis.all_text_contents() == texts


def test_words_in_which_two_texts_of_other_lengths_differ_are_bold(open_page, findings, tmp_path, monkeypatch):
    pair = [text_from_its_end(TOKENIZER, [TOKENIZER.end, *text]) for text in (b"AKh?A", b"AKKB?A")]
    monkeypatch.setattr("report.probe_page.choose_examples", lambda *_: [Example("agreement", "typical", pair)])
    write_files(findings, tmp_path)
    write_probe_page(findings, TOKENIZER, tmp_path)
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector(".strip canvas")
    bold = [page.locator(".tinted").nth(i).locator(".differs").all_inner_texts() for i in range(2)]
    assert bold == [["h"], ["K", "B"]]


def test_where_the_answer_comes_next_its_probability_is_named_beside_that_of_the_foil(page):
    line = plain(page.locator("#story .status").nth(1).inner_text())
    assert re.fullmatch(r"probability of the next token: answer “.” [<\d. ]+ %, foil “.” [<\d. ]+ %", line)


def test_terms_that_the_page_uses_are_explained(page):
    terms = page.locator("#method dt").all_inner_texts()
    assert {"Nats", "Foil", "Resample ablation"} < set(terms)


ALPHAS = """(canvas, row) => {
  const { data } = canvas.getContext("2d").getImageData(0, row, canvas.width, 1);
  return Array.from(data).filter((_, i) => i % 4 === 3);
}"""


def test_the_pattern_is_drawn_from_the_same_weights(page):
    page.click('.cell[data-head="0.1"]')  # which spreads its attention
    weights = tints(page)
    assert max(weights) < 0.5
    row = from_word(page)
    alphas = page.locator("canvas.big").evaluate(ALPHAS, row)
    for i, alpha in enumerate(alphas):
        assert alpha == (pytest.approx(255 * (0.04 + 0.96 * weights[i] ** 0.5), abs=2) if i <= row else 0)
    page.locator("canvas.big").hover(position={"x": 2, "y": 2})
    assert from_word(page) == 0


UNPACKED = """() => {
  window.unpacked = 0;
  const Own = DecompressionStream;
  window.DecompressionStream = class { constructor(kind) { window.unpacked++; return new Own(kind); } };
  const select = document.getElementById("choose-Text");
  select.value = String(+select.value + 1);
  select.dispatchEvent(new Event("change"));
  for (const word of document.querySelectorAll(".tinted .word"))
    word.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  return new Promise(done => setTimeout(() => done(window.unpacked), 300));
}"""


def test_a_pattern_is_unpacked_once_whatever_is_pointed_at_meanwhile(open_page, folder):
    page = open_page(folder / "report.html")
    page.wait_for_selector(".strip canvas")
    assert page.evaluate(UNPACKED) == page.locator(".tinted").count() == 2


def test_a_link_to_a_section_goes_there(open_page, findings, tmp_path):
    """Also where the model runs, whose state else is in the address."""
    path = write_probe_that_runs(findings, tmp_path)
    page = open_page(path)
    page.goto("about:blank")
    page.goto(f"{path.as_uri()}#numbers")
    expect(page.locator("#numbers")).to_be_in_viewport()
    expect(page.locator(".said .livestatus").first).to_contain_text("Head")
    assert page.locator(".livenote").is_hidden()


def test_training_dynamics_are_moved_by_slider_and_by_play(page, found):
    slider, status = page.get_by_label("step of training"), page.locator("#dynamics .status")
    assert "step 7" in status.inner_text()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert "step 3, 300 tokens, agreement: right 43" in status.inner_text().replace("\xa0", " ")
    page.get_by_text("Play").click()
    expect(page.get_by_text("Play")).to_be_visible()
    assert "step 7" in status.inner_text()
    dots = page.locator("#dynamics .chart").first.locator(".chosen circle")
    values = dots.evaluate_all("dots => dots.map(dot => +dot.dataset.y)")
    assert values == pytest.approx([moment["tasks"]["agreement"]["model_accuracy"] for moment in found["dynamics"]])


def test_the_head_of_the_role_map_is_the_head_of_the_model_that_runs(open_page, findings, tmp_path):
    page = open_page(write_probe_that_runs(findings, tmp_path))
    page.set_default_timeout(30_000)
    live = page.locator(f'[data-live="{MATTERS}"]')
    assert live.get_attribute("aria-selected") == "true"
    page.click('.cell[data-head="0.1"]')
    expect(page.locator(".said .livestatus").first).to_contain_text("Head 0.1 from")
    live.click()
    assert page.locator('.cell[aria-selected="true"]').get_attribute("data-head") == MATTERS
    expect(page.locator(".strip canvas").first).to_be_visible()
