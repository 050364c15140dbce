"""Free text on the command line, typed or piped: each line is used, and one that cannot be is named."""

import io
import os
import pty
import re
import select
import subprocess
import sys

import pytest
from conftest import ROOT

from cli.lines import for_each_text
from common.errors import InputError

ASK_FOR_TEXTS = """
import sys, types
sys.modules["cli"] = types.ModuleType("cli")  # alone: the whole package imports torch
sys.modules["cli"].__path__ = ["cli"]
from cli.lines import for_each_text
from common.errors import InputError
def use(text):
    if text == "b":
        raise InputError("no b")
    print(f"<{text}>")
for_each_text("text", "-", use)
print("done")
"""


def use_all(monkeypatch: pytest.MonkeyPatch, piped: bytes | None) -> list[str]:
    """The lines of a pipe that are used; those that begin with a dot are refused. None: stdin is closed."""
    used = []

    def use(text: str) -> None:
        if text.startswith("."):
            raise InputError("it begins\nwith a dot")
        used.append(text)

    monkeypatch.setattr(sys, "stdin", None if piped is None else io.TextIOWrapper(io.BytesIO(piped), encoding="ascii"))
    for_each_text("text", "-", use)
    return used


def test_lines_of_a_file_are_used_as_they_are_whatever_wrote_them(monkeypatch):
    assert use_all(monkeypatch, "\ufeff One.\r\nÉ two \nthree".encode() + b"\xff\n") == [
        " One.",
        "É two ",
        "three\ufffd",
    ]


def test_lines_that_cannot_be_used_are_named_and_the_others_go_on(monkeypatch, capsys):
    with pytest.raises(InputError, match=r"^text=-: 2 of 4 lines could not be used$"):
        use_all(monkeypatch, b"a\n.b\n \nc")
    assert capsys.readouterr().err == "error: line 2: it begins↵with a dot\nerror: line 3: it is empty\n"


@pytest.mark.parametrize("piped", [b"", None], ids=["empty", "closed"])
def test_nothing_on_standard_input_is_an_error(monkeypatch, piped):
    with pytest.raises(InputError, match="text=-: there is nothing on standard input"):
        use_all(monkeypatch, piped)


def test_anything_but_a_dash_is_the_text_itself():
    used = []
    for_each_text("text", " - ", used.append)
    assert used == [" - "]


@pytest.mark.parametrize("ending", [b"\n", b"\x04"], ids=["empty line", "Ctrl-D"])
def test_at_a_terminal_lines_are_asked_for_until_there_are_no_more(ending):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ASK_FOR_TEXTS], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = ""
    for typed in ("a é\n".encode(), b"b\n", b"c\n", ending):
        shown += read_until(ours, "text> ")
        os.write(ours, typed)
    shown += read_until(ours, "done")
    assert process.wait(30) == 0
    os.close(ours)
    assert re.search(r"<a é>.*error: no b.*<c>", shown, re.DOTALL)


def test_prompts_of_a_terminal_are_not_in_a_file():
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ASK_FOR_TEXTS], cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    for typed in (b"a\n", b"\x04"):
        read_until(ours, "text> ")
        os.write(ours, typed)
    written, _ = process.communicate(timeout=60)
    os.close(ours)
    assert written == b"<a>\ndone\n"


def read_until(terminal: int, end: str) -> str:
    """What is shown on a terminal up to ``end``, at most for a minute."""
    shown = b""
    while end.encode() not in shown:
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 1000)
    return shown.decode()
