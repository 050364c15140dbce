"""Files from a network that fails in every way: what arrives is right, and nothing else looks as if it were."""

import hashlib
import http.client
import json
import multiprocessing
import os
import re
from pathlib import Path
from unittest.mock import patch

import pytest

from benchmarks.downloads import CONTENT, FAULTS, QUICK, SHA256, SOME, Server, changing, play
from data import InputError
from data.download import Remote, fetch, fetch_all, note_of

ERRORS = {
    "it is cut every time, without Range": r"cut after 100,000 of 1,024,000 bytes\); the 0.1 MB that came are kept",
    "503 for good": r"could not download .*503 Service Unavailable.* put the file at FOLDER/file",
    "404": r"could not download .*404 Not Found.* put the file at FOLDER/file",
    "another file": r"sent another file than expected \(sha256 \w{64}\); try again, or put the right one at",
    "another size": r"another file than expected \(1,023,999 bytes instead of 1,024,000\)",
    "another file from the second try on": r"sent another file than expected",
    "no server": r"could not download .*refused.* put the file at FOLDER/file",
    "the disk is too small": r"needs 1.0 MB in FOLDER, where 0.0 MB are free; make room there",
}
OTHER = CONTENT[::-1]


@pytest.fixture(autouse=True)
def quick():
    with patch.multiple("data.transfer", **QUICK):
        yield


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_the_right_file_or_in_one_line_that_says_what_to_do(tmp_path, fault):
    message, left, _ = play(fault, tmp_path)
    if fault in ERRORS:
        assert re.search(ERRORS[fault], message), message
        assert "\n" not in message
        assert left == (["file.part", "file.part.json"] if "kept" in message else [])
    else:
        assert (message, left) == ("", ["file"])
        assert (tmp_path / "file").read_bytes() == CONTENT


def test_what_is_there_already_is_not_asked_for_again(tmp_path, server):
    path = tmp_path / "file"
    server.faults = ["cut", *[404] * 9]
    with pytest.raises(InputError, match=r"404 .* the 0.1 MB that came are kept and continued next time"):
        fetch(server.url, SHA256, path)
    server.faults.clear()
    fetch(server.url, SHA256, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={SOME}-", f"bytes={SOME}-"]
    fetch("https://nowhere.invalid/file", SHA256, path)


def test_a_page_of_some_proxy_does_not_cost_what_is_there(tmp_path, server):
    path = tmp_path / "file"
    server.faults = ["cut", *[404] * 9]
    with pytest.raises(InputError, match="kept"):
        fetch(server.url, SHA256, path, len(CONTENT))
    before = (tmp_path / "file.part").read_bytes()
    server.faults.clear()
    with (
        patch.object(server, "content", b"please log in"),
        pytest.raises(InputError, match="another file than expected"),
    ):
        fetch(server.url, SHA256, path, len(CONTENT))
    assert (tmp_path / "file.part").read_bytes() == before
    server.faults.clear()
    assert fetch(server.url, SHA256, path, len(CONTENT)).read_bytes() == CONTENT


def test_a_network_that_goes_away_is_a_fault_like_others(tmp_path, server):
    path, answers = tmp_path / "file", [OSError(113, "No route to host")]
    read1 = http.client.HTTPResponse.read1

    def sometimes(self, *size: int) -> bytes:
        if answers:
            raise answers.pop()
        return read1(self, *size)

    with patch.object(http.client.HTTPResponse, "read1", sometimes):
        assert fetch(server.url, SHA256, path).read_bytes() == CONTENT


def test_a_right_file_in_a_folder_that_cannot_be_written_is_used(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    full = OSError(30, "Read-only file system")
    with patch("data.download.REMEMBERED", 0), patch("data.download.replace_durably", side_effect=full):
        assert fetch("https://nowhere.invalid/file", SHA256, path) == path
        with pytest.raises(OSError, match="Read-only"):
            fetch("https://nowhere.invalid/file", None, path)


def kill_while_it_comes(url: str, path: Path) -> None:
    def die(_: str, done: int, __: int | None) -> None:
        if done >= SOME:
            os._exit(9)

    fetch(url, SHA256, path, progress=die)


def test_a_killed_download_goes_on_where_it_was(tmp_path, server):
    server.faults = ["trickle"]
    process = multiprocessing.get_context("fork").Process(
        target=kill_while_it_comes, args=(server.url, tmp_path / "file")
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    fetch(server.url, SHA256, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert int(server.asked[1][6:-1]) >= SOME
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_part_of_another_file_is_not_gone_on_with(tmp_path, server):
    server.faults = ["cut", 404]
    with pytest.raises(InputError):
        fetch(server.url, hashlib.sha256(OTHER).hexdigest(), tmp_path / "file")
    fetch(server.url, SHA256, tmp_path / "file")
    assert server.asked[-1] is None


def test_parts_of_two_files_are_found_out_and_fetched_anew(tmp_path, server):
    server.headers["ETag"] = None  # so that nothing says that the file is another one by now
    server.content, server.faults = OTHER, ["cut", 404]
    with pytest.raises(InputError):
        fetch(server.url, SHA256, tmp_path / "file")
    server.content = CONTENT
    fetch(server.url, SHA256, tmp_path / "file")
    assert server.asked == [None, f"bytes={SOME}-", f"bytes={SOME}-", None]


def test_a_file_that_changes_between_tries_is_begun_anew(tmp_path, server):
    server.faults = ["cut", changing(server)]
    fetch(server.url, None, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == OTHER


def test_without_any_mark_of_the_file_nothing_is_gone_on_with(tmp_path, server):
    server.headers["ETag"] = None
    server.faults = ["cut"]
    fetch(server.url, None, tmp_path / "file")
    assert server.asked == [None, None]


def test_the_hash_that_the_server_declares_is_demanded(tmp_path, server):
    server.headers["X-Linked-Etag"] = f'"{SHA256}"'
    fetch(server.url, None, tmp_path / "right")
    server.content = OTHER
    with pytest.raises(InputError, match="sent another file than expected"):
        fetch(server.url, None, tmp_path / "wrong")
    with pytest.raises(InputError, match=rf"is another file than expected \(sha256 {SHA256}\)"):
        fetch(server.url, hashlib.sha256(OTHER).hexdigest(), tmp_path / "known to be another")
    assert not (tmp_path / "wrong").exists()


def test_a_file_without_a_known_hash_must_stay_what_it_was(tmp_path, server):
    path = fetch(server.url, None, tmp_path / "file")
    path.touch()
    fetch(server.url, None, path)
    path.write_bytes(OTHER)
    with pytest.raises(InputError, match=r"is not what came from .* any more"):
        fetch(server.url, None, path)
    note_of(path).unlink()
    fetch(server.url, None, path)


def test_a_large_file_is_hashed_once_until_it_changes(tmp_path, server, monkeypatch):
    monkeypatch.setattr("data.download.REMEMBERED", 1)
    path = fetch(server.url, SHA256, tmp_path / "file")
    with patch("data.download.file_sha256", side_effect=AssertionError("read again")):
        fetch(server.url, SHA256, path)
    path.write_bytes(OTHER)
    with pytest.raises(InputError, match="is not the file expected"):
        fetch(server.url, SHA256, path)


def fetch_counting(url: str, path: Path, answers: object) -> None:
    said = []
    fetch(url, SHA256, path, progress=lambda text, *_: said.append(text))
    answers.put(any("waiting for another process" in text for text in said))


def test_two_processes_fetch_a_file_once(tmp_path, server):
    server.afterwards = "trickle"
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    both = [context.Process(target=fetch_counting, args=(server.url, tmp_path / "file", answers)) for _ in range(2)]
    for process in both:
        process.start()
    assert sorted(answers.get() for _ in both) == [False, True]
    for process in both:
        process.join()
    assert len(server.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_size_of_all_is_said_before_the_first_byte(tmp_path, server):
    said = []
    remotes = [Remote(server.url, "a/one", len(CONTENT), SHA256), Remote(server.url, "a/two")]
    fetch_all("it", remotes, tmp_path, lambda *now: said.append((now, len(server.asked))))
    assert said[0] == ((f"downloading it: 2.0 MB in 2 files to {tmp_path}", 0, 2 * len(CONTENT)), 0)
    done = [now[1] for now, _ in said]
    assert done == sorted(done)
    assert said[-1][0] == ("downloading it", 2 * len(CONTENT), 2 * len(CONTENT))
    fetch_all("it", remotes, tmp_path, pytest.fail)


def test_only_https_is_fetched_and_only_to_https_is_a_redirect_followed(tmp_path, server):
    with pytest.raises(InputError, match=r"http://example.com/file: only https is fetched"):
        fetch("http://example.com/file", SHA256, tmp_path / "file")

    with patch.object(server, "answer", lambda request: redirect(request, "http://example.com/file")):  # noqa: SIM117
        with pytest.raises(InputError, match=r"http://example.com/file: only https is fetched"):
            fetch(server.url, SHA256, tmp_path / "file")


def redirect(request: object, url: str, **headers: str) -> None:
    request.send_response(302)
    for key, value in {"Location": url, "Content-Length": 0, **headers}.items():
        request.send_header(key, value)
    request.end_headers()


def test_a_mirror_of_hugging_face_is_asked_and_what_it_says_on_the_way_counts(tmp_path, server, monkeypatch):
    storage = Server(content=OTHER)
    declared = {"X-Linked-Etag": f'"{SHA256}"', "X-Linked-Size": str(len(CONTENT))}
    monkeypatch.setenv("HF_ENDPOINT", server.url.removesuffix("/file") + "/")
    with storage, patch.object(server, "answer", lambda request: redirect(request, storage.url, **declared)):
        remote = Remote("https://huggingface.co/datasets/a/b/resolve/main/c.txt", "c.txt")
        with pytest.raises(InputError, match="sent another file than expected"):
            fetch_all("it", [remote], tmp_path)
        storage.content, storage.faults = CONTENT, ["cut"]
        assert fetch_all("it", [remote], tmp_path)[0].read_bytes() == CONTENT
    assert storage.asked[-1] == f"bytes={SOME}-"
    assert json.loads(note_of(tmp_path / "c.txt").read_text())["sha256"] == SHA256
