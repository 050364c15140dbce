"""The page of heads in a text in a real browser: it leads where there are no stories, and shows what was measured."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from browser import contrast
from playwright.sync_api import Page, expect
from toy_text import HEAD, HOSTILE, ROLE, findings_of, toy_text, write_text_report
from toys import TOKENIZER

from data.cases.mine import TASKS
from model import GPT, GPTConfig
from probing.in_text.ablation import PER_POSITION
from report import text_summary
from report.probe_page import heading_of

TITLE = (
    "Head 1.0 is needed most for line ends: 40 % of its attention goes to punctuation and line ends (uniform 15 %), "
    "and without it, predicting line ends costs 0.81 nats more"
)


@pytest.fixture(scope="module")
def text() -> dict:
    return toy_text()


@pytest.fixture(scope="module")
def folder(text: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    write_text_report(folder, text)
    return folder


@pytest.fixture
def page(open_page, folder: Path) -> Page:
    page = open_page(folder / "report.html")
    page.wait_for_selector(".strip canvas")
    page.set_default_timeout(30_000)
    return page


def head_of(text: dict, name: str) -> dict:
    return next(head for head in text["heads"] if head["head"] == name)


def sections(page: Page) -> list[str]:
    return page.locator("main > section").evaluate_all("all => all.map(section => section.id)")


def test_without_stories_the_text_leads_and_nothing_is_empty(page):
    assert page.locator("h1").inner_text().replace("\xa0", " ") == TITLE
    assert sections(page) == [
        *("text-heads", "text-effects", "text-dynamics", "reach", "text-examples"),
        *("story", "numbers", "method"),
    ]
    assert "dynamics=true" in page.locator("#text-dynamics").inner_text()
    assert "not interpreted" not in page.locator("body").inner_text()


def test_unresolved_tasks_made_of_the_text_do_not_fill_the_page(open_page, tmp_path, text, findings):
    unresolved = [replace(result, name="repeated_word") for result in findings.tasks if not result.resolved]
    assert unresolved
    write_text_report(tmp_path, text, findings_of(findings.model, unresolved))
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector(".strip canvas")
    assert "roles" not in sections(page)
    assert "repeated word" not in page.locator("body").inner_text()


def test_where_the_text_leads_the_tasks_are_counted_that_were_measured(open_page, tmp_path, findings, text):
    assert {result.resolved for result in findings.tasks} == {True, False}
    mined = [replace(result, name=name) for result, name in zip(findings.tasks, TASKS, strict=False)]
    write_text_report(tmp_path, text, findings_of(findings.model, mined))
    n = sum(result.resolved for result in findings.tasks)
    lead = open_page(tmp_path / "report.html").locator(".lead").inner_text()
    assert f"Of {len(mined)} tasks the model resolves {n};" in lead.replace("\xa0", " ")


def test_on_stories_the_text_comes_after_them(open_page, tmp_path, text, findings):
    write_text_report(tmp_path, text, findings)
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector(".strip canvas")
    found = sections(page)
    assert found[:3] == ["roles", "story", "sites"]
    assert page.locator("#story .kind").inner_text().startswith("A typical pair"), "not a window of the text"
    assert found.index("dynamics") < found.index("text-heads") < found.index("numbers")
    assert page.locator("h1").inner_text() == "Head 1.0 looks back to what a pronoun means, and it matters"
    page.locator('.cell[data-head="0.1"]').click()
    assert page.locator('.headbar[aria-selected="true"]').get_attribute("data-head") == "0.1"
    last = page.locator(".lead p").last.inner_text().replace("\xa0", " ")
    assert last == f"In held-out text, h{TITLE[1:]}."


def test_beside_tasks_the_text_is_called_by_the_name_of_its_file_and_may_show_nothing(findings, text):
    heads = [head | {"roles": []} for head in text["heads"]]
    heading = heading_of(findings, text | {"heads": heads, "source": {"text_file": "book.txt"}}, leads=False)
    assert heading.sentences[-1] == "In book.txt, no head of this model is shown to do anything of its own."


def test_bars_are_as_long_as_the_shares(page, text):
    for head in text["heads"]:
        parts = page.locator(f'.headbar[data-head="{head["head"]}"] .stack span')
        widths = parts.evaluate_all("parts => parts.map(part => [part.dataset.relation, part.clientWidth])")
        whole = page.locator(f'.headbar[data-head="{head["head"]}"] .stack').evaluate("stack => stack.clientWidth")
        total = max(1, sum(own["share"] for own in head["looks"]["relations"].values()))
        for name, width in widths:
            assert width == pytest.approx(whole * head["looks"]["relations"][name]["share"] / total, abs=1)


def test_click_and_keys_choose_a_head_for_all_sections(page, text):
    assert page.locator(".chosenhead h3").inner_text() == f"Head {HEAD}"
    page.locator('.headbar[data-head="0.0"]').click()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.head") == "0.1"
    assert page.locator(".chosenhead h3").inner_text() == "Head 0.1"
    assert page.locator("#text-examples h3").inner_text() == "Head 0.1"
    assert page.locator(".effects .on .layer").inner_text() == "0.1"
    row = page.locator(".chosenhead tbody tr", has_text="punctuation").locator("td").all_inner_texts()
    own = head_of(text, "0.1")["looks"]["relations"]["punctuation"]
    assert [float(cell) for cell in row[:2]] == pytest.approx([100 * own["share"], 100 * own["uniform"]], abs=0.051)


def effect(page: Page, kind: str, row: str = HEAD):
    line = page.locator(".effects [role=row]").filter(has=page.locator(".layer", has_text=row))
    return line.first.locator(f'[data-kind="{kind}"]')


def test_the_map_has_the_effects_and_dims_what_is_not_sure(page):
    assert effect(page, "line_end").inner_text() == "0.81"
    assert "unsure" not in effect(page, "line_end").get_attribute("class")
    assert {"unsure", "less"} < set(effect(page, "punctuation").get_attribute("class").split()), "includes 0"
    assert "unsure" in effect(page, "all").get_attribute("class"), "as much as in untrained networks"
    status = page.locator("#text-effects .status")
    assert status.inner_text() == "Head 1.0, line ends: 0.81 nats more without (0.72 to 0.90, p 0.0005)."
    effect(page, "punctuation").hover()
    assert status.inner_text().endswith("; its interval includes 0.")
    effect(page, "line_end").focus()
    page.keyboard.press("ArrowLeft")
    assert status.inner_text().endswith("; heads of untrained networks reach 0.02.")


def test_the_map_shows_layers_all_heads_and_the_other_ablation(page, text):
    assert page.locator(".effects .together .layer").all_inner_texts() == ["layer 0", "layer 1", "all heads"]
    whole = text["all_heads"]["effects"]
    assert float(effect(page, "all", "all heads").inner_text()) == pytest.approx(
        whole[PER_POSITION]["all"]["nats"], abs=0.0051
    )
    page.locator("#text-effects summary").click()
    expect(page.locator("#text-effects tbody tr")).to_have_count(7)  # they are made when it opens
    page.get_by_label("In place of a head's output").select_option("resample")
    assert float(effect(page, "all", "all heads").inner_text()) == pytest.approx(
        whole["resample"]["all"]["nats"], abs=0.0051
    )


def test_the_curve_has_its_numbers_and_the_mark(page, text):
    back = text["how_far_back"]
    drawn = page.locator("#reach .chosen circle").evaluate_all("dots => dots.map(dot => +dot.dataset.y)")
    assert drawn == pytest.approx([point["loss"] for point in back["points"]])
    enough = next(point for point in back["points"] if point["limit"] == back["enough"])
    assert float(page.locator("#reach svg .mark[data-y]").get_attribute("data-y")) == pytest.approx(enough["loss"])
    assert f"{back['enough']} tokens" in page.locator("#reach .status").inner_text()


def with_dynamics(text: dict) -> dict:
    """The text with what its heads cost at three moments: head 0.1 most in the end, but head 1.0 has the role."""

    def costs(step: int) -> dict:
        nats = {"0.0": 0.0, "0.1": step / 1_000, "1.0": step / 2_000, "1.1": None}
        return {head: {"nats": own, "kind": "space", "kind_nats": own and 2 * own} for head, own in nats.items()}

    heads = [head | {"roles": [ROLE] if head["head"] == HEAD else []} for head in text["heads"]]
    return text | {
        "heads": heads,
        "dynamics": [{"step": step, "tokens": 64 * step, "heads": costs(step)} for step in (0, 10, 100)],
    }


def test_what_heads_cost_is_drawn_by_step_and_read_out(open_page, tmp_path, text):
    write_text_report(tmp_path, with_dynamics(text))
    page = open_page(tmp_path / "report.html")
    costs = page.locator("#text-dynamics")
    expect(costs.locator(".chart svg")).to_have_count(2)
    for chart, factor in zip(costs.locator(".chart").all(), (1, 2), strict=True):
        dots = chart.locator(".line.chosen circle").evaluate_all("dots => dots.map(dot => +dot.dataset.y)")
        assert dots == pytest.approx([0, factor * 0.005, factor * 0.05])
        assert chart.locator(".line.named-0").get_attribute("data-name") == "head 1.0", "it has a role"
        assert chart.locator(".line.named-1").get_attribute("data-name") == "head 0.1", "it costs most in the end"
    status = costs.locator(".status")
    assert (
        status.inner_text()
        == "step 100, 6.4\xa0k tokens, head 1.0: without it 0.050 nats per token more; most on spaces, 0.10"
    )
    costs.get_by_label("Head to follow").select_option("0.1")
    assert page.locator(".chosenhead h3").inner_text() == "Head 0.1", "all sections follow"
    costs.locator("summary").click()
    rows = costs.locator("tbody tr")
    expect(rows.nth(1)).to_have_text("0.10.100spaces0.20")  # they are made when it opens
    expect(rows.nth(3)).to_have_text("1.1–spaces–")
    costs.locator("input").focus()
    page.keyboard.press("ArrowLeft")
    expect(status).to_contain_text("step 10, 640 tokens, head 0.1: without it 0.010 nats per token more")
    expect(rows.nth(1)).to_have_text("0.10.010spaces0.02")


def test_training_dynamics_of_tasks_that_are_not_resolved_do_not_break_the_page(open_page, tmp_path, text, findings):
    unresolved = [replace(result, name="repeated_word") for result in findings.tasks if not result.resolved]
    moments = [{"step": step, "tokens": step, "tasks": {"repeated_word": {}}} for step in (0, 1)]
    findings = replace(findings_of(findings.model, unresolved), dynamics=moments)
    write_text_report(tmp_path, text, findings)
    page = open_page(tmp_path / "report.html")
    expect(page.locator("#method")).to_be_visible()
    assert page.locator("#dynamics").count() == 0


@pytest.mark.parametrize("width", [1280, 900, 390])
def test_nothing_beside_the_bars_is_cut(open_page, tmp_path, text, width):
    other = deepcopy(text)
    role = ROLE | {"role": "after_same_token", "by": "attention", "share": 0.8, "uniform": 0.1, "nats": None}
    head_of(other, HEAD)["roles"] = [role]
    write_text_report(tmp_path, other)
    page = open_page(tmp_path / "report.html", width=width)
    expect(page.locator(".chosenhead table")).to_be_visible()
    for selector in (".chosenhead .scroll", f'.headbar[data-head="{HEAD}"] .does'):
        whole, seen = page.locator(selector).evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert whole <= seen, selector


def test_examples_are_text_whatever_they_hold(page):
    first = page.locator(".passages li").first
    assert first.locator(".from").inner_text() == HOSTILE[0]
    assert first.locator(".looked").inner_text() == "\\u202eevil"
    assert first.locator(".next").inner_text() == "</script>"
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.acted") is None


def test_the_text_itself_is_tinted_from_the_word_pointed_at(page):
    words = page.locator(".tinted .word")
    assert words.count() == 9
    words.nth(4).hover()
    weights = words.evaluate_all("all => all.map(word => +word.style.getPropertyValue('--weight'))")
    assert sum(weights) == pytest.approx(1, abs=0.05)
    assert sum(weights[5:]) == 0


def test_a_window_that_begins_inside_a_text_has_no_start_mark(open_page, tmp_path, text):
    write_text_report(tmp_path, text, window=[*b"ab c"])
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector(".strip canvas")
    assert page.locator(".tinted").inner_text() == "ab␣c"
    assert page.locator(".tinted .start").count() == 0
    assert page.locator(".tinted").get_attribute("aria-label").startswith("ab␣c. Arrow keys")


@pytest.mark.parametrize(("words", "direction"), [("שלום", "rtl"), ("Hi", "ltr")])
def test_a_text_from_right_to_left_is_shown_so_and_arrow_keys_follow(open_page, tmp_path, text, words, direction):
    write_text_report(tmp_path, text, window=[TOKENIZER.end, *words.encode()])
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector(".strip canvas")
    assert page.locator(".tinted").evaluate("node => getComputedStyle(node).direction") == direction
    page.locator(".tinted .word").nth(0).click()
    page.locator("h1").hover()
    page.locator(".tinted").focus()
    page.keyboard.press("ArrowLeft" if direction == "rtl" else "ArrowRight")
    assert page.locator(".tinted .from").get_attribute("data-i") == "1"


def test_on_paper_nothing_is_cut_where_heads_are_many(open_page, folder):
    page = open_page(folder / "report.html")
    page.wait_for_selector(".strip canvas")
    page.evaluate("for (const node of document.querySelectorAll('.effects, .headbars')) node.classList.add('many')")
    for media, most in (("screen", False), ("print", True)):
        page.emulate_media(media=media)
        for selector in (".effects", ".headbars"):
            whole = "node => [getComputedStyle(node).maxHeight, getComputedStyle(node).overflowY]"
            assert (page.locator(selector).evaluate(whole) == ["none", "visible"]) == most


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_fits_and_can_be_read(open_page, folder, width, scheme):
    page = open_page(folder / "report.html", width=width, scheme=scheme)
    page.wait_for_selector(".strip canvas")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for selector in (
        ".headbar .does",
        ".caption",
        ".passage",
        ".effects .unsure",
        ".effects .effect:not(.unsure)",
        ".chosenhead td",
    ):
        assert contrast(page.locator(selector).first) >= 4.5, selector
    assert page.locator(".headbar[tabindex='0']").count() == page.locator(".effect[tabindex='0']").count() == 1


def test_a_page_of_144_heads_is_small(open_page, tmp_path, text):
    model = GPT(GPTConfig(TOKENIZER.vocab_size, block_size=256, n_layer=12, n_head=12, n_embd=48)).eval()
    passage = deepcopy(text["heads"][0]["examples"][:1])
    passage[0]["pieces"] = [f" w{i}" for i in range(40)]
    many = [
        head_of(text, HEAD) | {"head": f"{layer}.{k}", "layer": layer, "examples": passage * 12}
        for layer in range(12)
        for k in range(12)
    ]
    layers = [text["layers"][0] | {"layer": layer} for layer in range(12)]
    large = text | {"heads": many, "layers": layers}
    window = [i % 256 for i in range(257)]
    write_text_report(tmp_path, large, findings_of(model), window)
    assert (tmp_path / "report.html").stat().st_size < 4_000_000
    page = open_page(tmp_path / "report.html")
    page.locator('.headbar[data-head="11.11"]').click()
    expect(page.locator(".chosenhead h3")).to_have_text("Head 11.11")
    assert page.locator(".headbars.many .headbar[data-head]").count() == 144


def test_what_leads_is_the_text_unless_there_are_stories():
    assert text_summary.leads({"text": {"heads": []}, "tasks": {}})
    assert text_summary.leads({"text": {"heads": []}, "tasks": {"repeated_name": {}, "random_lists": {}}})
    assert not text_summary.leads({"text": {"heads": []}, "tasks": {"agreement": {}}})
    assert not text_summary.leads({"tasks": {}})


def test_a_title_without_an_effect_speaks_of_where_a_head_looks_or_of_nothing(text):
    other = deepcopy(text)
    for head in other["heads"]:
        head["roles"] = []
    assert text_summary.title(other) == "No head of this model is shown to do anything of its own in this text"
    other["heads"][0]["roles"] = [
        ROLE | {"role": "token_before", "by": "attention", "share": 0.83, "uniform": 0.04, "nats": None}
    ]
    assert (
        text_summary.title(other)
        .replace("\xa0", " ")
        .startswith("Head 0.0 attends to the token before: 83 % of its attention")
    )
    assert "is not shown" not in text_summary.title(text)


def test_the_strongest_heads_of_a_role_come_first(text):
    other = deepcopy(text)
    other["heads"][0]["roles"] = [ROLE | {"nats": 0.1}]
    other["heads"][1]["roles"] = [ROLE | {"role": "pronoun", "nats": 2.0}]
    assert text_summary.about_roles(other) == [
        "3 of 4 heads have a role in this text. By what costs most without them: pronouns 0.1; line ends 1.0, 0.0."
    ]


def test_how_far_back_heads_need_to_look_is_not_said_beyond_the_window():
    points = [{"limit": 32}, {"limit": 64}]
    short, long = ({"enough": n, "points": points, "tolerance": 0.05} for n in (32, 64))
    assert text_summary.about_reach(short) == [
        "No head needs to look further back than about 32 tokens: where none may, the loss grows by less than "
        "0.05 nats per token."
    ]
    assert text_summary.about_reach(long) == [
        "In windows of 64 tokens it is not shown that fewer suffice, so how far back heads need to look is not known."
    ]


def test_a_role_is_in_words_what_the_head_is_needed_for_or_what_it_attends_to():
    for by, words in (("effect", "needed most for punctuation"), ("attention", "attends to punctuation and line ends")):
        assert text_summary.role_in_words({"role": "punctuation", "by": by}) == words


def test_a_file_that_was_read_is_named(text):
    assert "of text that it was not trained on" in text_summary.about_text(text)
    assert "of <b>.txt, " in text_summary.about_text(text | {"source": {"text_file": "<b>.txt"}})


def test_a_page_without_a_text_is_as_before(open_page, tmp_path):
    write_text_report(tmp_path, None, window=None)
    assert json.loads((tmp_path / "heads.json").read_text())["text"] is None
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector("#method")
    assert "text-heads" not in sections(page)
