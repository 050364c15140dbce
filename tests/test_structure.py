"""Which package may import which, and what the core works without."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGES = {
    "common": set(),
    "model": set(),
    "data": {"common"},
    "storage": {"common", "model", "data"},
    "training": {"common", "model", "data", "storage"},
    "probing": {"common", "model", "data"},
    "report": {"common", "model", "data", "storage", "training", "probing"},
    "huggingface": {"common", "model", "data", "storage"},
    "cli": {"common", "model", "data", "storage", "training", "huggingface"},
}
HEAVY = ("hydra", "omegaconf", "wandb", "transformers", "huggingface_hub", "pooch")
SOURCES = sorted(
    path for path in ROOT.rglob("*.py") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
PARTS_OF_PAGES = sorted(path for kind in ("js", "css") for path in (ROOT / "report").glob(f"*.{kind}"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_those_below(package):
    for path in (ROOT / package).rglob("*.py"):
        assert imported(path) & PACKAGES.keys() <= PACKAGES[package] | {package}, path


@pytest.mark.parametrize("package", ["probing", "training"])
def test_what_measures_or_trains_draws_and_prints_nothing(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path) & {"rich", "matplotlib", "report"}, path


def test_the_network_and_the_text_do_not_know_each_others_libraries():
    assert not any("torch" in imported(path) for path in (ROOT / "data").rglob("*.py"))


def test_the_core_works_without_what_scripts_or_tests_alone_need():
    block = "; ".join(f"sys.modules['{name}'] = None" for name in HEAVY)
    core = PACKAGES.keys() - {"cli"}
    modules = [path for package in sorted(core) for path in sorted((ROOT / package).rglob("*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in modules]
    code = f"import sys; {block}; import {', '.join(names)}; print('fine')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr


def test_scripts_begin_without_what_statistics_and_pictures_need():
    code = "import sys, probe, sample, train; sys.exit(not {'scipy', 'matplotlib'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_open_with_what_they_are(path):
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} does not say what it is"


def test_text_files_are_read_and_written_as_utf8_in_any_locale():
    for path in SOURCES:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if "tests" not in path.parts and isinstance(call, ast.Call) and is_text_of_a_file(call):
                assert any(word.arg == "encoding" for word in call.keywords), f"{path}, line {call.lineno}"


def is_text_of_a_file(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        mode = call.args[1] if len(call.args) > 1 else ast.Constant("r")
        return isinstance(mode, ast.Constant) and "b" not in mode.value
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text")


@pytest.mark.parametrize("path", PARTS_OF_PAGES, ids=lambda path: path.name)
def test_parts_of_pages_open_with_what_they_are(path):
    assert path.read_text().startswith("/* "), f"{path} does not say what it is"
