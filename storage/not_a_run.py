"""What a path is that is no run, though it was given for one, and what to write instead."""

from pathlib import Path
from shlex import quote

from common.errors import InputError
from common.folders import CHECKPOINTS, HF_SCHEME, MODEL_CONFIG, NANOGPT_SCHEME, RUN, SCHEMES
from storage import checkpoint
from storage.run import is_run

NANOGPT = (".pt", ".pth", ".ckpt")
PICKLED = (*NANOGPT, ".bin")


def require_run(folder: Path) -> None:
    if not is_run(folder):
        raise no_such_run(folder)


def no_such_run(folder: Path, key: str = "run") -> InputError:
    """What to report of a ``folder``, the value of ``key``, that is no run, or no longer a whole one."""
    missing = [name for name in RUN if not (folder / name).exists()]
    if missing == [CHECKPOINTS] or checkpoint.saved_steps(folder):
        return InputError(f"{key}={folder}: lacks {missing[0]}; put it back")
    return InputError(f"{key}={folder}: {explain_foreign(folder, key)}")


def explain_foreign(path: Path, key: str) -> str:
    """``path``, the value of ``key``, is no run. Says what it is instead, and what to write."""

    def instead(name: str) -> str:
        setting = quote(f"init_from={name}")
        return (
            f"write {setting}" if key == "init_from" else f"train.py {setting} run=NAME max_steps=0 makes a run of it"
        )

    if str(path).startswith(SCHEMES):
        return f"is no run; {instead(str(path))}"
    if not path.exists():
        asked_for_a_model = key == "init_from" and len(path.parts) <= 2
        hub = f"; a model of the Hugging Face Hub is written init_from={HF_SCHEME}{path}" if asked_for_a_model else ""
        return f"there is no such run{hub}{runs_in(path.parent)}"
    if inside := runs_in(path):
        return f"is no run{inside}"
    for folder in path.parents:
        if is_run(folder):
            best = ", which takes its best checkpoint" if key == "init_from" else ""
            return f"is a part of a run; write {quote(f'{key}={folder}')}{best}"
    folder = path if path.is_dir() else path.parent
    if path.suffix not in NANOGPT and (folder / MODEL_CONFIG).is_file():
        return f"is a model of transformers; {instead(f'{HF_SCHEME}{folder}')}"
    files = filter(Path.is_file, sorted(path.iterdir()) if path.is_dir() else [path])
    if pickled := [file for file in files if file.suffix in PICKLED]:
        theirs = f"if it is nanoGPT's, {instead(f'{NANOGPT_SCHEME}{pickled[0]}')}"
        return f"is a pickled checkpoint; {theirs}; else save it with save_pretrained, and give init_from=hf:FOLDER"
    return f"is no run{runs_in(path.parent)}"


def runs_in(parent: Path) -> str:
    others = sorted(path.name for path in parent.iterdir() if is_run(path)) if parent.is_dir() else []
    return f"; {parent} has {', '.join(others[-5:])}" if others else ""
