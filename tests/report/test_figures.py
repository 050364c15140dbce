"""Pictures say what was measured, in any format, whatever a task is called, and leave nothing of an earlier time."""

import re
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pytest
import toys
from matplotlib.figure import Figure
from records import record

from data.text.tokenizers import train_bpe
from probing import Findings
from probing.findings import Role
from probing.negative_control import NegativeControl
from probing.splits import Split, TaskCases
from probing.tasks import TaskResult, measure_task
from probing.untrained import measure_untrained
from report.colours import INK, ROLE_COLOURS, contrast, rgb
from report.figures import remove_figures
from report.figures.canvas import FORMATS, drawing
from report.figures.curves import draw_curves
from report.figures.dynamics import draw_dynamics
from report.figures.role_map import draw_role_map, fill_of
from report.figures.sites import draw_panel, draw_sites
from report.figures.stories import MARGIN, SPACE, WIDTH, draw_stories, lay_out
from report.pages import percent

HOSTILE = "_$\\frac{x}$\nשלום \U0001fae0中\x1b[31m <b>&\x00\u202e"


@pytest.fixture(scope="module")
def result() -> TaskResult:
    """The toy task, on which the hand-set model is right in every case."""
    task = TaskCases(*(Split(toys.encoded(split, 20)) for split in ("select", "report")))
    model = toys.hand_set_model()
    untrained = measure_untrained(model, {"agreement": task}, seed=0)["agreement"]
    return measure_task(model, *task, untrained, seed=0)


@pytest.fixture(scope="module")
def found(result) -> Findings:
    return Findings(toys.hand_set_model(), {}, [result], (), None, None)


def dynamics(task: str) -> list[dict]:
    values = {"head": "1.0", "model_accuracy": 0.5, "choice_accuracy": 0.5, "resample_ablation_drop": 0.0}
    return [{"step": i, "tokens": 100 * i, "tasks": {task: values}} for i in range(3)]


def draw_all(found: Findings, folder: Path, suffix: str) -> list[Path]:
    return [
        *draw_role_map(found, folder / f"role_map.{suffix}"),
        *draw_stories(found, toys.TOKENIZER, folder / f"stories.{suffix}"),
        *draw_sites(found, folder / f"sites.{suffix}"),
        *draw_dynamics(dynamics(found.tasks[0].name), folder / f"dynamics.{suffix}"),
    ]


def texts_of(path: Path) -> list[str]:
    """The texts of an SVG file that can be searched and copied."""
    nodes = minidom.parse(str(path)).getElementsByTagName("text")
    return ["".join(child.data for child in node.childNodes if child.nodeType == child.TEXT_NODE) for node in nodes]


def test_a_panel_has_every_head_and_the_chosen_one_with_its_interval(result, monkeypatch):
    monkeypatch.setattr("report.figures.sites.negative_control_at", lambda _: None)
    axes = Figure().add_subplot()
    draw_panel(axes, result, list(result.heads.sites))
    thick = [line for line in axes.lines if line.get_linewidth() > 2]
    accuracy = result.heads.accuracy()
    assert [line.get_ydata().tolist() for line in thick] == [accuracy[:, result.heads.names.index("1.0")].tolist()]
    thin = [line.get_ydata().tolist() for line in axes.lines if line.get_color() == "#BDBDBD"]
    assert thin == accuracy.T.tolist()
    (dotted,) = (line for line in axes.lines if line.get_linestyle() == ":")
    assert set(dotted.get_ydata()) == {result.best_baseline[1].accuracy}
    (bars,) = axes.collections
    at = result.heads.sites.index(result.quotes["1.0"].site)
    assert bars.get_segments()[at][:, 1].tolist() == pytest.approx(result.quotes["1.0"].ci)
    assert any(set(np.ravel(line.get_ydata())) == {0.5} for line in axes.lines if len(line.get_ydata()) == 2)


@pytest.mark.parametrize(("n", "shape"), [(1, (1, 1)), (5, (2, 4)), (8, (2, 4)), (11, (3, 4))])
def test_there_are_as_many_panels_as_tasks(found, result, monkeypatch, tmp_path, n, shape):
    monkeypatch.setattr("report.figures.sites.save", lambda figure, _: [figure])
    (figure,) = draw_sites(replace(found, tasks=[result] * n), tmp_path / "sites.png")
    assert len(figure.axes) == n
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == shape


def test_the_negative_control_stands_at_the_pronoun_where_there_is_one(result, monkeypatch):
    def diamonds() -> list[tuple[list, list]]:
        axes = Figure().add_subplot()
        draw_panel(axes, result, list(result.heads.sites))
        return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines if line.get_marker() == "D"]

    assert diamonds() == [], "counterfactuals that differ at the pronoun itself"
    monkeypatch.setattr("report.figures.sites.negative_control_at", lambda _: NegativeControl(0.75, 40))
    assert diamonds() == [([result.heads.sites.index("P")], [0.75])]


@pytest.mark.parametrize("role", [*ROLE_COLOURS, "a task of one's own"])
def test_a_role_can_be_read_at_every_strength(role):
    fills = [fill_of(Role(role, 1.0, strength / 20, True)) for strength in range(-1, 22)]
    assert min(contrast(rgb(INK), fill) for fill in fills) >= 4.5


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_findings_are_the_same_files_without_a_date(found, tmp_path, suffix):
    (one,), (other,) = (draw_sites(found, tmp_path / f"{name}.{suffix}") for name in ("one", "other"))
    content = one.read_bytes()
    assert content == other.read_bytes()
    assert b"CreationDate" not in content
    assert b"dc:date" not in content


def test_text_stays_text_in_formats_that_scale(found, tmp_path):
    texts = texts_of(draw_sites(found, tmp_path / "sites.svg")[0])
    assert {"agreement", f"head 1.0, {percent(1, 1)} at A-1"} <= set(texts)
    assert any(re.fullmatch(r"baseline: \w+, [\d.]+\s%", text) for text in texts)
    (pdf,) = draw_sites(found, tmp_path / "sites.pdf")
    assert b"/FontFile2" in pdf.read_bytes(), "a font with its letters, not their outlines"


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_name_and_no_word_breaks_a_picture(found, tmp_path, suffix):
    (result,) = found.tasks
    words = tuple(toys.TOKENIZER.encode("$\\\x1b").tolist())
    split = Split([replace(case, tokens=(*case.tokens, *words)) for case in result.cases])
    hostile = replace(found, tasks=[replace(result, name=HOSTILE, split=split)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = draw_all(hostile, tmp_path, suffix)
    if suffix == "svg":
        shown = " $\\frac{x}$↵שלום \U0001fae0中␛[31m <b>&␀\\u202e"
        for path in paths:
            assert shown.replace(" ", "") in "".join(texts_of(path)).replace(" ", ""), path  # names may be wrapped
        assert {"$", "\\", "␛"} <= set(texts_of(tmp_path / "stories.svg"))


def test_a_long_story_goes_on_in_the_next_line(found):
    (result,) = found.tasks
    case = min(result.cases, key=lambda case: len(case.tokens))
    dots = tuple(toys.TOKENIZER.encode("word " * 4).tolist())
    longer = replace(case, tokens=(*case.tokens, *dots[: toys.BLOCK - len(case.tokens)]))
    with drawing():
        (short,) = {word.line for word in lay_out(found.model, toys.TOKENIZER, longer, result.quotes["1.0"])}
    assert short == 0
    with drawing(**{"font.size": 10}), pytest.MonkeyPatch.context() as patch:
        patch.setattr("report.figures.stories.WIDTH", 1.0)
        words = lay_out(found.model, toys.TOKENIZER, longer, result.quotes["1.0"])
    assert {word.line for word in words} > {0, 1}
    assert all(word.x >= MARGIN and word.x + word.width < 1.0 for word in words)
    assert WIDTH > 1


def test_between_words_there_is_room_and_before_a_full_stop_there_is_none(found, monkeypatch):
    (result,) = found.tasks
    tokenizer = train_bpe(["Tom met Anna. Tom met"] * 3, 270)
    tokens = (tokenizer.end, *tokenizer.encode("Tom met Anna. Tom met").tolist())
    case = replace(result.cases[0], tokens=tokens, gold=(), sites={"A-1": 1})
    monkeypatch.setattr("report.figures.stories.attention_row", lambda *_: [0.0] * len(tokens))
    with drawing():
        words = lay_out(found.model, tokenizer, case, result.quotes["1.0"])
    gaps = {f"{word.text}|{following.text}": following.x - word.x - word.width for word, following in pairwise(words)}
    assert gaps == pytest.approx({"Tom|met": SPACE, "met|Anna": SPACE, "Anna|.": 0, ".|Tom": SPACE})
    assert [word.text_x > word.x for word in words] == [word.text != "." for word in words]


def test_a_story_begins_with_its_first_token_unless_that_is_an_end_token(found):
    (result,) = found.tasks
    case = result.cases[0]
    bare = replace(case, tokens=case.tokens[1:], gold=(), sites={"A-1": 1})
    with drawing():
        whole, other = (lay_out(found.model, toys.TOKENIZER, one, result.quotes["1.0"]) for one in (case, bare))
    assert [word.text for word in whole] == [word.text for word in other] != []


def test_pictures_of_an_earlier_time_go_whatever_their_format(tmp_path):
    for name in ("sites.svg", "role_map.png", "dynamics.pdf", "stories.png", "film.png", "mine.png", "heads.json"):
        (tmp_path / name).touch()
    remove_figures(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.png", "heads.json"}


def test_there_is_no_figure_of_what_nobody_measured(found, tmp_path):
    (result,) = found.tasks
    unresolved = replace(found, tasks=[replace(result, behaviour=replace(result.behaviour, ci=(0.4, 0.6)))])
    assert draw_stories(unresolved, toys.TOKENIZER, tmp_path / "stories.png") == []
    assert draw_sites(unresolved, tmp_path / "sites.png") == []
    assert draw_dynamics(dynamics("cue")[:1], tmp_path / "dynamics.png") == []
    assert draw_curves([row for row in record() if row["step"] == 0], tmp_path / "curves.png") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("plain", [True, False])
def test_curves_are_the_losses_and_on_stories_the_right_answers_of_each_task(tmp_path, plain):
    (path,) = draw_curves(record(plain=plain), tmp_path / "curves.svg")
    texts = set(texts_of(path))
    assert {"training, one batch", "validation, all of it"} <= texts
    assert ({"cue", "verb_bias", "right answers"} <= texts) != plain


def test_a_loss_of_nothing_is_drawn_without_a_warning(tmp_path):
    rows = [row | {key: 0.0 for key in row if "loss" in key} for row in record(plain=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_curves(rows, tmp_path / "curves.png")
