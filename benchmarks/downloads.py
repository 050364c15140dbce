"""What becomes of a download when the network or the server fails: ``python -m benchmarks.downloads``

Every fault is played by a server on this machine; the table says what happened, what is left on the disk, and what the
user reads. ``tests/data/test_download.py`` demands the same.
"""

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

from data import InputError
from data.download import fetch

CONTENT = bytes(range(256)) * 4_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOME = 100_000
TIMEOUT_SECONDS = 0.3
QUICK = {"PAUSES": (0.0, 0.01, 0.01, 0.01), "TIMEOUT_SECONDS": TIMEOUT_SECONDS}


@dataclass
class Server:
    """Serves ``content`` at every address, each request by the next of ``faults``, then by ``afterwards``.

    A fault is None, an HTTP status, "cut" or "stall" after some of what is to be sent, "trickle", or a function to
    call before the answer. ``asked`` keeps the Range of every request.
    """

    content: bytes = CONTENT
    faults: list = field(default_factory=list)
    afterwards: object = None
    ranges: bool = True
    headers: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def __enter__(self) -> "Server":
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def do_HEAD(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/file"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        fault = self.afterwards
        if request.command == "GET":
            self.asked.append(request.headers["Range"])
            fault = self.faults.pop(0) if self.faults else self.afterwards
        if isinstance(fault, int):
            request.send_error(fault)
            return
        if callable(fault):
            fault()
        etag = f'"{hashlib.md5(self.content).hexdigest()}"'
        start = int((request.headers["Range"] or "bytes=0-")[6:-1]) if self.ranges else 0
        if request.headers["If-Range"] not in (None, etag):
            start = 0
        if start >= len(self.content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        for key, value in {"Content-Length": len(self.content) - start, "ETag": etag, **self.headers}.items():
            if value is not None:
                request.send_header(key, str(value))
        request.end_headers()
        if request.command == "GET":
            self.send(request, self.content[start:], fault)

    def send(self, request: BaseHTTPRequestHandler, data: bytes, fault: object) -> None:
        try:
            if fault == "trickle":
                for i in range(0, len(data), 1 << 18):
                    request.wfile.write(data[i : i + (1 << 18)])
                    time.sleep(TIMEOUT_SECONDS / 3)
                return
            request.wfile.write(data[:SOME] if fault in ("cut", "stall") else data)
            request.wfile.flush()
            if fault == "stall":
                time.sleep(3 * TIMEOUT_SECONDS)
        except OSError:
            pass  # the other side did not wait
        request.close_connection = True


def changing(server: Server) -> Callable[[], None]:
    """The file is another one from now on."""

    def change() -> None:
        server.content = CONTENT[::-1]

    return change


def small_disk() -> object:
    free = type("Usage", (), {"free": 1000})
    return patch("shutil.disk_usage", lambda _: free)


FAULTS: dict[str, Callable[[], Server]] = {
    "none": Server,
    "the connection is cut once": lambda: Server(faults=["cut"]),
    "it is cut every time": lambda: Server(afterwards="cut"),
    "it is cut every time, without Range": lambda: Server(afterwards="cut", ranges=False),
    "it is cut once, without Range": lambda: Server(faults=["cut"], ranges=False),
    "the server falls silent once": lambda: Server(faults=["stall"]),
    "the server is slow": lambda: Server(afterwards="trickle"),
    "503 twice, then fine": lambda: Server(faults=[503, 503]),
    "503 for good": lambda: Server(afterwards=503),
    "404": lambda: Server(afterwards=404),
    "another file": lambda: Server(content=CONTENT[::-1]),
    "another size": lambda: Server(content=CONTENT[:-1]),
    "another file from the second try on": lambda: Server(faults=["cut"]),
    "no server": Server,
    "the disk is too small": Server,
}


def play(fault: str, folder: Path) -> tuple[str, list[str], Server]:
    """What the user reads (nothing when all is well), which files are left, and the server as it was left."""
    path = folder / "file"
    server = FAULTS[fault]()
    message = ""
    with patch.multiple("data.transfer", **QUICK), server:
        url = "http://127.0.0.1:9/file" if fault == "no server" else server.url
        if fault == "another file from the second try on":
            server.faults.append(changing(server))
        try:
            if fault == "the disk is too small":
                with small_disk():
                    fetch(url, SHA256, path, len(CONTENT))
            else:
                fetch(url, SHA256, path, len(CONTENT))
        except InputError as error:
            message = str(error).replace(url, "URL").replace(str(folder), "FOLDER")
    return message, sorted(path.name for path in folder.iterdir()), server


def main() -> None:
    print("| fault | requests | left on the disk | what the user reads |\n|---|---|---|---|")
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as name:
            message, left, server = play(fault, Path(name))
        print(
            f"| {fault} | {len(server.asked)} | {', '.join(left) or 'nothing'} | {message or '(the file is right)'} |"
        )


if __name__ == "__main__":
    main()
