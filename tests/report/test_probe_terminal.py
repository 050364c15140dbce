"""What a probe prints says what was measured."""

import io
import re
from dataclasses import replace

import pytest
import toys
from rich.console import Console

from probing import probe
from probing.findings import Findings
from probing.known_heads import KnownHead
from report import probe_terminal
from report.probe_terminal import known_head_table, print_findings, progress_bar


@pytest.fixture(scope="module")
def found() -> Findings:
    """Findings on the model whose weights were set by hand."""
    return probe(toys.hand_set_model(), toys.TOKENIZER, toys.toy_cases("select", 100), toys.toy_cases("report", 100))


def test_the_task_and_the_roles_are_printed(found):
    console = Console(file=io.StringIO(), width=200)
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
        console = Console(width=100, record=True, file=io.StringIO())
        print_findings(replace(found, tasks=[]), console)
        text = " ".join(console.export_text().split())
        assert ("4.11 previous token 0.41 86 previous_token 5.5 induction - - ·" in text) == shown
        assert ("With GPT-2's own weights this checks the probe" in text) == shown
    assert known_head_table(found) is None


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_a_bar_and_a_file_none(terminal):
    shown = io.StringIO()
    with progress_bar(Console(file=shown, force_terminal=terminal, width=120)) as tell:
        tell("bad\x1b[2J_task: where heads look", 1, 2)
    assert ("bad␛[2J task: where heads look" in shown.getvalue()) == terminal
    assert ("1/2" in shown.getvalue()) == terminal
