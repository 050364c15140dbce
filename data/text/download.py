"""Files from the network, fetched once: from the Hugging Face Hub by ``huggingface_hub``, from elsewhere by ``pooch``.

How bytes come is theirs: tries, redirects, proxies, mirrors, offline mode. Ours is where the files lie, that one
process fetches them, that they are what they must be, and that every failure is one line.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common.atomic import file_sha256, lock_of, locked, move, read_json, replace_durably
from common.errors import InputError, reason_of
from common.progress import Progress, silent

CHUNK = 1 << 20
TIMEOUT_SECONDS = 20  # without a byte
TRIES_AGAIN = 2
NOTED = 16 << 20  # bytes; smaller files are hashed at every start, which takes no time


def megabytes(n: int) -> str:
    """A number of bytes as people read it."""
    return f"{n / 1e9:,.1f} GB" if n >= 1e9 else f"{n / 1e6:,.1f} MB"


class Bar:
    """What both libraries take for a progress bar of tqdm. It reports how many bytes have come, and draws nothing."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self.report, self.done, self.total = report, 0, 0

    def __call__(self, **_: object) -> "Bar":  # huggingface_hub calls a class to make its bar
        return self

    def __enter__(self) -> "Bar":
        return self

    def update(self, n: int) -> None:
        self.done += n
        self.report(self.done)

    def reset(self) -> None:
        self.done = 0

    def nothing(self, *_: object, **__: object) -> None: ...

    __exit__ = close = update_transfer = set_postfix_str = set_transfer_postfix_str = nothing


@dataclass(frozen=True)
class WebFile:
    """A file at an address: its path below the folder of downloads, its bytes, its sha256."""

    url: str
    path: str
    size: int
    sha256: str

    def download(self, folder: Path, bar: Bar) -> Path:
        """The path in ``folder`` where it lies now; raises pooch's errors, also for a file with another sha256."""
        import pooch

        pooch.get_logger().setLevel("ERROR")
        name = Path(self.path).name
        one = pooch.create(folder, "", registry={name: self.sha256}, urls={name: self.url}, retry_if_failed=TRIES_AGAIN)
        # pyrefly: ignore [bad-argument-type] pooch's own types do not know its downloaders
        return Path(one.fetch(name, downloader=pooch.HTTPDownloader(bar, CHUNK, timeout=TIMEOUT_SECONDS)))


@dataclass(frozen=True)
class HubFile:
    """The file ``name`` of a dataset on the Hub, at one revision: its path below the folder of downloads, its bytes,
    its sha256. Without a sha256, the one that the Hub declares is demanded, and ``size`` is about right.
    """

    dataset: str
    revision: str
    name: str
    path: str
    size: int
    sha256: str | None = None

    @property
    def url(self) -> str:
        hub = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
        return f"{hub}/datasets/{self.dataset}/resolve/{self.revision}/{self.name}"

    def download(self, folder: Path, bar: Bar) -> Path:
        """The path in ``folder`` to which it was brought; raises what the library raises, ValueError if it is wrong."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, logging

        logging.set_verbosity_error()
        where = {"repo_type": "dataset", "revision": self.revision}
        expected = self.sha256 or get_hf_file_metadata(hf_hub_url(self.dataset, self.name, **where)).etag
        # pyrefly: ignore [no-matching-overload] a bar that exists instead of the class of one
        path = Path(hf_hub_download(self.dataset, self.name, **where, local_dir=folder, tqdm_class=bar))
        if (found := file_sha256(path)) != expected:
            raise ValueError(f"another file came: sha256 {found} instead of {expected}")
        return path


Remote = WebFile | HubFile


def fetch_all(name: str, remotes: Sequence[Remote], folder: Path, progress: Progress = silent) -> list[Path]:
    """The paths of these files below ``folder``, to which the missing ones are downloaded by one process at a time.

    Raises InputError where one cannot be had, or is not what it must be.
    """
    paths = [folder / remote.path for remote in remotes]
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"waiting for another process that downloads {name}"
        with locked(lock_of(folder / name), lambda: progress(waiting, 0, None)):
            missing = [remote for remote, path in zip(remotes, paths, strict=True) if not path.exists()]
            if missing:
                download(name, missing, folder, progress)
    for remote, path in zip(remotes, paths, strict=True):
        check(remote, path)
    return paths


def download(name: str, remotes: Sequence[Remote], folder: Path, progress: Progress) -> None:
    """Brings files into ``folder``; each gets its name there once it is whole and right."""
    total, before = sum(remote.size for remote in remotes), 0
    files = f"{len(remotes)} file{'s' if len(remotes) > 1 else ''}"
    progress(f"downloading {name}: {megabytes(total)} in {files} to {folder}", 0, total)
    free = shutil.disk_usage(folder).free
    if total > free:
        raise InputError(
            f"{name} needs {megabytes(total)} in {folder}, where {megabytes(free)} are free; make room there, or give "
            "another folder with cache=..."
        )

    def report(before: int, done: int) -> None:
        progress(f"downloading {name}", min(before + done, total), total)

    incoming = folder / f".{name}.incoming"
    shutil.rmtree(incoming, ignore_errors=True)  # of a process that was killed: who is here holds the lock
    try:
        for remote in remotes:
            bring(remote, incoming, folder / remote.path, Bar(partial(report, before)))
            before += remote.size
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def bring(remote: Remote, incoming: Path, path: Path, bar: Bar) -> None:
    """Downloads a file into ``incoming`` and moves it to ``path``."""
    try:
        came = remote.download(incoming, bar)
    except Exception as error:  # the libraries' errors, and those of what they use, have no base in common
        raise InputError(
            f"could not download {remote.url} ({reason_of(error)}); try again, or put the right file at {path}"
        ) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    move(came, path)


def check(remote: Remote, path: Path) -> str:
    """The sha256 of a file that is there; raises InputError where it is not the expected one.

    ``NAME.sha256`` notes it with the file's size and time, so that a large file is not read again while these stay, and
    one without a known sha256 must stay what it was.
    """
    note = path.with_name(f"{path.name}.sha256")
    noted, stamp = read_json(note), [path.stat().st_size, path.stat().st_mtime_ns]
    found = noted["sha256"] if noted.get("stamp") == stamp else file_sha256(path)
    if found != (remote.sha256 or noted.get("sha256", found)):
        meant = "" if remote.sha256 else f", or delete {note} if the change is meant"
        raise InputError(
            f"{path} is not the file expected from {remote.url} (sha256 {found}); delete it and try again{meant}"
        )
    if noted.get("stamp") != stamp and (stamp[0] >= NOTED or not remote.sha256):
        with suppress(OSError):  # where nothing can be written, it is read again next time
            replace_durably(note, json.dumps({"sha256": found, "stamp": stamp}).encode())
    return found
