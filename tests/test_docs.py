"""What the documentation says to type is understood, and its links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, SCRIPTS
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import cli
from cli import sweeps
from cli.paths import FREE_TEXT, PATHS, decode_text, encode_text
from common.errors import InputError
from common.folders import SCHEMES
from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig
from storage.weights import save_run

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MAKEFILE = ROOT / "Makefile"
SCRIPT = re.compile(rf"({'|'.join(SCRIPTS)})\.py")
NOT_HERE = re.compile("there is no such (run|file)")  # what a reader has and a test has not
ENDS = (";", "|", "<", ">", ">>", "&&")
ANY_VALUE = {*PATHS, *FREE_TEXT} - {"init_from"}
NOT_INSTALLED = "hydra/launcher=submitit_slurm"
KEPT = "kept"  # a run that is there
MODULE = re.compile(r"python3? -m ((?:data|experiments|benchmarks)(?:\.[a-z_]+)+)")


def snippets(page: Path) -> Iterator[str]:
    """Each indented line, those that end in a backslash with the next, and each piece of code within a sentence."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    if page == MAKEFILE:
        text = text.replace("$(BIN)/", "").replace("$(RUN)", "runs/demo").expandtabs(4)
    yield from (line for line in text.splitlines() if line.startswith("    "))
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    yield from (code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", prose))


def commands_in(snippet: str) -> Iterator[tuple[str, ...]]:
    """Every start of a script, by python or torchrun, as (SCRIPT, *ARGUMENTS); none with dots that stand for more."""
    if not re.search(rf"(python|torchrun)\b.* {SCRIPT.pattern}", snippet):
        return
    lexer = shlex.shlex(snippet, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = [*lexer, ENDS[0]]
    while words:
        end = next(i for i, word in enumerate(words) if word in ENDS)
        command, words = words[:end], words[end + 1 :]
        started = next((i for i, word in enumerate(command) if SCRIPT.fullmatch(word)), None)
        if started and not any("..." in word for word in command):
            yield SCRIPT.fullmatch(command[started])[1], *map(plain, command[started + 1 :])


def plain(argument: str) -> str:
    """With another value where any would do, so that commands which differ in such values are read once."""
    key, sign, value = argument.partition("=")
    if key == "init_from" and not value.startswith(SCHEMES):
        return f"{key}={KEPT}"
    return "seed=0" if argument == "seed=S" else f"{key}=x" if sign and key in ANY_VALUE else argument


def commands() -> dict[tuple[str, ...], str]:
    """Each command once, with the page that has it; not the names of scripts that need a run, nor how to get help."""
    pages = (*PAGES, MAKEFILE)
    found = {command: page.name for page in pages for snippet in snippets(page) for command in commands_in(snippet)}
    names = {(name,) for name in SCRIPTS if name != "train"}
    return {command: page for command, page in found.items() if command not in names and "--help" not in command}


def problem(name: str, *arguments: str) -> str | None:
    """What this command line is refused for, if not for what is not here."""
    settings = [argument for argument in arguments if argument not in sweeps.FLAGS]
    GlobalHydra.instance().clear()
    try:
        if len(settings) < len(arguments):
            sweeps.check(name, [setting for setting in settings if setting != NOT_INSTALLED])
        else:
            cli.read(name, SCRIPTS[name][1], [encode_text(setting) for setting in settings])
    except InputError as error:
        return None if NOT_HERE.search(str(error)) else str(error)
    return None


def test_every_command_is_understood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    OmegaConf.register_new_resolver("text", decode_text, replace=True)  # as cli.launch does
    save_run(tmp_path / KEPT, GPT(GPTConfig(257, block_size=8, n_layer=1, n_head=1, n_embd=8)), byte_tokenizer())
    found = commands()
    assert len(found) > 50
    problems = {command: problem(*command) for command in found}
    assert {(found[command], command): why for command, why in problems.items() if why} == {}


def test_make_demo_goes_on_with_a_run_and_never_replaces_one():
    assert ("train", "run=x", "resume=auto") in commands()


def test_every_module_that_is_started_is_there():
    names = {name for page in PAGES for name in MODULE.findall(page.read_text(encoding="utf-8"))}
    assert len(names) > 20
    for name in names:
        path = ROOT / name.replace(".", "/")
        path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        assert "__main__" in path.read_text(encoding="utf-8"), name


def prose_of(page: Path) -> str:
    """The page without its code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return re.sub(r"`[^`]*`", "", text)


def anchors_of(page: Path) -> set[str]:
    """The fragments that GitHub gives a page's headings: letters in lower case, hyphens for spaces, no other signs."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        shown = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        n = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", earlier) is not None for earlier in found)
        found.add(f"{anchor}-{n}" if n else anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose_of(page))
    for link in filter(lambda link: "://" not in link, map("".join, links)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link
