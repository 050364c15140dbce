"""Files from a network that fails in every way: what arrives is right, and nothing else looks as if it were."""

import copy
import hashlib
import multiprocessing
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from file_server import CONTENT, SHA256, SOME, TIMEOUT_SECONDS, Server, hub_file
from huggingface_hub import hf_hub_url
from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

from common.errors import InputError, reason_of
from data.text.download import Bar, Remote, fetch_all

OTHER = CONTENT[::-1]
FAULTS = {  # what the server does, and what the user reads where the right file does not come
    "none": ({}, None),
    "the connection is cut once": ({"faults": ["cut"]}, None),
    "it is cut every time": ({"afterwards": "cut"}, {"web": "100000 bytes read", "hub": None}),
    "the server falls silent once": ({"faults": ["stall"]}, None),
    "the server is slow": ({"afterwards": "trickle"}, None),
    "503 for good": ({"afterwards": 503}, r"\b503 S"),
    "404": ({"afterwards": 404}, r"\b404 "),
    "another file": ({"content": OTHER}, "(does not match the known hash|another file came: sha256)"),
}


def wait_at_most(seconds: float, patch: pytest.MonkeyPatch) -> None:
    """For a byte of the server."""
    for setting in ("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", "data.text.download.TIMEOUT_SECONDS"):
        patch.setattr(setting, seconds)


@pytest.fixture
def server(monkeypatch):
    """Takes the part of the Hub, too; no library waits before it tries again, nor takes a busy machine for a fault."""
    with Server() as server:
        monkeypatch.setenv("HF_ENDPOINT", f"{server.endpoint}/")  # read by the library when it is imported, so
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            f"{server.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
        )
        monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", SOME // 2)
        wait_at_most(10, monkeypatch)
        hurried = SimpleNamespace(sleep=lambda _: None, time=time.time)
        for module in ("huggingface_hub.file_download", "huggingface_hub.utils._http", "pooch.core"):
            monkeypatch.setattr(f"{module}.time", hurried)
        yield server


@pytest.fixture(params=["web", "hub"])
def remote(request, server) -> Remote:
    return server.web_file() if request.param == "web" else hub_file()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_the_right_file_or_in_one_line_that_says_what_to_do(
    tmp_path, server, remote, fault, capfd, monkeypatch
):
    if "silent" in fault or "slow" in fault:
        wait_at_most(TIMEOUT_SECONDS, monkeypatch)
    changes, expected = copy.deepcopy(FAULTS[fault])
    vars(server).update(changes)
    if isinstance(expected, dict):
        expected = expected["hub" if remote == hub_file() else "web"]
    if expected is None:
        assert fetch_all("it", [remote], tmp_path) == [tmp_path / "file"]
        assert (tmp_path / "file").read_bytes() == CONTENT
        assert left_in(tmp_path) == ["file"]
    else:
        with pytest.raises(InputError) as caught:
            fetch_all("it", [remote], tmp_path)
        wanted = rf"could not download {re.escape(remote.url)} \(.*{expected}.*\); try again, or put the right file at "
        assert re.fullmatch(wanted + re.escape(str(tmp_path / "file")), str(caught.value)), str(caught.value)
        assert left_in(tmp_path) == []
    assert capfd.readouterr() == ("", ""), "neither library writes or draws beside the progress that we report"


def test_without_a_network_one_line_names_the_address_and_where_to_put_the_file(tmp_path, server, remote):
    server.__exit__()
    with pytest.raises(InputError, match=rf"{remote.url} \(\w+: \[Errno \d+\] Connection refused\); try .* {tmp_path}"):
        fetch_all("it", [remote], tmp_path)


def test_what_came_before_a_cut_is_continued_from_the_hub(tmp_path, server):
    server.faults = ["cut"]
    fetch_all("it", [hub_file()], tmp_path)
    assert server.asked == [None, f"bytes={SOME}-"]


def test_the_address_in_a_message_is_the_one_that_the_hub_is_asked_for(server):
    file = hub_file()
    assert file.url == hf_hub_url(file.dataset, file.name, repo_type="dataset", revision=file.revision)
    assert file.url.startswith(server.endpoint)


def test_offline_mode_of_the_hub_is_obeyed(tmp_path, server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="offline mode is enabled"):
        fetch_all("it", [hub_file()], tmp_path)
    assert server.asked == []


def test_a_library_that_is_not_installed_is_named(tmp_path, server, remote):
    library = "huggingface_hub" if remote == hub_file() else "pooch"
    with (
        patch.dict("sys.modules", {library: None}),
        pytest.raises(InputError, match=rf"needs: pip install {library}\)"),
    ):
        fetch_all("it", [remote], tmp_path)


def raised(error: Exception, *, cause: Exception | None = None, context: Exception | None = None) -> Exception:
    error.__cause__, error.__context__, error.__suppress_context__ = cause, context, cause is not None
    return error


def test_a_library_is_named_as_missing_only_where_that_is_why():
    missing = ModuleNotFoundError("No module named 'brotli'", name="brotli")
    assert reason_of(missing) == "that needs: pip install brotli"
    assert reason_of(raised(RuntimeError("no"), cause=missing)) == "that needs: pip install brotli"
    down = raised(ConnectionError("network is down"), context=missing)
    assert reason_of(down) == "ConnectionError: network is down"
    assert reason_of(raised(ValueError("no file"), cause=down)) == "ValueError: network is down"


def test_what_an_error_hides_is_not_its_reason():
    hides = raised(ValueError("the size is wrong"), context=KeyError("size"))
    hides.__suppress_context__ = True
    assert reason_of(hides) == "ValueError: the size is wrong"


def test_a_file_that_a_user_put_there_is_used_without_a_network(tmp_path, server, remote):
    (tmp_path / "file").write_bytes(CONTENT)
    fetch_all("it", [remote], tmp_path)
    assert server.asked == []
    (tmp_path / "file").write_bytes(OTHER)
    with pytest.raises(InputError, match=rf"file is not the file expected from {remote.url} \(sha256 \w+\); delete it"):
        fetch_all("it", [remote], tmp_path)
    assert (tmp_path / "file").read_bytes() == OTHER


def test_a_right_file_in_a_folder_that_cannot_be_written_is_used(tmp_path, server, remote):
    (tmp_path / "file").write_bytes(CONTENT)
    full = OSError(30, "Read-only file system")
    with patch("data.text.download.NOTED", 0), patch("data.text.download.replace_durably", side_effect=full):
        assert fetch_all("it", [remote], tmp_path) == [tmp_path / "file"]


def test_too_small_a_disk_is_one_line_before_anything_is_written(tmp_path, server, remote):
    with (
        patch("shutil.disk_usage", lambda _: SimpleNamespace(free=1000)),
        pytest.raises(InputError, match=r"it needs 1.0 MB in .*, where 0.0 MB are free; make room there"),
    ):
        fetch_all("it", [remote], tmp_path)
    assert left_in(tmp_path) == []


def killed_while_it_comes(remote: Remote, folder: Path) -> None:
    def die(_: str, done: int, __: int | None) -> None:
        if done >= SOME:
            os._exit(9)

    fetch_all("it", [remote], folder, die)


def test_a_killed_download_leaves_nothing_that_looks_whole_and_the_next_one_clears_up(tmp_path, server, remote):
    process = multiprocessing.get_context("fork").Process(target=killed_while_it_comes, args=(remote, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert not (tmp_path / "file").exists()
    fetch_all("it", [remote], tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["file"]


def fetch_listening(remote: Remote, folder: Path, waits: object, answers: object) -> None:
    """Who downloads goes on as soon as the other waits."""
    reports = []

    def progress(text: str, *_: object) -> None:
        reports.append(text)
        if "waiting for another process" in text:
            waits.set()
        else:
            waits.wait(60)

    fetch_all("it", [remote], folder, progress)
    answers.put(any("waiting for another process" in text for text in reports))


def test_two_processes_fetch_a_file_once(tmp_path, server, remote):
    context = multiprocessing.get_context("fork")
    waits, answers = context.Event(), context.Queue()
    both = [context.Process(target=fetch_listening, args=(remote, tmp_path, waits, answers)) for _ in range(2)]
    for process in both:
        process.start()
    assert sorted(answers.get() for _ in both) == [False, True]
    for process in both:
        process.join()
    assert len(server.asked) == 1
    assert left_in(tmp_path) == ["file"]


def test_the_size_of_all_is_reported_before_the_first_byte_and_then_what_has_come(tmp_path, server):
    reports, remotes = [], [server.web_file("a/one"), hub_file("a/two")]
    fetch_all("it", remotes, tmp_path, lambda *now: reports.append((now, len(server.asked))))
    assert reports[0] == ((f"downloading it: 2.0 MB in 2 files to {tmp_path}", 0, 2 * len(CONTENT)), 0)
    done = [now[1] for now, _ in reports[1:]]
    assert done[0] > 0, "0 would announce another download"
    assert done[-1] == 2 * len(CONTENT)
    assert all(text == "downloading it" and total == 2 * len(CONTENT) for (text, _, total), _ in reports[1:])
    fetch_all("it", remotes, tmp_path, pytest.fail)


def test_the_bar_is_what_the_hubs_own_transfer_reports_to():
    reports = []
    with XetDownloadProgressReporter(
        reconstruction_desc="it", total=9, log_level=30, tqdm_class=Bar(reports.append)
    ) as it:
        for done in (4, 9):
            report = {"total_bytes_completed": done, "total_transfer_bytes_completed": done + 1, "total_bytes": 9}
            rates = {"total_bytes_completion_rate": 1.0, "total_transfer_bytes_completion_rate": 1.0}
            it.update_progress(SimpleNamespace(**report, **rates))
    assert reports == [4, 9]


def test_a_hash_that_the_catalog_does_not_know_is_the_one_that_the_hub_declares(tmp_path, server):
    fetch_all("it", [hub_file("right", None)], tmp_path)
    server.content = OTHER
    with pytest.raises(InputError, match=f"sha256 {hashlib.sha256(OTHER).hexdigest()} instead of {SHA256}"):
        fetch_all("it", [hub_file("wrong", None)], tmp_path)
    assert not (tmp_path / "wrong").exists()


def test_a_file_without_a_known_hash_must_stay_what_it_was(tmp_path, server):
    (path,) = fetch_all("it", [hub_file(sha256=None)], tmp_path)
    path.touch()
    fetch_all("it", [hub_file(sha256=None)], tmp_path)
    path.write_bytes(OTHER)
    with pytest.raises(InputError, match=r"is not the file expected .* delete .*file.sha256 if the change is meant"):
        fetch_all("it", [hub_file(sha256=None)], tmp_path)
    (tmp_path / "file.sha256").unlink()
    fetch_all("it", [hub_file(sha256=None)], tmp_path)


def test_a_large_file_is_hashed_once_until_it_changes(tmp_path, server, remote, monkeypatch):
    monkeypatch.setattr("data.text.download.NOTED", 1)
    (path,) = fetch_all("it", [remote], tmp_path)
    with patch("data.text.download.file_sha256", side_effect=AssertionError("read again")):
        fetch_all("it", [remote], tmp_path)
    path.write_bytes(OTHER)
    with pytest.raises(InputError, match="is not the file expected"):
        fetch_all("it", [remote], tmp_path)
