"""What articles claim: tables and pictures come out of probes, and go into the document."""

import copy
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import toys
from networks import loud_model
from toy_report import toy_sentences

from common.errors import InputError
from common.markdown import Table
from data.stories import TASKS
from experiments import runs
from experiments.articles import __main__ as command
from experiments.articles import (
    attention_types,
    causality,
    claim,
    doc,
    explanations,
    heads,
    pronouns,
    role_maps,
    sense,
    sentences,
)
from experiments.articles.__main__ import CLAIMS
from model import GPTConfig
from probing import probe, to_json
from probing.findings import Role
from report.colours import MATTERS

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def toy_heads() -> dict:
    """heads.json as of a model that resolves every task with the same head, from toys that can be known."""
    reported = to_json(
        probe(toys.hand_set_model(), toys.TOKENIZER, *(toys.toy_cases(s, 60) for s in ("select", "report")))
    )
    task = reported["tasks"]["agreement"]
    cued = copy.deepcopy(task)  # counterfactuals of which nobody can know at the pronoun
    cued["by_site"]["sites"] = ["P-1", "P", "C", "A-1", "A"]
    for values, unknown in ((cued["by_site"]["choice_accuracy"], 0.5), (cued["by_site"]["ci"], [0.4, 0.6])):
        for head, (_, _, predicting, answer) in values.items():
            values[head] = [unknown, unknown, unknown, predicting, answer]
    tasks = {name: cued if name in causality.AFTER else task for name in TASKS}
    return json.loads(json.dumps(reported | {"tasks": tasks}))


def test_a_table_is_markdown_whatever_stands_in_it():
    assert Table(("a", "b"), [["x|y", "z"]]).markdown() == "| a | b |\n| --- | --- |\n| x/y | z |"


def test_pairs_of_senses_are_drawn(story_tokenizer, tmp_path, monkeypatch):
    model = loud_model(GPTConfig(story_tokenizer.vocab_size, block_size=64, n_layer=2, n_head=2, n_embd=32))
    monkeypatch.setattr(sense, "load_model", lambda *_: (model, story_tokenizer, {}))
    drawn = []
    monkeypatch.setattr(sense, "draw_parts", lambda parts, path: drawn.extend(parts))
    sense.draw(
        tmp_path, {"head": "1.0", "site": "A-1", "choice_accuracy": 0.9, "ci": (0.8, 1.0)}, 0, tmp_path / "a.png"
    )
    assert [len(stories) for _, stories in drawn] == [0, 2, 2, 2]
    texts = [[" ".join(word.text for word in story) for story in pair] for _, pair in drawn[1:]]
    assert all(one != other for one, other in texts)


def test_tables_and_pictures_come_out_of_what_a_probe_writes(toy_heads, tmp_path, monkeypatch):
    both, setup = [toy_heads, toy_heads], runs.Setup(tmp_path, (0, 1), pictures=tmp_path)
    monkeypatch.setattr(pronouns, "default_heads", lambda setup: both)
    monkeypatch.setattr(explanations, "default_heads", lambda setup: both)
    monkeypatch.setattr(causality, "default_heads", lambda setup: both)
    monkeypatch.setattr(causality, "default_runs", lambda setup: [tmp_path, tmp_path])
    monkeypatch.setattr(causality, "leak_of", lambda run, seed: (0.0, 1.0))
    verdicts = {}
    for module in (pronouns, explanations, causality):
        result = module.run(setup)
        verdicts[module.CLAIM.name] = result.verdict
        json.dumps(result.numbers)
        assert doc.section(module.CLAIM, result).startswith(f"**{result.sentence}.**\n\n![{module.CLAIM.says}](")
        assert all(len(row) == len(table.columns) for table in result.tables for row in table.rows)
        assert all(picture.read_bytes().startswith(PNG) for picture in result.pictures)
    assert verdicts == {"pronouns": "holds", "explanations": "holds", "causality": "does not hold"}


def test_sentences_are_judged_by_answer_head_and_swap(toy_heads, monkeypatch):
    shown, unresolved = toy_sentences()

    def judged(*seeds: list[dict]) -> claim.Result:
        reported = [toy_heads | {"sentences": own} for own in seeds]
        monkeypatch.setattr(sentences, "default_heads", lambda setup: reported)
        return sentences.run(runs.Setup(Path()))

    result = judged([shown], [shown])
    assert (result.verdict, result.number[:35]) == ("holds", "of 2 sentences and seeds: 2 right, ")
    ((columns, rows),) = ((table.columns, table.rows) for table in result.tables)
    assert rows == [
        [
            f"{shown['text']} → cat",
            "91.2, 91.2",
            "1.0 A-1, 1.0 A-1",
            "81, 81",
            "3, 3",
            "4.5, 4.5",
            "-3.2, -3.2",
            "mat, mat",
        ]
    ]
    assert len(columns) == len(rows[0])
    assert judged([shown, unresolved]).verdict == "holds in part"
    assert judged([shown, unresolved]).tables[0].rows[1][1:4] == ["2.0 (<b>dog</b>)", "none", "none"]
    look = shown["look"]
    for spoiled in (
        shown | {"answer": "rat"},
        shown | {"look": look | {"distractor": 0.9}},
        shown | {"look": look | {"swap": look["swap"] | {"log_odds": 0.1}}},
        shown | {"look": look | {"swap": None}},
    ):
        assert judged([spoiled]).verdict == "does not hold"
    with pytest.raises(InputError, match="has no sentences of articles; delete it"):
        judged([])


def test_a_head_that_knows_before_the_cue_would_be_said(toy_heads, tmp_path, monkeypatch):
    reported = copy.deepcopy(toy_heads)
    reported["tasks"]["cue"]["by_site"]["choice_accuracy"]["1.0"][1] = 0.75
    monkeypatch.setattr(causality, "default_heads", lambda setup: [reported])
    monkeypatch.setattr(causality, "default_runs", lambda setup: [tmp_path])
    monkeypatch.setattr(causality, "leak_of", lambda run, seed: (0.0, 1.0))
    result = causality.run(runs.Setup(tmp_path, (0,), pictures=tmp_path))
    assert result.verdict == "holds in part"
    assert "are right in 50.0 to 75.0 %, which cannot be and is a bug" in result.because


def test_runs_are_measured_by_their_heads(toy_heads, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "val_loss": 9.0}\n{"step": 3, "val_loss": 1.5}\n')
    four = heads.measure(toy_heads, tmp_path)
    assert four["tasks resolved"] == len(TASKS)
    assert (four["val loss"], four["leaders"], four["led"], four["sole"]) == (1.5, 1, len(TASKS), len(TASKS))
    (tmp_path / "config.yaml").write_text("data: {tasks: [cue, recall]}")
    reported = attention_types.measure(toy_heads, tmp_path)
    assert (reported["trained"], reported["resolved"], reported["unseen"]) == (2, 2, 0)
    tables = (
        attention_types.summary_table({"F": [reported, reported]}),
        attention_types.roles_table({"F": [reported, reported]}),
    )
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


def test_role_maps_of_any_size_are_drawn(monkeypatch):
    """Every role of every head has its bar and its attention_types, and all of it lies inside the picture."""
    monkeypatch.setattr(role_maps, "save", lambda figure, _: [figure])
    role = Role("pronoun", 1.0, 0.9, True)
    own = Role("my own", 0.9, 0.5, False)
    rows = [[("one", [[[role]]]), ("two", [[[], [role, own]], [[own] * 5, []]])], [("none", [[[]]])]]
    (figure,) = role_maps.draw_role_maps(rows, "a title", Path("maps.png"))
    (axes,) = figure.axes
    written = Counter(text.get_text() for text in axes.texts)
    assert {"a title", "one", "two", "none", "pronoun", "my own"} <= written.keys()
    assert (written[f"pr {MATTERS}"], written["pr"], written["mo"]) == (2, 1, 6 + 1), "in the maps, and in the legend"
    corners = [corner for bar in axes.patches for corner in (bar.get_xy(), bar.get_corners()[2])]
    assert all(0 <= x <= axes.get_xlim()[1] and 0 <= y <= axes.get_ylim()[0] for x, y in corners)


def test_without_a_claim_all_are_listed(capsys):
    command.main([])
    said = capsys.readouterr().out
    assert all(name in said for name in CLAIMS)
    with pytest.raises(SystemExit):
        command.main(["nothing"])


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_has_its_place_in_the_document(name):
    text = (runs.ROOT / "docs" / "articles.md").read_text()
    result = claim.Result("holds", "of this", "7", [Table(("n",), [["7"]])], {})
    after = doc.filled(text, CLAIMS[name], result)
    assert "**Holds, because of this.**" in after
    assert f"| [{name}](#{name}) | {CLAIMS[name].says} | holds | 7 |" in after
    assert after.count("\n## ") == text.count("\n## ")
    assert f"\n## {name}\n" in after


def test_a_claim_leaves_its_numbers_and_says_its_verdict(tmp_path, monkeypatch, capsys):
    picture = tmp_path / "pictures" / "mine.png"

    def run(setup: runs.Setup) -> claim.Result:
        assert setup.seeds == (0, 5)
        return claim.Result("holds", "1 > 0", "1", [Table(("n",), [["1"]])], {"n": 1}, [picture])

    monkeypatch.setitem(CLAIMS, "mine", claim.Claim("mine", "One is more.", 1, run))
    document = tmp_path / "articles.md"
    document.write_text("| [mine](#mine) | old | old |\n\nKept.\n<!-- mine -->\nTODO\n<!-- /mine -->\n")
    places = ["--folder", str(tmp_path / "f"), "--pictures", str(picture.parent), "--doc", str(document)]
    command.main(["mine", *places, "--seeds", "0", "5"])
    said = capsys.readouterr().out
    assert said.endswith("\n\n    python -m experiments.articles mine --seeds 0 5\n")
    assert said.startswith("**Holds, because 1 > 0.**\n\n![One is more.](pictures/mine.png)\n\n| n |")
    assert (
        document.read_text()
        == f"| [mine](#mine) | One is more. | holds | 1 |\n\nKept.\n<!-- mine -->\n{said}<!-- /mine -->\n"
    )
    record = json.loads((tmp_path / "f" / "mine.json").read_text())
    assert record == {
        "claim": "mine",
        "seeds": [0, 5],
        "verdict": "Holds, because 1 > 0",
        "number": "1",
        "numbers": {"n": 1},
    }
    assert Path(picture.parent).is_dir()


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (None, "No such file or directory; give a document such as docs/articles.md"),
        (b"\xe9", "not UTF-8; give"),
        (b"| [mine](#mine) |", "has no section for mine: it lacks <!-- mine --> and <!-- /mine -->"),
        (b"<!-- mine -->\n<!-- /mine -->", "has no section for mine: it lacks | [mine]("),
    ],
)
def test_a_document_that_cannot_be_filled_is_refused_before_anything_is_measured(
    tmp_path, monkeypatch, content, answer
):
    monkeypatch.setitem(CLAIMS, "mine", claim.Claim("mine", "One is more.", 1, lambda setup: pytest.fail("measured")))
    document = tmp_path / "mine.md"
    if content is not None:
        document.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"--doc {document}: {answer}")):
        command.main(["mine", "--folder", str(tmp_path / "new"), "--doc", str(document)])
    assert not (tmp_path / "new").exists()


def test_a_document_links_pictures_wherever_they_are():
    result = claim.Result("holds", "of this", "7", [], {}, [Path("pictures/of/mine.png")])
    assert "](../pictures/of/mine.png)" in doc.section(CLAIMS["sense"], result)
    assert "](mine.png)" in doc.section(CLAIMS["sense"], result, document=Path("pictures/of/found.md"))


def test_numbers_are_kept_if_the_document_is_gone_in_the_end(tmp_path, monkeypatch, capsys):
    document = tmp_path / "mine.md"
    document.write_text("| [mine](#mine) |\n<!-- mine -->\n<!-- /mine -->")

    def run(setup: runs.Setup) -> claim.Result:
        document.unlink()
        return claim.Result("holds", "1 > 0", "1", [], {})

    monkeypatch.setitem(CLAIMS, "mine", claim.Claim("mine", "One is more.", 1, run))
    places = ["--folder", str(tmp_path), "--pictures", str(tmp_path), "--doc", str(document)]
    with pytest.raises(InputError, match="No such file"):
        command.main(["mine", *places])
    assert "Holds, because 1 > 0" in capsys.readouterr().out
    assert json.loads((tmp_path / "mine.json").read_text())["number"] == "1"
