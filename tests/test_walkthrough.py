"""docs/walkthrough.md shows what the code does: every line in it runs, and prints what is written there."""

import doctest

from conftest import ROOT


def test_the_walkthrough_prints_what_it_says():
    path = ROOT / "docs" / "walkthrough.md"
    failed, tried = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert failed == 0
    assert tried > 30
