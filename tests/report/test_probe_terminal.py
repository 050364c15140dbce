"""What a probe prints says what was measured."""

import io
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import toys

from probing import probe
from probing.alignment import Alignment
from probing.behaviour import PAIRS, PREFERRED
from probing.circuits import Edge, Edges, NotMeasured
from probing.findings import Findings
from probing.known_heads import KnownHead
from report import probe_terminal
from report.circuits_terminal import edge_lines
from report.probe_terminal import (
    behaviour_notes,
    choice_notes,
    known_head_table,
    pattern_notes,
    print_findings,
    progress_bar,
    task_table,
    too_few_groups,
)
from report.terminal import Output


@pytest.fixture(scope="module")
def found() -> Findings:
    """Findings on the model whose weights were set by hand."""
    return probe(toys.hand_set_model(), toys.TOKENIZER, toys.toy_cases("select", 100), toys.toy_cases("report", 100))


def test_the_task_and_the_roles_are_printed(found):
    console = Output(file=io.StringIO(), width=200)
    print_findings(found, console)
    text = console.file.getvalue()
    assert re.search(
        r"agreement +100% +1\.0 A-1 +100\.0% \(93-100\) +\d\d% +20\.2 \(.*\) +looks, matters +0\.0 \(50%\)", text
    )
    assert "negative control" not in text  # its counterfactuals differ at the pronoun itself
    assert "pronoun 1.00 ●" in text


def test_known_heads_are_printed_with_what_they_check(found, monkeypatch):
    rows = [
        KnownHead("4.11", "previous token", 0.41, 86, "previous_token"),
        KnownHead("5.5", "induction", None, None, None),
    ]
    for known, shown in ((rows, True), ([], False)):
        monkeypatch.setattr(probe_terminal, "known_heads", lambda _, known=known: known)
        console = Output(width=100, record=True, file=io.StringIO())
        print_findings(replace(found, tasks=[]), console)
        text = " ".join(console.export_text().split())
        assert ("4.11 previous token 0.41 86 previous_token 5.5 induction - - ·" in text) == shown
        assert ("With GPT-2's own weights this checks the probe" in text) == shown
    assert known_head_table(found) is None


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_a_bar_and_a_file_none(terminal):
    shown = io.StringIO()
    with progress_bar(Output(file=shown, force_terminal=terminal, width=120)) as tell:
        tell("bad\x1b[2J_task: where heads look", 1, 2)
    assert ("bad␛[2J task: where heads look" in shown.getvalue()) == terminal
    assert ("1/2" in shown.getvalue()) == terminal


def test_which_head_feeds_which_is_printed_where_it_was_measured(found):
    edges = [
        Edge(sender, receiver, into, drop, (drop, drop), 0.0005, drop > 1)
        for sender, receiver, into, drop in (
            *(("1.1", "2.3", "k", 4.06), ("0.2", "1.0", "v", 2.0), ("0.2", "2.3", "q", 1.31)),
            ("0.0", "2.3", "q", 0.5),
        )
    ]
    (result,) = found.tasks
    for measured, line in (
        (
            Edges(tuple(edges), None, 0.0, 100, ("2.3",)),
            "2.3 is fed by 1.1 (key, 4.1 nats), 0.2 (query, 1.3 nats); 1.0",
        ),
        (Edges(tuple(edges[3:]), None, 0.0, 100, ("2.3",)), "none of 1 edges counts"),
        (NotMeasured("no head comes before another one"), "not measured, no head comes before another one"),
        (None, None),
    ):
        lines = [*edge_lines([replace(result, edges=measured)])]
        assert [text.startswith(f"agreement: {line}") for text in lines[1:]] == ([True] if line else [])


def test_what_is_not_shown_stands_beside_what_would_have_been_found(found):
    """And a choice that falls on another head in one resample of three is named as one."""
    (result,), show = found.tasks, "these cases would show it, in 4 of 5 draws, from"
    assert not list(choice_notes([result])), "all is shown"
    power = replace(result.power, choice_accuracy=0.713, weight_swap_drop=0.62)
    stability = replace(result.stability, heads={"1.0": 143, "1.1": 50, "0.1": 7})
    swap = replace(result.effects["weight_swap"]["1.0"], p_adj=0.2)
    unsure = replace(result, stability=stability, power=power, effects={"weight_swap": {"1.0": swap}})
    assert list(choice_notes([unsure])) == [
        "chosen again agreement: head 1.0 in 143 of 200 resamples of the cases, 1.1 in 50, 0.1 in 7",
        f"not shown    agreement: that head 1.0 matters; {show} 0.6 nats on",
    ]
    blind = {"1.0": replace(result.quotes["1.0"], looks=False)}
    nothing = "not even a choice accuracy of 100 % would be shown by these cases"
    for least, words in ((0.713, f"{show} a choice accuracy of 71 % on"), (None, nothing)):
        other = replace(result, power=replace(power, choice_accuracy=least), quotes=blind)
        (note,) = choice_notes([other])
        assert note.endswith(f"that head 1.0 looks; {words}")


@pytest.mark.parametrize("width", [80, 110, 126])
def test_no_number_of_the_table_is_cut_however_long_names_and_sets_of_heads_are(found, width):
    (result,) = found.tasks
    heads = tuple(f"10.{i}" for i in range(8))
    necessary = replace(result.necessary, heads=heads, complete=False)
    console = Output(file=io.StringIO(), width=width)
    console.print(task_table([replace(result, name="winobias_anti_stereotyped_type1", necessary=necessary)], width))
    text = console.file.getvalue()
    assert "…" not in text
    for cell in ("100%", "1.0 A-1", "100.0% (93-100)", "looks, matters"):
        assert cell in text
    assert ("10.7" in text) == (width >= 110)


def test_a_share_that_stands_for_two_things_is_printed_once(found):
    (result,) = found.tasks
    preferred = replace(result.behaviour, judged_by=PREFERRED, accuracy=0.519, ci=(0.46, 0.58), preference=0.519)
    assert behaviour_notes([replace(result, behaviour=preferred)]) == [
        "model right  in agreement: the answer is likelier than the foil, 51.9% (46-58) of 100 cases"
    ]
    pairs = replace(preferred, judged_by=PAIRS, preference=0.6)
    (note,) = behaviour_notes([replace(result, behaviour=pairs)])
    assert note.endswith("51.9% (46-58); the answer is likelier than the foil in 60.0% of 100 cases")


@pytest.mark.parametrize(
    ("groups", "n_tasks", "verdict"),
    [(6, 1, "look"), (7, 1, None), (7, 2, "matter"), (8, 2, None), (10, 12, "matter"), (11, 12, None)],
)
def test_groups_that_are_too_few_for_a_verdict_are_named(groups, n_tasks, verdict):
    said = too_few_groups(groups, n_tasks)
    assert (said is None) == (verdict is None)
    assert said is None or said.endswith(f"no head can {verdict}")


@pytest.mark.parametrize("resolved", [True, False])
def test_an_alignment_is_interpreted_if_the_model_translates(found, resolved):
    spans = SimpleNamespace(links=(((0, 1), (2, 3)),))
    task = SimpleNamespace(resolved=resolved, cases=[SimpleNamespace(case=SimpleNamespace(spans=spans))])
    alignment = Alignment(errors={"1.0": 0.25}, sites={"1.0": "A-1"}, best="1.0", diagonal=0.5)
    notes = pattern_notes(replace(found, tasks=[task], alignment=alignment, attention_patterns=None))
    assert ("alignment error rate of head 1.0 at A-1: 25.0%" in "".join(notes)) == resolved
