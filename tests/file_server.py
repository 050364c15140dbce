"""A server on this machine for tests of downloads: an ordinary one and the Hub, with every fault of a network."""

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from data.text.download import HubFile, WebFile

CONTENT = bytes(range(256)) * 4_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOME = 100_000
REVISION = "0123456789" * 4
TIMEOUT_SECONDS = 0.3


@dataclass
class Server:
    """Serves ``content`` at every address, each GET by the next of ``faults``, then by ``afterwards``.

    A fault is None, an HTTP status, or "cut", "stall" or "trickle" after some of the content. ``asked`` keeps the Range
    of every GET. ``declared`` is the sha256 that a HEAD declares, as the Hub does.
    """

    content: bytes = CONTENT
    faults: list = field(default_factory=list)
    afterwards: object = None
    declared: str = SHA256
    asked: list = field(default_factory=list)

    def __enter__(self) -> "Server":
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.headers["Range"])
                server.answer(self, server.faults.pop(0) if server.faults else server.afterwards)

            def do_HEAD(self) -> None:
                server.answer(self, server.afterwards if isinstance(server.afterwards, int) else None)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def web_file(self, path: str = "file") -> WebFile:
        """The file that it serves at first."""
        return WebFile(f"{self.endpoint}/{path}", path, len(self.content), hashlib.sha256(self.content).hexdigest())

    def answer(self, request: BaseHTTPRequestHandler, fault: object) -> None:
        if isinstance(fault, int):
            request.send_error(fault)
            return
        start = int((request.headers["Range"] or "bytes=0-")[6:-1])
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(self.content) - start))
        request.send_header("ETag", f'"{self.declared}"')
        request.send_header("X-Repo-Commit", REVISION)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        request.end_headers()
        if request.command == "GET":
            self.send(request, self.content[start:], fault)

    def send(self, request: BaseHTTPRequestHandler, data: bytes, fault: object) -> None:
        request.close_connection = True
        try:
            if fault in ("cut", "stall"):
                data = data[:SOME]
            for i in range(0, len(data), 1 << 18):
                request.wfile.write(data[i : i + (1 << 18)])
                if fault == "trickle":
                    time.sleep(TIMEOUT_SECONDS / 3)
            request.wfile.flush()
            if fault == "stall":
                time.sleep(3 * TIMEOUT_SECONDS)
        except OSError:
            pass  # the other side did not wait


def hub_file(path: str = "file", sha256: str | None = SHA256) -> HubFile:
    return HubFile("someone/a-corpus", REVISION, f"data/{path}", path, len(CONTENT), sha256)
