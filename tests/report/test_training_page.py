"""The page on training in a real browser: its lines are the record, and whatever is chosen all of it follows."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page
from records import LN2, evaluation, record, references, write_run

from report.training_page import moment_of, write_training_page

HOSTILE = "<img src=x onerror=\"throw Error('run')\"></script><script>throw Error('run')</script>\n&lt;b&gt; <!--"


@pytest.fixture
def open_run(open_page, tmp_path):
    """``open_run(rows, width=...)``: the page of a run with this record, drawn."""

    def show(rows: list[dict], budget: dict | None = None, heads: dict | None = None, **options) -> Page:
        run = write_run(tmp_path, rows, **budget or {})
        if heads:
            (run / "probe").mkdir()
            (run / "probe" / "heads.json").write_text(json.dumps(heads))
        (path,) = write_training_page(run)
        page = open_page(path, **options)
        page.wait_for_selector("#settings")
        return page

    return show


PARTS = {"files": 0.25, "stories": -0.75}  # of a mixture, and how much more the loss on each is


def evaluations(rows: list[dict], key: str) -> list[float]:
    return [row[key] for row in rows if "val_loss" in row and row[key] is not None]


def drawn(lines: Locator) -> list[float]:
    """The values of the dots on a line."""
    return [float(value) for value in lines.locator("circle").evaluate_all("dots => dots.map(dot => dot.dataset.y)")]


def close(values: list[float]) -> object:
    return pytest.approx(values, rel=1e-5)


def test_losses_are_those_of_the_record(open_run):
    rows = record()
    page = open_run(rows)
    chosen = page.locator("#loss .chart .line.chosen")
    assert drawn(chosen) == close(evaluations(rows, "val_loss"))
    path = page.locator("#loss .chart .line.second path").get_attribute("d")
    assert path.count("L") == sum("train_loss" in row for row in rows) - 1
    assert float(page.locator("#loss .chart .mark").get_attribute("data-y")) == close(rows[-1]["val_loss"])
    page.get_by_label("Measured in").select_option("bits per byte")
    assert drawn(chosen) == close(evaluations(rows, "val_bpb"))
    assert page.locator("#loss .chart .line.second path").get_attribute("d") == ""
    page.get_by_label("Shown").select_option("the last half")
    assert drawn(chosen) == close([row["val_bpb"] for row in rows if "val_loss" in row and row["step"] >= 200])
    page.click("#loss summary")
    cells = page.locator("#loss tbody tr").nth(3).locator("th, td").all_inner_texts()
    assert cells[0] == "300"
    assert cells[4] == f"{rows[30]['val_loss']:.4f}"


def test_the_loss_on_each_corpus_of_a_mixture_is_drawn_and_read_out(open_run):
    rows = record(plain=True)
    for row in rows:
        if "val_loss" in row:
            row |= {f"{key}/{name}": row[key] + more for key in ("val_loss", "val_bpb") for name, more in PARTS.items()}
    page = open_run(rows)
    lines = page.locator("#loss .chart .line.named")
    assert [line.get_attribute("data-name") for line in lines.all()] == ["validation on files", "validation on stories"]
    values = [f"{name} {rows[-1][f'val_loss/{name}']:.4f}" for name in PARTS]
    assert f"({', '.join(values)})" in page.locator("#loss .status").inner_text()
    assert f"by their shares: {', '.join(values)}." in page.locator("header").inner_text()
    page.click("#loss summary")
    last = page.locator("#loss tbody tr").last.locator("td").all_inner_texts()
    assert last[-2:] == [value.split()[1] for value in values]


def test_the_end_is_not_flattened_by_the_beginning(open_run):
    rows = record()
    rows[0]["val_loss"] = 1_000.0
    page = open_run(rows)
    heights = page.locator("#loss .chart circle").evaluate_all("dots => dots.map(dot => +dot.getAttribute('cy'))")
    assert heights[0] < 0 < heights[1] < heights[-1]
    assert heights[-1] - heights[1] > 80


def test_a_slider_shows_what_the_model_wrote_at_each_evaluation(open_run):
    rows = record()
    page = open_run(rows)
    slider, text = page.get_by_label("sample", exact=True), page.locator("pre.sample")
    assert text.inner_text() == "written at 400\nin two lines"
    slider.focus()
    for key, step in (("Home", 0), ("ArrowRight", 100), ("ArrowRight", 200), ("ArrowLeft", 100), ("End", 400)):
        before = page.locator("#dynamics").bounding_box()
        page.keyboard.press(key)
        assert text.inner_text() == f"written at {step}\nin two lines"
        assert slider.get_attribute("aria-valuetext") == f"step {step}"
        row = rows[step // 10]
        assert f"step {step} " in page.locator("#loss .status").inner_text()
        assert f"validation {row['val_loss']:.4f} nats per token" in page.locator("#loss .status").inner_text()
        assert page.get_by_label("evaluation", exact=True).input_value() == str(step // 100)
        assert page.locator("#dynamics").bounding_box() == before, "nothing moves"


def test_what_is_pointed_at_is_read_out(open_run):
    rows = record()
    page = open_run(rows)
    box = page.locator("#loss .chart").bounding_box()
    left, width = box["x"] + 46, box["width"] - 58
    page.mouse.move(left + width * 233 / 400, box["y"] + 50)
    status = page.locator("#loss .status").inner_text()
    assert f"training {rows[23]['train_loss']:.4f} at step 230" in status
    assert f"step 200 (12.8\u00a0k tokens, 100 seconds): validation {rows[20]['val_loss']:.4f}" in status
    assert page.locator("pre.sample").inner_text().startswith("written at 200")
    page.mouse.move(5, 5)
    assert page.locator("#loss .status").inner_text() == status


def test_a_task_is_chosen_by_pointer_and_by_keyboard(open_run):
    rows = record()
    page = open_run(rows)
    loss, right = page.locator("#references .chart").all()

    def expect(task: str, name: str) -> None:
        assert page.locator(".tasks [aria-pressed=true]").all_inner_texts() == [name]
        for chart, key in ((loss, "loss"), (right, "accuracy")):
            assert chart.locator(".line.chosen").get_attribute("data-name") == name
            assert drawn(chart.locator(".line.chosen")) == close(evaluations(rows, f"referential/{task}/{key}"))
            assert chart.locator(".line.other").count() == 1
        assert float(loss.locator(".rule.half").get_attribute("data-y")) == pytest.approx(LN2)
        assert page.locator("#references .status").inner_text().startswith(f"step 400, {name}: loss ")

    expect("cue", "cue")  # the one that took longest
    page.get_by_role("button", name="verb bias").click()
    expect("verb_bias", "verb bias")
    page.get_by_role("button", name="cue").focus()
    page.keyboard.press("Enter")
    expect("cue", "cue")


def test_the_list_of_tasks_has_the_numbers_of_the_step(open_run):
    rows = record()
    page = open_run(rows)
    page.get_by_label("evaluation", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    cells = [row.locator("th, td").all_inner_texts() for row in page.locator(".tasks tbody tr").all()]
    row = rows[30]
    for shown, task, since in zip(cells, ("cue", "verb_bias"), ("step 400", "step 300"), strict=True):
        assert shown[1] == f"{row[f'referential/{task}/loss']:.3f}"
        assert shown[2] == f"{100 * row[f'referential/{task}/accuracy']:.0f}\u00a0%"
        assert shown[3] == since


def test_hostile_text_is_shown_as_text(open_run, tmp_path):
    rows = record()
    rows[-1]["sample"] = HOSTILE
    rows[-1] |= {key.replace("cue", "<b>cue"): value for key, value in references(1.0).items()}
    page = open_run(rows)
    assert page.locator("pre.sample").inner_text() == HOSTILE
    assert page.locator("main img, main b").count() == 0
    assert page.get_by_role("button", name="<b>cue").is_visible()
    page.get_by_role("button", name="<b>cue").click()


def test_long_samples_are_cut_and_say_so(open_run):
    rows = record()
    rows[-1]["sample"] = "a\nb" * 1_000
    page = open_run(rows)
    assert page.locator("#samples .status").inner_text() == "step 400; the first 2,000 of 3,000 characters"
    assert len(page.locator("pre.sample").text_content()) == 2_000
    page.get_by_label("sample", exact=True).focus()
    before = page.locator("#dynamics").bounding_box()
    page.keyboard.press("Home")
    assert page.locator("pre.sample").inner_text() == "written at 0\nin two lines"
    assert page.locator("#dynamics").bounding_box() == before, "nothing moves"


@pytest.mark.parametrize(("n", "cut"), [(1_500, ""), (2_500, "; the first 2,000 of 2,500 characters")])
def test_characters_of_a_sample_are_counted_as_training_counts_them(open_run, n, cut):
    rows = record()
    rows[-1]["sample"] = "😀" * n
    assert open_run(rows).locator("#samples .status").inner_text() == f"step 400{cut}"


def test_a_sample_from_right_to_left_begins_on_the_right(open_run):
    rows = record()
    rows[-1]["sample"] = "שלום abc"
    sample = open_run(rows).locator("pre.sample")
    assert sample.evaluate("pre => pre.matches(':dir(rtl)')")


def test_a_stretch_without_a_point_can_be_pointed_at(open_run):
    """Bits per byte are known at evaluations alone, and none is in the last tenth."""
    rows = record(last=390)
    page = open_run(rows)
    page.get_by_label("Measured in").select_option("bits per byte")
    page.get_by_label("Shown").select_option("the last tenth")
    assert page.locator("#loss .chart circle").count() == 0
    page.locator("#loss .chart").hover()
    page.wait_for_timeout(100)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(open_run, scheme):
    rows = record(looks=True)
    rows[-1]["sample"] = "x" * 500
    for split in ("report", "templates", "gaps", "unseen_names", "new_role"):
        rows[-1] |= references(1.0, split)
    page = open_run(rows, width=390, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)") == (
        scheme == "light"
    )


def test_a_run_that_has_just_begun(open_run):
    page = open_run(record(last=0))
    assert (
        page.locator("h1").inner_text() == "Step 0 of 400: validation loss 6.0000 nats per token, 2.0000 bits per byte"
    )
    assert drawn(page.locator("#loss .chart .line.chosen")) == [6.0]
    assert page.locator("#loss .chart .line.second path").get_attribute("d") == ""
    assert page.get_by_label("sample", exact=True).is_disabled()
    assert page.locator("pre.sample").inner_text().startswith("written at 0")
    assert "NaN" not in page.content()


def test_plain_text_has_losses_and_samples_alone(open_run):
    page = open_run(record(plain=True))
    ids = page.locator("main section").evaluate_all("sections => sections.map(section => section.id)")
    assert ids == ["loss", "samples", "settings"]


def test_losses_that_are_no_numbers_leave_a_gap(open_run):
    rows = record()
    rows[20] |= {"val_loss": None, "val_bpb": None, "referential/cue/loss": None}
    rows[7]["train_loss"] = None
    page = open_run(rows)
    assert len(drawn(page.locator("#loss .chart .line.chosen"))) == 4
    page.get_by_label("evaluation", exact=True).focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    assert "validation not finite" in page.locator("#loss .status").inner_text()
    assert page.locator(".tasks tbody td").first.inner_text() == "–"
    assert "NaN" not in page.content()


def test_a_run_without_any_finite_loss_still_has_a_page(open_run):
    rows = [
        {"step": step, "tokens": step, **evaluation(step, 1.0), "val_loss": None, "val_bpb": None} for step in (0, 5)
    ]
    page = open_run(rows)
    assert page.locator("h1").inner_text() == "Step 5 of 400: the validation loss is not finite"
    assert "NaN" not in page.content()


def test_training_dynamics_are_what_training_saw(open_run):
    page = open_run(record(looks=True))
    assert drawn(page.locator("#dynamics .chart .line.chosen").first) == [0, 0.2, 0.4, 0.6, 0.8]
    assert "Quick probes of every task during training" in page.locator("#dynamics .what").inner_text()
    assert "step 400, 25.6\u00a0k tokens, cue: right 80\u00a0%" in page.locator("#dynamics .status").inner_text()


def test_what_dynamics_could_not_measure_leaves_a_gap(open_run):
    rows = record(looks=True)
    for row in (rows[20], rows[-1]):
        row["probe/cue/resample_ablation_drop"] = None
    page = open_run(rows)
    assert "cue was not measured" in page.locator("#dynamics .status").inner_text()
    assert "NaN" not in page.content()


def test_dynamics_that_probing_recorded_stand_in(open_run):
    look = {"model_accuracy": 0.5, "head": "1.0", "choice_accuracy": 0.5, "mass": 0.2, "resample_ablation_drop": 1.0}
    moments = [{"step": step, "tokens": 9 * step, "tasks": {"cue": look | {"mass": step / 10}}} for step in (0, 1, 2)]
    page = open_run(record(), heads={"dynamics": moments})
    assert page.locator("#dynamics .chart .line.chosen").first.locator("circle").count() == 3
    assert "snapshots" in page.locator("#dynamics .what").inner_text()


def test_without_dynamics_it_says_how_to_get_one(open_run):
    assert "dynamics=true" in open_run(record()).locator("#dynamics").inner_text()


def test_generalisation_is_not_told_of_before_the_end(open_run):
    rows = record()
    assert open_run(rows[:-1]).locator("#generalisation").count() == 0


def test_generalisation_has_a_number_for_each_split(open_run):
    rows = record()
    rows[-1] |= references(0.5, "report") | references(1.0, "templates") | references(3.0, "unseen_names")
    cells = open_run(rows).locator("#generalisation tbody tr").first.locator("th, td").all_inner_texts()
    assert cells == ["cue", "66.7\u00a0%", "0.500", "0.69", "50.0\u00a0%", "–", "25.0\u00a0%", "–"]


def test_nothing_moves_while_it_is_drawn(open_run):
    page = open_run(record(looks=True))
    shift = """() => new Promise(done => {
        new PerformanceObserver(list => done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0)))
            .observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => done(0), 100);
    })"""
    assert page.evaluate(shift) == 0


def test_settings_are_those_of_the_run(open_run, tmp_path):
    page = open_run(record())
    page.click("#settings summary")
    assert page.locator("pre.config").text_content() == (Path(tmp_path) / "a run" / "config.yaml").read_text()


def test_what_heads_cost_in_a_text_is_no_task_of_the_dynamics():
    row = {"step": 1, "tokens": 64, "probe/cue/mass": 0.5, "probe/text/0.1/nats": 0.1, "probe_seconds": 1.0}
    assert moment_of(row, "tasks")["tasks"] == {"cue": {"mass": 0.5}}
    assert moment_of(row, "heads")["heads"] == {"0.1": {"nats": 0.1}}


def of_text(step: int) -> dict:
    """What quick probes say of two heads in a text."""
    costs = {"0.0": step / 1_000, "0.1": step / 500}
    values = {head: {"nats": cost, "kind": "line_end", "kind_nats": 3 * cost} for head, cost in costs.items()}
    return {f"probe/text/{head}/{name}": value for head, own in values.items() for name, value in own.items()} | {
        "probe_seconds": 0.5
    }


def test_what_heads_cost_in_a_text_is_drawn_as_training_saw_it(open_run):
    rows = record(plain=True)
    for row in rows[::10]:
        row |= of_text(row["step"])
    page = open_run(rows)
    assert "Quick probes during training, in validation text" in page.locator("#text-dynamics .what").inner_text()
    assert page.locator("#dynamics").count() == 0, "there are no tasks"
    chosen = page.locator("#text-dynamics .chart").first.locator(".line.chosen")
    assert drawn(chosen) == close([0, 0.2, 0.4, 0.6, 0.8])
    page.get_by_label("Head to follow").select_option("0.0")
    assert drawn(chosen) == close([0, 0.1, 0.2, 0.3, 0.4])
    status = page.locator("#text-dynamics .status").inner_text()
    assert status.endswith("head 0.0: without it 0.400 nats per token more; most on line ends, 1.20")
    assert (
        "At step 400 the loss grows most without head 0.1: by 0.800 nats per token"
        in page.locator(".lead").inner_text()
    )


def test_what_heads_cost_at_snapshots_stands_in_and_names_its_text(open_run):
    costs = {"0.0": {"nats": 0.1, "kind": None, "kind_nats": None}}
    moments = [{"step": step, "tokens": 9 * step, "heads": costs} for step in (0, 1, 2)]
    heads = {"text": {"dynamics": moments, "source": {"text_file": "<b>.txt"}}}
    page = open_run(record(plain=True), heads=heads)
    assert "at the snapshots of the run, in <b>.txt, " in page.locator("#text-dynamics .what").inner_text()
    assert (
        page.locator("#text-dynamics .status").inner_text().endswith("head 0.0: without it 0.100 nats per token more")
    )
