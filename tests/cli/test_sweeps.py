"""A sweep loses no job by another's error, and refuses what would lose one before the first begins."""

import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

import cli
from cli import sweeps
from cli.schema import ExportCommand, ProbeCommand, SampleCommand, TrainCommand
from common.errors import InputError

SCHEMAS = {"train": TrainCommand, "export": ExportCommand, "sample": SampleCommand, "probe": ProbeCommand}


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """``sweep(main, "seed=1,2", ...)``: the exit status or the message, and what was printed on both streams."""
    monkeypatch.chdir(tmp_path)

    def call(main, *arguments: str, name: str = "train"):
        GlobalHydra.instance().clear()
        flag = () if "-m" in arguments else ("-m",)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *flag, *arguments])
        try:
            cli.launch(main, name, SCHEMAS[name])
            code = 0
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return call


def failing(command: TrainCommand) -> None:
    if command.seed == 1:
        raise InputError("seed=1: brings bad luck")
    if command.seed == 2:
        raise ZeroDivisionError("by nothing")
    print(f"seed {command.seed} went well")


def rows_of(out: str) -> list[str]:
    lines = out.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("job  ")) :]


def test_an_error_ends_its_own_job_alone(sweep):
    code, out, err = sweep(failing, "seed=0,1,2,3", "model.n_head=4", "run='r/${seed}'")
    assert code == 1
    assert "seed 0 went well" in out
    assert "seed 3 went well" in out
    assert "error: seed=1: brings bad luck\n" in err
    assert "ZeroDivisionError: by nothing\n" in err, "a bug keeps its traceback"
    assert rows_of(out) == [
        "job  overrides  run  result",
        "0    seed=0     r/0  done",
        "1    seed=1     r/1  error: seed=1: brings bad luck",
        "2    seed=2     r/2  ZeroDivisionError: by nothing",
        "3    seed=3     r/3  done",
    ]


@pytest.mark.parametrize("arguments", [("seed=1,2", "-m"), ("max_steps=3", "-m", "seed=1,2")])
def test_the_flag_of_a_sweep_may_stand_anywhere(sweep, arguments):
    seeds = []
    code, _, err = sweep(lambda command: seeds.append(command.seed), *arguments)
    assert (seeds, err) == ([1, 2], "")
    assert code == 0


def test_settings_that_do_not_go_together_end_their_own_job_alone(sweep):
    code, out, _ = sweep(failing, "model.n_head=3,4")
    assert code == 1
    wrong, right = rows_of(out)[1:]
    assert wrong.split(maxsplit=3)[:3] == ["0", "model.n_head=3", "-"]
    assert "n_embd=128 does not divide into n_head=3" in wrong
    assert right.startswith("1    model.n_head=4  runs/stories-")


def by_the_keyboard(command: TrainCommand) -> None:
    if command.seed == 2:
        raise KeyboardInterrupt


def by_a_signal(command: TrainCommand) -> None:
    if command.seed == 2:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)


@pytest.mark.parametrize(
    ("main", "status"),
    [(by_the_keyboard, 130), (by_a_signal, 143)],
    ids=(
        "keyboard",
        "signal",
    ),
)
def test_who_stops_a_job_stops_the_sweep(sweep, main, status):
    before = signal.getsignal(signal.SIGTERM)
    code, out, _ = sweep(main, "seed=1,2,3", "run='r${seed}'")
    assert code == status
    assert rows_of(out)[1:] == [
        "0    seed=1     r1   done",
        "1    seed=2     r2   stopped",
        "1 of 3 jobs did not begin",
    ]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("settings", "shared", "own"),
    [
        (("seed=1,2", "run=r/same", "overwrite=true"), "run=r/same: jobs 0 and 1", "run=r/same-${hydra:job.num}"),
        (
            ("seed=1,2", "optimizer.matrix_lr=0.1,0.2", "run='r/${seed}'"),
            "run=r/${seed}: jobs 0 and 1",
            "run=r/${seed}-${hydra:job.num}",
        ),
        (("optimizer=muon,adamw", "seed=1,2", "run='s${seed}'"), "jobs 0 and 2", "run=s${seed}-${hydra:job.num}"),
        (("data=files", "data.path=book.txt", "mix.stories=0,0.1", "run=m"), "run=m: jobs", "run=m-${hydra:job.num}"),
        (("seed=1,2", "run=it's x"), "run=it's x: jobs 0 and 1", r"run='it\'s x-${hydra:job.num}'"),
        (("seed=1,2", "run='a,b'"), "run=a,b: jobs 0 and 1", "run='a,b-${hydra:job.num}'"),
    ],
)
def test_jobs_that_would_share_a_run_are_refused_before_the_first(sweep, settings, shared, own):
    code, out, err = sweep(failing, *settings)
    assert shared in code
    assert code.endswith(f" of this sweep would share one folder; give each its own, as in {shlex.quote(own)}")
    assert "\n" not in code
    assert (out, err, list(Path().iterdir())) == ("", "", [])
    again = [setting for setting in settings if not setting.startswith("run=")]
    runs = []
    sweep(lambda command: runs.append(command.run), *again, *shlex.split(code.rpartition(" as in ")[2]))
    assert len(runs) == len({*runs}) > 1, "as the shell reads it"


def test_jobs_that_would_export_to_one_folder_are_refused(sweep):
    code, _, _ = sweep(failing, "run=a,b", "to=out", name="export")
    assert code.endswith(
        "to=out: jobs 0 and 1 of this sweep would share one folder; give each its own, as in 'to=out-${hydra:job.num}'"
    )


@pytest.mark.parametrize(
    ("settings", "shared", "own"),
    [
        (("run=a", "seed=1,2", "to=null"), "run=a", "to=probes/job-${hydra:job.num}"),
        (("run=a,b", "to=out"), "to=out", "to=out-${hydra:job.num}"),
        (("run=a,b", "checkpoint=5,10"), "run=a", "to=probes/job-${hydra:job.num}"),
    ],
)
def test_jobs_that_would_replace_each_others_probe_are_refused(sweep, settings, shared, own):
    code, _, _ = sweep(failing, *settings, name="probe")
    assert code.startswith(f"error: {shared}: jobs 0 and 1 of this sweep would share one folder")
    assert code.endswith(f"as in {shlex.quote(own)}")


@pytest.mark.parametrize("settings", [("run=a,b",), ("run=a", "text=x,y"), ("run=a", "seed=1,2", "to='p${seed}'")])
def test_jobs_that_replace_no_probe_of_each_other_begin(sweep, settings):
    probed = []
    sweep(probed.append, *settings, name="probe")
    assert len(probed) == 2


def test_one_job_without_an_error_may_have_any_run(sweep):
    code, out, _ = sweep(failing, "seed=3", "run=r")
    assert code == 0
    assert rows_of(out)[1:] == ["0    seed=3 run=r  r    done"]


@pytest.mark.parametrize(
    ("settings", "key", "expected"),
    [
        (("checkpoint=2,4",), "checkpoint", ["2", "4"]),
        (("show=1.10, 0.1",), "show", ["1.10", "0.1"]),
        (("show=1.10", "seed=1,2"), "show", ["1.10", "1.10"]),
        (("show=choice(1.10,2.0)",), "show", ["1.10", "2.0"]),
        (("checkpoint=range(2,6,2)",), "checkpoint", ["2", "4"]),
        (("prompt= 'a, b' ,it's,\"c='d'\"",), "prompt", ["a, b", "it's", "c='d'"]),
        (("prompt=true,null,${seed}",), "prompt", ["true", "null", "${seed}"]),
        (("prompt= a=b {c} ${d", "seed=1,2"), "prompt", [" a=b {c} ${d"] * 2),
        (("run='a=b/${seed}'", "seed=1,2"), "run", ["a=b/1", "a=b/2"]),
        (("run=a${b} #1,1e3,b\udcff", "seed=1"), "run", ["a${b} #1", "1e3", "b\udcff"]),
    ],
)
def test_text_of_a_sweep_is_what_was_typed(sweep, settings, key, expected):
    commands = []
    base = () if key == "run" else ("run=runs/a",)
    code, out, _ = sweep(commands.append, *base, *settings, name="sample")
    assert code == 0, out
    assert [vars(command)[key] for command in commands] == expected
    assert "${text:" not in out


def test_a_sweep_shows_its_text_as_it_was_typed(sweep):
    _, out, _ = sweep(lambda _: None, "run=runs/a=1", "checkpoint=2,4", name="sample")
    assert rows_of(out)[1:] == [
        "0    checkpoint=2  runs/a=1  done",
        "1    checkpoint=4  runs/a=1  done",
    ]


def test_a_sweep_prints_nothing_that_acts_on_a_terminal(sweep):
    _, out, _ = sweep(lambda _: None, "run=runs/a", "prompt=\x1b[31m,b", name="sample")
    assert "job 0: run=runs/a prompt=␛[31m" in out
    assert "\x1b" not in out


def test_a_path_that_names_no_key_is_refused_before_the_first_job(sweep):
    code, out, _ = sweep(failing, "run=r/${sed}", "seed=1,2")
    assert (code, out) == ("error: run=r/${sed}: there is no key sed", "")


def test_hundreds_of_jobs_with_folders_of_their_own_begin_soon(monkeypatch):
    made = []
    compose = sweeps.compose
    monkeypatch.setattr(sweeps, "compose", lambda *a, **b: made.append(a) or compose(*a, **b))
    seeds = ",".join(map(str, range(100)))
    run = "run='r/${hydra:runtime.choices.optimizer}-${seed}'"
    assert len(sweeps.check("train", [run, "optimizer=muon,adamw", f"seed={seeds}"])) == 200
    assert len(made) == 2, "once for each choice of groups"


def test_folders_that_follow_from_the_overrides_are_different():
    assert len(sweeps.check("train", ["run='r/${hydra:job.override_dirname}'", "seed=1,2"])) == 2


def test_jobs_without_a_name_have_folders_of_their_own():
    assert len(sweeps.check("train", ["seed=3,4", "run=null"])) == 2


@pytest.mark.parametrize("argument", ["+model.n_layr=3,4", "model.n_layr=3,4", "model=tiny,smal"])
def test_slips_are_refused_before_the_first_job(sweep, argument):
    code, out, err = sweep(failing, argument)
    assert "there is no such" in code
    assert (out, err) == ("", "")


def test_a_setting_that_only_some_jobs_know_is_refused_before_the_first(sweep):
    code, out, _ = sweep(failing, "data=stories,files", "data.path=x")
    assert "path" in code
    assert "\n" not in code
    assert out == ""


@pytest.mark.parametrize(("name", "key"), [("sample", "prompt"), ("probe", "text")])
@pytest.mark.parametrize("texts", ["-", "Tom, -"])
def test_standard_input_is_not_shared_between_jobs(sweep, name, key, texts):
    code, out, _ = sweep(failing, "run=a,b", f"{key}={texts}", name=name)
    assert code.startswith(f"error: {key}={texts}: standard input is for one job alone")
    assert out == ""
