"""What articles claim: runs are trained once, verdicts follow from numbers, tables and pictures come out."""

import copy
import json
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import toys
from networks import loud_model
from toy_report import toy_sentences

from common.errors import InputError
from data import encode_case
from data.stories import TASKS, cases
from data.text.tokenizers import byte_tokenizer
from experiments import runs, tables
from experiments.articles import __main__ as command
from experiments.articles import (
    attention_types,
    causality,
    claim,
    doc,
    explanations,
    found,
    heads,
    pronouns,
    role_maps,
    sense,
    sentences,
    translation,
)
from experiments.articles.__main__ import CLAIMS
from model import GPTConfig
from probing import probe, to_json
from probing.alignment import linked_texts
from probing.findings import Role
from report.colours import MATTERS
from storage.weights import save_run

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def toy_found() -> dict:
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


def test_intervals_over_seeds_are_students():
    assert claim.t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)
    assert claim.t_interval([0.5]) == (0.5, 0.5)
    assert claim.over_seeds([1.0, 2.0, 3.0]) == "2.00 (-0.48 to 4.48; 1.00, 2.00, 3.00)"
    assert claim.share_over_seeds([1.0, 0.98]) == "99.0 % (86.3 to 100.0; 100.0, 98.0)"
    assert claim.share_over_seeds([0.98]) == "98.0 %"


def test_equal_numbers_get_no_interval():
    assert claim.share_over_seeds([1.0, 1.0, 1.0]) == "100.0 % in each of 3 seeds"
    assert claim.over_seeds([7, 7], str) == "7 in each of 2 seeds"


def test_a_table_is_markdown_whatever_stands_in_it():
    assert tables.Table(("a", "b"), [["x|y", "z"]]).markdown() == "| a | b |\n| --- | --- |\n| x/y | z |"


def test_a_claim_holds_wholly_in_part_or_not():
    assert [found.judge(outcomes) for outcomes in ([True, True], [True, False], [False, False])] == [
        "holds",
        "holds in part",
        "does not hold",
    ]
    assert translation.judge_alignment([0.1, 0.4], [0.9, 0.9]) == "holds"
    assert translation.judge_alignment([0.1, 0.6], [0.9, 0.9]) == "holds in part"
    assert translation.judge_alignment([0.1, 0.9], [0.9, 0.8]) == "does not hold"
    weights_tell, weights_do_not = dict.fromkeys(explanations.EFFECTS, 0.8), dict.fromkeys(explanations.EFFECTS, 0.1)
    assert explanations.judge_weights(weights_tell) == "does not hold"
    assert explanations.judge_weights(weights_do_not) == "holds"


@pytest.mark.parametrize(
    ("leaders", "few", "verdict"), [(2, 10, "holds"), (2, 11, "holds in part"), (1, 11, "does not hold")]
)
def test_several_heads_are_needed_where_one_resolves_less(leaders, few, verdict):
    four = [{"leaders": leaders, "tasks resolved": 12}, {"leaders": leaders, "tasks resolved": 11}]
    assert heads.judge_heads(four, [{"tasks resolved": few + 1}, {"tasks resolved": few}]) == verdict


def test_ranks_share_places_where_values_are_equal():
    assert explanations.spearman([1, 2, 3], [10, 200, 3000]) == pytest.approx(1)
    assert explanations.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert explanations.spearman([1, 1, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9487, abs=1e-4)  # scipy.stats.spearmanr
    assert explanations.spearman([1, 2], [5, 5]) == 0


def point(mass: float, cost: float, layer: int = -1, **more) -> dict:
    usual = {"seed": 0, "task": "cue", "head": "0.0", "site": "A-1", "mass": mass, "layer": layer, "looks": False}
    return usual | dict.fromkeys(explanations.EFFECTS, cost) | more


def test_heads_are_ranked_within_their_task_and_layer():
    points = [point(0.1, 1, -2), point(0.2, 2, -2), point(0.8, 9), point(0.9, 8)]
    points += [point(p["mass"], -p["weight_swap"], p["layer"], task="roles") for p in points]
    assert explanations.within_tasks(points, "weight_swap") == {
        (0, "cue"): pytest.approx(0.8),
        (0, "roles"): pytest.approx(-0.8),
    }
    assert explanations.correlate(points, "weight_swap", None)[0] == pytest.approx(0)
    assert explanations.within_tasks([p for p in points if p["layer"] == -1], "weight_swap")[0, "cue"] == pytest.approx(
        -1
    )


def test_counter_examples_are_the_clearest_of_their_kind():
    idle, weak = point(0.4, 0.1), point(0.3, 0.0)
    nothing_reads_it, blind = point(0.6, 0.0, site="P"), point(0.01, 0.0, resample_ablation=9.0)
    looking = point(0.9, 10.0, looks=True)
    points = [weak, idle, nothing_reads_it, blind, looking]
    assert explanations.largest_idle(points) is idle
    assert explanations.busiest_blind(points) is blind


def test_an_alignment_is_wrong_where_the_largest_weight_is_not_on_the_linked_word():
    import numpy as np

    weights = np.array([[0.6, 0.1, 0.0], [0.5, 0.1, 0.2], [0.0, 0.1, 0.2]])
    assert translation.Matrix(weights, [(0, 1), (1, 3), (1, 3)]).error_rate == pytest.approx(1 / 3)


def test_patterns_of_a_translation_are_those_that_its_error_rate_is_of(story_tokenizer):
    model = loud_model(GPTConfig(story_tokenizer.vocab_size, block_size=64, n_layer=2, n_head=2, n_embd=32))
    (text, *_) = linked_texts(cases("report", 4, 0, ("translation",)), story_tokenizer, 64)
    before, own = (translation.patterns(model, text, site) for site in translation.SITES)
    assert before.shape == own.shape == (4, len(text.links), text.source[1] - text.source[0])
    assert not before.equal(own)
    assert len(translation.matrix(before[0], text).gold) == len(text.links)


def test_logits_of_counterfactuals_are_equal_until_they_differ(story_tokenizer):
    model = loud_model(GPTConfig(story_tokenizer.vocab_size, block_size=64, n_layer=2, n_head=2, n_embd=32))
    one, other = (encode_case(case, story_tokenizer) for case in cases("report", 2, 0, ("cue",)))
    before, after = causality.leaks(model, one, other)
    assert before == 0 < after


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


def test_tables_and_pictures_come_out_of_what_a_probe_writes(toy_found, tmp_path, monkeypatch):
    both, setup = [toy_found, toy_found], runs.Setup(tmp_path, (0, 1), pictures=tmp_path)
    monkeypatch.setattr(pronouns, "default_found", lambda setup: both)
    monkeypatch.setattr(explanations, "default_found", lambda setup: both)
    monkeypatch.setattr(causality, "default_found", lambda setup: both)
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


def test_sentences_are_judged_by_answer_head_and_swap(toy_found, monkeypatch):
    shown, unresolved = toy_sentences()

    def judged(*seeds: list[dict]) -> claim.Result:
        reported = [toy_found | {"sentences": own} for own in seeds]
        monkeypatch.setattr(sentences, "default_found", lambda setup: reported)
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


def test_a_head_that_knows_before_the_cue_would_be_said(toy_found, tmp_path, monkeypatch):
    reported = copy.deepcopy(toy_found)
    reported["tasks"]["cue"]["by_site"]["choice_accuracy"]["1.0"][1] = 0.75
    monkeypatch.setattr(causality, "default_found", lambda setup: [reported])
    monkeypatch.setattr(causality, "default_runs", lambda setup: [tmp_path])
    monkeypatch.setattr(causality, "leak_of", lambda run, seed: (0.0, 1.0))
    result = causality.run(runs.Setup(tmp_path, (0,), pictures=tmp_path))
    assert result.verdict == "holds in part"
    assert "are right in 50.0 to 75.0 %, which cannot be and is a bug" in result.because


def test_runs_are_measured_by_their_heads(toy_found, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "val_loss": 9.0}\n{"step": 3, "val_loss": 1.5}\n')
    four = heads.measure(toy_found, tmp_path)
    assert four["tasks resolved"] == len(TASKS)
    assert (four["val loss"], four["leaders"], four["led"], four["sole"]) == (1.5, 1, len(TASKS), len(TASKS))
    (tmp_path / "config.yaml").write_text("data: {tasks: [cue, recall]}")
    reported = attention_types.measure(toy_found, tmp_path)
    assert (reported["trained"], reported["resolved"], reported["unseen"]) == (2, 2, 0)
    tables = (
        attention_types.summary_table({"F": [reported, reported]}),
        attention_types.roles_table({"F": [reported, reported]}),
    )
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


def test_a_kind_of_attention_keeps_up_with_the_full_one_to_one_answer_in_a_hundred():
    assert attention_types.keep_up({"F": 99.0, "WWWF": 98.5, "WS": 97.0, "L": 99.9}) == [True, False, True]


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


# Runs


@pytest.fixture
def executed(monkeypatch) -> list[list[str]]:
    """The commands that would have been executed."""
    calls = []
    monkeypatch.setattr(runs, "execute", lambda what, command: calls.append([what, *command]))
    return calls


QUICK = ["data.n_train=300", "data.n_val=40", "tokens_per_step=256", "log_every=1", "eval_every=10", "max_steps=20"]
SMALL = ["model.block_size=64", "model.n_layer=2", "model.n_head=2", "model.n_embd=32", "checkpoint_every=10"]
EVERY = [*QUICK, *SMALL, f"data.tasks=[{','.join(TASKS)}]"]


def test_a_run_that_reached_its_end_is_not_trained_again(finished_run, executed):
    folder = finished_run.parent
    assert runs.train_all({"run": EVERY}, folder) == {"run": finished_run}
    assert executed == []


def test_missing_runs_are_begun_and_interrupted_ones_go_on(finished_run, executed, tmp_path):
    stopped, begun = tmp_path / "stopped", tmp_path / "begun"
    for run in (stopped, begun):
        run.mkdir()
        for name in ("config.yaml", "tokenizer.json"):
            (run / name).write_bytes((finished_run / name).read_bytes())
        (run / "checkpoints").mkdir()
    os.symlink(finished_run / "checkpoints" / "step_000010", stopped / "checkpoints" / "step_000010")
    runs.train_all({"new": EVERY, "stopped": EVERY, "begun": EVERY}, tmp_path, jobs=1)
    assert executed == [
        [f"training {name}", "train.py", f"run={tmp_path / name}", "resume=auto", *runs.QUIET, *EVERY]
        for name in ("new", "stopped", "begun")
    ]


def test_a_run_of_other_settings_is_not_taken_for_the_one_asked_for(finished_run, executed):
    with pytest.raises(InputError, match=r"was trained with max_steps=20 instead of 30, model.n_head=2 instead of 4"):
        runs.train_all({"run": [*EVERY, "max_steps=30", "model.n_head=4", "model.n_kv_head=2"]}, finished_run.parent)
    with pytest.raises(InputError, match=r"n_hed: there is no such key"):
        runs.train_all({"run": ["model.n_hed=3"]}, finished_run.parent)
    assert executed == []


ASKED = {"cases": None, "tasks": None, "n_cases": 400}


def test_heads_are_probed_where_they_are_missing_or_older_than_the_weights(finished_run, executed, tmp_path):
    run = tmp_path / "run"
    (run / "probe").mkdir(parents=True)
    (run / "config.yaml").write_text("seed: 7\n")
    os.symlink(finished_run / "checkpoints", run / "checkpoints")
    written = run / "probe" / "heads.json"
    heads = {"model": {"seed": 7, "checkpoint": "best", "asked": ASKED}, "roles": []}
    written.write_text(json.dumps(heads))
    assert runs.probe_all([run]) == [heads]
    assert executed == []
    os.utime(written, (0, 0))
    runs.probe_all([run])
    assert executed == [["probing run", "probe.py", f"run={run}", "seed=7"]]


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ({"seed": 0}, None),
        ({"checkpoint": "latest"}, None),
        ({"asked": ASKED | {"tasks": ["cue"]}}, None),
        ({"asked": ASKED | {"tasks": ["cue"]}}, ["agreement", "cue"]),
        ({}, ["cue"]),
        ({"asked": ASKED | {"cases": "mine.jsonl"}}, None),
        ({"asked": ASKED | {"n_cases": 20}}, None),
        ({"asked": None}, None),
    ],
)
def test_heads_that_were_probed_otherwise_are_probed_again(finished_run, executed, tmp_path, there, asked):
    run = tmp_path / "run"
    (run / "probe").mkdir(parents=True)
    (run / "config.yaml").write_text("seed: 7\n")
    os.symlink(finished_run / "checkpoints", run / "checkpoints")
    model = {"seed": 7, "checkpoint": "best", "asked": ASKED} | there
    (run / "probe" / "heads.json").write_text(json.dumps({"model": model}))
    runs.probe_all([run], tasks=asked)
    tasks = [] if asked is None else [f"tasks=[{','.join(asked)}]"]
    assert executed == [["probing run", "probe.py", f"run={run}", "seed=7", *tasks]]


@pytest.mark.parametrize("key", ["eval_every=5", "precision=bf16"])
def test_a_run_whose_numbers_would_be_others_is_not_taken_either(finished_run, executed, key):
    with pytest.raises(InputError, match=rf"was trained with {key.partition('=')[0]}=.* instead of"):
        runs.train_all({"run": [*EVERY, key]}, finished_run.parent)
    assert executed == []


@pytest.mark.parametrize(
    ("seeds", "jobs", "message"), [((0, 1, 0), 2, "--seeds 0 1 0: each once"), ((0, 1), 0, "--jobs 0: must be")]
)
def test_a_seed_counts_once_and_some_run_is_trained(tmp_path, seeds, jobs, message):
    with pytest.raises(InputError, match=message):
        runs.Setup(tmp_path, seeds, jobs)


def test_a_network_without_a_corpus_is_no_run_to_train_and_can_be_probed(executed, tmp_path):
    run = tmp_path / "run"
    save_run(run, loud_model(GPTConfig(257, block_size=16, n_layer=1, n_head=1, n_embd=8)), byte_tokenizer())
    with pytest.raises(InputError, match="run has no corpus and was not trained; delete it, or"):
        runs.train_all({"run": EVERY}, tmp_path)
    with pytest.raises(InputError, match="was not evaluated while it was trained"):
        runs.best_loss(run)
    with suppress(FileNotFoundError):  # of what is not executed here
        runs.probe_all([run])
    assert executed == [["probing run", "probe.py", f"run={run}", "seed=0"]]


def test_a_failed_command_says_how_it_ended(tmp_path):
    with pytest.raises(
        InputError, match=r"probing x failed \(python probe.py run=.*\): error: run=.*there is no such run"
    ):
        runs.execute("probing x", ["probe.py", f"run={tmp_path / 'none'}"])


def test_after_a_failure_nothing_more_is_begun():
    begun = []

    def work(name: str) -> None:
        begun.append(name)
        raise InputError(f"{name} failed")

    with pytest.raises(InputError, match="a failed"):
        runs.in_parallel(work, ["a", "b", "c", "d"], 1)
    assert begun == ["a"]


def test_without_a_claim_all_are_listed(capsys):
    command.main([])
    said = capsys.readouterr().out
    assert all(name in said for name in CLAIMS)
    with pytest.raises(SystemExit):
        command.main(["nothing"])


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_has_its_place_in_the_document(name):
    text = (runs.ROOT / "docs" / "articles.md").read_text()
    result = claim.Result("holds", "of this", "7", [tables.Table(("n",), [["7"]])], {})
    after = doc.filled(text, CLAIMS[name], result)
    assert "**Holds, because of this.**" in after
    assert f"| [{name}](#{name}) | {CLAIMS[name].says} | holds | 7 |" in after
    assert after.count("\n## ") == text.count("\n## ")
    assert f"\n## {name}\n" in after


def test_a_claim_leaves_its_numbers_and_says_its_verdict(tmp_path, monkeypatch, capsys):
    picture = tmp_path / "pictures" / "mine.png"

    def run(setup: runs.Setup) -> claim.Result:
        assert setup.seeds == (0, 5)
        return claim.Result("holds", "1 > 0", "1", [tables.Table(("n",), [["1"]])], {"n": 1}, [picture])

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
    with pytest.raises(InputError, match=r"the document has no section for mine: it lacks <!-- mine -->"):
        doc.filled("nothing", CLAIMS["mine"], run(runs.Setup(tmp_path, (0, 5))))
    record = json.loads((tmp_path / "f" / "mine.json").read_text())
    assert record == {
        "claim": "mine",
        "seeds": [0, 5],
        "verdict": "Holds, because 1 > 0",
        "number": "1",
        "numbers": {"n": 1},
    }
    assert Path(picture.parent).is_dir()
