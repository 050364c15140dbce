"""Which package may import which, and what the core works without."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SCRIPTS

PACKAGES = {
    "common": set(),
    "model": set(),
    "data": {"common"},
    "storage": {"common", "model", "data"},
    "training": {"common", "model", "data", "storage"},
    "probing": {"common", "model", "data"},
    "report": {"common", "model", "data", "storage", "training", "probing"},
    "huggingface": {"common", "model", "data", "storage"},
    "nanogpt": {"common", "model", "data", "storage", "huggingface"},
    "cli": {"common", "model", "data", "storage", "training", "probing", "report"},
}
NO_PART_OF_IT = {"experiments", "benchmarks"}
HEAVY = ("hydra", "omegaconf", "wandb", "transformers", "huggingface_hub", "pooch")
FOLDERS = (*PACKAGES, *sorted(NO_PART_OF_IT), "tests")
SOURCES = [ROOT / f"{name}.py" for name in SCRIPTS] + [
    path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))
]
PARTS_OF_PAGES = sorted(path for kind in ("js", "css") for path in (ROOT / "report").rglob(f"*.{kind}"))


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(syntax(path)) if isinstance(node, ast.Call)]


def test_every_package_is_known_here():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == PACKAGES.keys() | NO_PART_OF_IT


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_those_below(package):
    ours = PACKAGES.keys() | NO_PART_OF_IT | SCRIPTS.keys() | {"tests"}
    for path in sources(package):
        assert imported(path) & ours <= PACKAGES[package] | {package}, path


def test_what_measures_trains_or_stores_draws_nothing_and_prints_notes_alone():
    for path in sources("model", "storage", "training", "probing", "huggingface", "nanogpt"):
        assert not imported(path) & {"rich", "matplotlib"}, path
        for call in calls(path):
            if isinstance(call.func, ast.Name) and call.func.id == "print":
                assert "file=sys.stderr" in ast.unparse(call), f"{path}, line {call.lineno}"


def test_the_network_and_the_text_do_not_know_each_others_libraries():
    assert not any("torch" in imported(path) for path in sources("data"))
    assert not any(imported(path) & {"tiktoken", "tokenizers"} for path in sources("model"))


def test_the_network_is_as_short_as_the_readme_says():
    assert "about 1,200 lines, blank ones aside" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert sum(bool(line.strip()) for path in sources("model") for line in path.read_text().splitlines()) < 1_250


def test_the_core_works_without_what_scripts_or_tests_alone_need():
    block = "; ".join(f"sys.modules['{name}'] = None" for name in HEAVY)
    modules = sources(*sorted(PACKAGES.keys() - {"cli"}))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in modules]
    code = f"import sys; {block}; import {', '.join(names)}; print('fine')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr


def test_scripts_begin_without_what_statistics_and_pictures_need():
    code = "import sys, probe, sample, train; sys.exit(not {'scipy', 'matplotlib'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_training_does_not_import_the_compiler():
    """Which takes two seconds, and which optimizers of torch's import when they are made."""
    code = """
import sys, torch
from model import GPT, GPTConfig
from training import OptimizerConfig
from training.optimizer import Optimizers
for name in ("muon", "adamw"):
    model = GPT(GPTConfig(20, block_size=8, n_layer=1, n_head=1, n_embd=8))
    model(torch.arange(8)[None], torch.arange(8)[None]).backward()
    Optimizers(model, OptimizerConfig(name)).step(0.5, 0.6, 1)
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_files_open_with_what_they_are():
    assert [path for path in SOURCES if not ast.get_docstring(syntax(path))] == []


def test_parts_of_pages_open_with_what_they_are():
    assert len(PARTS_OF_PAGES) > 40
    assert [path for path in PARTS_OF_PAGES if not path.read_text(encoding="utf-8").startswith("/*")] == []


def test_text_files_are_read_and_written_as_utf8_in_any_locale():
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] != "tests":
            for call in filter(is_text_of_a_file, calls(path)):
                assert any(word.arg == "encoding" for word in call.keywords), f"{path}, line {call.lineno}"


def is_text_of_a_file(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        mode = call.args[1] if len(call.args) > 1 else ast.Constant("r")
        return isinstance(mode, ast.Constant) and "b" not in mode.value
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text")
