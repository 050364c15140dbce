"""What cannot be written or printed: readers that leave, full disks, folders that may not be written to."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import QUICK, ROOT, SMALL, small_disk

from common.atomic import parents_made, replace_durably, require_writable
from common.errors import InputError
from common.output import BestEffortOutput, print_note
from model import generate
from report.terminal import open_console
from storage import checkpoint

TEXT = ("data=files", "data.path=a.txt", "tokenizer=bytes", "tokens_per_step=128", QUICK[0], *SMALL)


class Failing:
    """A stream that cannot be written, as seen by Python: only the flush says so."""

    def __init__(self, number: int) -> None:
        self.error, self.null = OSError(number, os.strerror(number)), os.open(os.devnull, os.O_WRONLY)

    def fileno(self) -> int:
        return self.null

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        raise self.error


@pytest.fixture
def failing_stdout(monkeypatch):
    return lambda number: monkeypatch.setattr(sys, "stdout", Failing(number))


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "256k") as path:
        yield path


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EPIPE, ""),
        (errno.ENOSPC, "note   stdout cannot be written (No space left on device); going on without it\n"),
        (errno.EIO, "note   stdout cannot be written (Input/output error); going on without it\n"),
    ],
    ids=["pipe", "full disk", "terminal gone"],
)
def test_training_goes_on_when_its_output_cannot_be_written(script, failing_stdout, capsys, number, said):
    Path("a.txt").write_text("The quick brown fox jumps over the lazy dog. " * 60)
    failing_stdout(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.output.discard_rest", lambda stream: setattr(stream, "flush", lambda: None))
        script("train", "run=run", "max_steps=2", *TEXT)
    assert checkpoint.saved_steps(Path("run")) == [2]
    assert capsys.readouterr().err == said


def test_a_note_that_nobody_can_read_is_no_reason_to_stop(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1) as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        print_note("lost")
        assert os.path.samestat(os.fstat(stderr.fileno()), os.stat(os.devnull))
        stderr.flush()  # as the interpreter does at its end


def test_a_reader_that_has_had_enough_ends_sampling_quietly(finished_run, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "")  # so that Python holds what could not be written
    command = shlex.join([sys.executable, "sample.py", f"run={finished_run}", "max_new_tokens=60", "n=3"])
    pipe = f"({command}; echo status $? >&2) | true"
    done = subprocess.run(["bash", "-c", pipe], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == "status 0\n"


def test_a_reader_that_has_had_enough_ends_what_reads_lines_without_end(finished_run):
    sample = (f"run={finished_run}", "prompt=-", "max_new_tokens=1", "show=0.1")
    command = shlex.join([sys.executable, "sample.py", *sample])
    pipe = f"yes Tom | ({command}; echo status $? >&2) | head -1"
    done = subprocess.run(["bash", "-c", pipe], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stderr == "status 0\n"


FULL_DEVICE = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@FULL_DEVICE
@pytest.mark.parametrize("arguments", [("sample.py", "prompt=Tom", "max_new_tokens=5"), ("probe.py", "text=Tom")])
def test_writing_and_reading_onto_a_full_disk_is_one_line(finished_run, monkeypatch, arguments):
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    command = [sys.executable, *arguments, f"run={finished_run}"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.stderr == "error: No space left on device: stdout\n"
    assert done.returncode == 1


PRINTING = (("data.stories", "--show", "cue", "--n", "2"), ("data.cases.mine", "a.txt"))


def printing(folder: Path, arguments: tuple[str, ...], redirection: str) -> subprocess.CompletedProcess:
    """A module that only prints, in a process of its own, with its stdout somewhere else."""
    (folder / "a.txt").write_text("Anna saw Ben. Ben saw Anna. Then Ben left. " * 60)
    command = shlex.join([sys.executable, "-m", *arguments]) + redirection
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


@FULL_DEVICE
@pytest.mark.parametrize("arguments", PRINTING)
def test_printing_onto_a_full_disk_is_one_line(tmp_path, arguments):
    done = printing(tmp_path, arguments, " >/dev/full")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "error: No space left on device: stdout")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", PRINTING)
def test_printing_where_stdout_is_closed_is_no_reason_to_fail(tmp_path, arguments):
    done = printing(tmp_path, arguments, " >&-")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.txt",), "error: TEXT=nowhere.txt: there is no such file or folder"),
        (("a.txt", "--window", "-3"), "error: argument --window: -3: must be a whole number, at least 1"),
        (("a.txt", "--most", "0"), "error: argument --most: 0: must be a whole number, at least 1"),
    ],
)
def test_what_cannot_be_mined_is_one_line(tmp_path, arguments, message):
    done = printing(tmp_path, ("data.cases.mine", *arguments), "")
    assert done.returncode in (1, 2)
    assert done.stderr.splitlines()[-1].endswith(message)


@pytest.fixture
def run_to_sample(finished_run, tmp_path) -> Path:
    """A run in which nothing has been sampled yet."""
    (tmp_path / "run").mkdir()
    for path in finished_run.iterdir():
        if path.name != "samples":
            (tmp_path / "run" / path.name).symlink_to(path)
    return tmp_path / "run"


def test_a_sample_that_cannot_be_kept_is_printed_all_the_same(script, run_to_sample, tmp_path, capsys):
    arguments = ("run=run", "prompt=One day", "n=2", "max_new_tokens=5")
    script("sample", *arguments)
    printed = capsys.readouterr()
    (tmp_path / "run" / "samples" / "samples.jsonl").unlink()
    (tmp_path / "run" / "samples").rmdir()
    (tmp_path / "run" / "samples").touch()
    script("sample", *arguments)
    again = capsys.readouterr()
    assert again.out == printed.out
    assert again.err == "note   no copy was kept: run/samples/samples.jsonl cannot be written (File exists)\n"


@pytest.fixture(params=[name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)])
def number(request) -> Iterator[int]:
    """A signal that ends a process by default, even where the tests run under nohup."""
    number = getattr(signal, request.param)
    before = signal.signal(number, signal.SIG_DFL)
    yield number
    signal.signal(number, before)


def test_a_sample_is_kept_up_to_the_signal_that_ends_it(script, run_to_sample, monkeypatch, number):
    def interrupted(*arguments: object, **settings: object) -> Iterator:
        for i, tokens in enumerate(generate(*arguments, **settings)):
            if i == 3:
                signal.raise_signal(number)
                signal.raise_signal(number)  # more than one may be sent
            yield tokens

    monkeypatch.setattr("sample.generate", interrupted)
    with pytest.raises(SystemExit) as caught:
        script("sample", "run=run", "prompt=One day", "max_new_tokens=9")
    assert caught.value.code == 128 + number
    assert json.loads(Path("run/samples/samples.jsonl").read_text())["text"]
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_signal_that_ends_an_export_leaves_the_earlier_one_alone(script, finished_run, tmp_path, monkeypatch):
    script("export", f"run={finished_run}", "to=out")
    before = (tmp_path / "out/export.json").read_bytes()
    monkeypatch.setattr("safetensors.torch.save", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit, match="143"):
        script("export", f"run={finished_run}", "to=out", "checkpoint=10", "overwrite=true")
    assert (tmp_path / "out/export.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_keeps_no_half_of_a_sample(disk):
    from sample import append_records

    append_records(disk, [{"text": "whole"}])
    append_records(disk, [{"text": "x" * 300_000}])
    assert (disk / "samples.jsonl").read_text() == '{"text": "whole"}\n'


@pytest.mark.parametrize("more", [(), ("pairs=pairs.jsonl",)])
def test_probing_finds_out_before_its_work_that_it_cannot_write(error_of, finished_run, tmp_path, monkeypatch, more):
    (tmp_path / "run").mkdir()
    for path in finished_run.iterdir():
        if path.name != "probe":
            (tmp_path / "run" / path.name).symlink_to(path)
    (tmp_path / "run" / "probe").touch()
    for work in ("probe", "score_pairs"):
        monkeypatch.setattr(f"probe.{work}", lambda *_, **__: pytest.fail("works"))
    message = error_of("probe", "run=run", *more)
    assert message.startswith("error: run/probe cannot be written (Not a directory); make room there")


def test_training_finds_out_before_tokens_are_made_that_it_cannot_write(error_of):
    Path("file").touch()
    Path("a.txt").write_text("To be. " * 400)
    message = error_of("train", "run=file/run", *TEXT)
    assert message.startswith("error: file cannot be written (Not a directory)")
    assert not Path("cache").exists()


def test_a_cache_and_an_export_that_cannot_be_written_name_their_key(error_of, finished_run):
    Path("file").touch()
    Path("a.txt").write_text("To be. " * 400)
    message = error_of("train", "run=run", "cache=file", *TEXT)
    assert message.endswith("file cannot be written (Not a directory); make room there, or give another cache=...")
    message = error_of("export", f"run={finished_run}", "to=file/model")
    assert message.endswith("file cannot be written (Not a directory); make room there, or give another to=...")


def test_a_closed_stdout_is_no_reason_to_fail(script, finished_run, monkeypatch):
    def n_kept() -> int:
        kept = finished_run / "samples" / "samples.jsonl"
        return len(kept.read_text().splitlines()) if kept.exists() else 0

    before = n_kept()
    monkeypatch.setattr(sys, "stdout", None)
    script("sample", f"run={finished_run}", "max_new_tokens=3", "n=2")
    assert n_kept() == before + 2


def test_a_full_disk_cannot_be_written(disk):
    require_writable(disk)
    (disk / "ballast").write_bytes(bytes(250_000))
    with pytest.raises(InputError, match=r"disk cannot be written \(No space left on device\)"):
        require_writable(disk / "a" / "b")
    assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_a_file_is_replaced_whole_or_not_at_all(disk):
    replace_durably(disk / "file", b"earlier")
    with pytest.raises(OSError, match="No space left on device") as caught:
        replace_durably(disk / "file", bytes(300_000))
    assert caught.value.filename == str(disk / ".file.tmp"), "the line names it"
    assert [path.name for path in disk.iterdir()] == ["file"]
    assert (disk / "file").read_bytes() == b"earlier"


def test_an_export_onto_a_full_disk_is_one_line_and_leaves_nothing(error_of, finished_run, disk):
    message = error_of("export", f"run={finished_run}", f"to={disk}/new/folder")
    assert "No space left on device" in message
    assert str(disk) in message
    assert list(disk.iterdir()) == []


def test_folders_that_were_made_for_nothing_go_and_others_stay(tmp_path):
    (tmp_path / "a").mkdir()
    work = parents_made(tmp_path / "a" / "b" / "c" / "d")
    work.__enter__()
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    assert not work.__exit__(KeyError, KeyError(), None)
    assert list(tmp_path.rglob("*")) == [tmp_path / "a"]


def test_what_goes_to_a_stream_that_works_arrives(capsys):
    stream = BestEffortOutput(sys.stdout)
    assert stream.write("text") == 4
    stream.flush()
    assert not stream.isatty()
    assert capsys.readouterr().out == "text"


def test_text_is_printed_as_it_is(capsys):
    open_console().print("[b]runs/a:x:b[/b] :dog:")
    assert capsys.readouterr().out == "[b]runs/a:x:b[/b] :dog:\n"


def test_a_note_is_one_line_and_does_not_act_on_the_terminal(capsys):
    open_console().note("a\x1b[31m\n[b]b")
    print_note("a\x1b[31m\n[b]b")
    out, err = capsys.readouterr()
    assert out == err == "note   a␛[31m↵[b]b\n"
