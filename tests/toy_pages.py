"""Fixtures: what tests of pages open; none of them changes what it is given."""

from pathlib import Path

import pytest
from toy_live import write_toy_live
from toy_report import toy_findings, write_toy_report

from probing import Findings


@pytest.fixture(scope="session")
def findings() -> Findings:
    """The hand-set model on its own language."""
    return toy_findings()


@pytest.fixture(scope="module")
def folder(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a probe, and its heads.json."""
    folder = tmp_path_factory.mktemp("probe")
    write_toy_report(findings, folder)
    return folder


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page in which a tiny model runs."""
    return write_toy_live(tmp_path_factory.mktemp("live"))
