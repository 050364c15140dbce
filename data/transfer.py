"""One file on its way over https, by as many answers of its server as it takes.

What has arrived stays in ``NAME.part`` and is continued, also after a kill and by another process; ``NAME.part.json``
says what it is a part of. The file gets its name once it is whole and its sha256 is right.
"""

import http.client
import json
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from data.disk import file_sha256, read_json, replace_durably
from data.errors import InputError

Progress = Callable[[str, int, int | None], None]  # what is being done, bytes so far (0: it begins), in all if known

TIMEOUT_SECONDS = 20  # without a byte
PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds before the next try, while tries bring nothing
PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses that may be others a moment later
CHUNK = 1 << 20
HERE = ("localhost", "127.0.0.1", "::1")
FAULTS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError)


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def require_room(folder: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{what} needs {megabytes(needed)} in {folder}, where {megabytes(free)} are free; make room there, or give "
            "another folder with cache=..."
        )


def megabytes(n: int) -> str:
    """A number of bytes as people read it."""
    return f"{n / 1e9:,.1f} GB" if n >= 1e9 else f"{n / 1e6:,.1f} MB"


class Transfer:
    """One file on its way: the part that is here, and what it is a part of."""

    def __init__(self, url: str, sha256: str | None, path: Path, size: int | None, progress: Progress) -> None:
        self.url, self.sha256, self.path, self.size, self.progress = url, sha256, path, size, progress
        self.part = part_of(path)
        self.about_path = path.with_name(f"{path.name}.part.json")
        self.about = read_json(self.about_path)
        self.identity = sha256 or url  # one file may have several addresses
        if self.about.get("identity") != self.identity or not self.part.is_file():
            self.forget()

    def forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.about_path.unlink(missing_ok=True)
        self.about = {}

    @property
    def have(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def run(self) -> str:
        """Brings the file to its place and returns its sha256; raises InputError where that cannot be done."""
        continued = self.have > 0
        self.transfer()
        found, expected = file_sha256(self.part), self.sha256 or self.about.get("sha256")
        if continued and expected and found != expected:  # these may be parts of two files
            self.forget()
            self.transfer()
            found = file_sha256(self.part)
        if expected and found != expected:
            self.forget()
            raise InputError(
                f"{self.url} sent another file than expected (sha256 {found}); try again, or put the right one at "
                f"{self.path}"
            )
        with open(self.part, "r+b") as file:  # Windows flushes no file that was opened for reading
            os.fsync(file.fileno())
        self.part.replace(self.path)
        self.about_path.unlink(missing_ok=True)
        return found

    def transfer(self) -> None:
        """Tries until all bytes are there; a try that brings none is followed by a pause, and some such by the end."""
        most, fruitless, reached = self.have, 0, False
        while True:
            try:
                self.take_answer()
                return
            except urllib.error.HTTPError as error:
                reason, reached = f"the server says {error.code} {error.reason}", True
                error.close()
                if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    self.forget()
                elif error.code not in PASSING:
                    self.give_up(reason)
            except FAULTS as error:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
                reached = reached or not isinstance(error, urllib.error.URLError)
                if not reached:  # no server, or no network: waiting for seconds does not mend that
                    self.give_up(reason)
            fruitless = 0 if self.have > most else fruitless + 1
            most = max(most, self.have)
            if fruitless > len(PAUSES):
                self.give_up(reason)
            time.sleep(PAUSES[max(fruitless - 1, 0)])

    def give_up(self, reason: str) -> None:
        kept = f"; the {megabytes(self.have)} that came are kept and continued next time" if self.have else ""
        raise InputError(
            f"could not download {self.url} ({reason}){kept}; without a network, put the file at {self.path}"
        )

    def take_answer(self) -> None:
        """Asks for what is missing and appends what comes; raises one of FAULTS where that is not all."""
        provable = self.sha256 or self.about.get("sha256") or self.about.get("etag")
        if not provable:
            self.forget()
        have, whole = self.have, self.about.get("size")
        if have and have == whole:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and self.about.get("etag"):
            headers["If-Range"] = self.about["etag"]  # if it is another file by now, send all of that
        with ask(self.url, headers) as answer:
            if answer.start and (answer.start, answer.size) != (have, whole):
                self.forget()
                raise ConnectionError("the file has changed meanwhile")
            require_room(self.part.parent, (answer.size or self.size or 0) - answer.start, self.url)
            if not answer.start:
                self.begin(answer)
            have, whole = answer.start, self.about["size"]
            with open(self.part, "ab") as file:
                while chunk := answer.read():  # what came before a fault counts
                    file.write(chunk)
                    have += len(chunk)
                    self.progress(f"downloading {self.path.name}", have, whole)
        if whole is not None and have < whole:
            raise ConnectionError(f"the connection was cut after {have:,} of {whole:,} bytes")

    def begin(self, answer: "Answer") -> None:
        """Takes down which file this is the beginning of, having looked whether it can be the right one."""
        wrong = answer.size is not None and self.size is not None and answer.size != self.size
        if wrong or (self.sha256 and answer.sha256 and answer.sha256 != self.sha256):
            is_now = f"{answer.size:,} bytes instead of {self.size:,}" if wrong else f"sha256 {answer.sha256}"
            raise InputError(f"{self.url} is another file than expected ({is_now}); put the right one at {self.path}")
        self.forget()  # not before: what is here may be part of the right file, and this a page of some proxy
        size = self.size if answer.size is None else answer.size
        self.about = {"identity": self.identity, "size": size, "etag": answer.etag, "sha256": answer.sha256}
        replace_durably(self.about_path, json.dumps(self.about).encode())
        self.part.touch()


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone, and keeps what Hugging Face says of a file where it points to its storage."""

    def __init__(self) -> None:
        self.linked: dict[str, str] = {}

    def redirect_request(self, request, file, code, message, headers, new_url):
        require_https(new_url)
        self.linked |= {key: headers[key] for key in ("X-Linked-Etag", "X-Linked-Size") if headers[key]}
        followed = super().redirect_request(request, file, code, message, headers, new_url)
        followed.method = request.get_method()  # Python 3.11 would ask for all of a file where its size was asked for
        return followed


class Answer:
    """An open response: where its bytes begin, how many the whole file has, and what identifies it."""

    def __init__(self, response: http.client.HTTPResponse, linked: Mapping[str, str]) -> None:
        headers = response.headers
        self.response, self.start = response, 0
        size = linked.get("X-Linked-Size") or headers["X-Linked-Size"] or headers["Content-Length"]
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers["Content-Range"] or "")
            if not found:
                raise http.client.HTTPException(f"part of a file, but which? {headers['Content-Range']}")
            self.start, size = int(found[1]), found[2]
        self.size = int(size) if size and size.isdigit() else None
        # Only this header is a sha256: an ETag of 64 digits may be the hash of something else.
        declared = (linked.get("X-Linked-Etag") or headers["X-Linked-Etag"] or "").strip('"')
        self.sha256 = declared if re.fullmatch("[0-9a-f]{64}", declared) else None
        etag = headers["ETag"]
        self.etag = etag if etag and not etag.startswith("W/") else None  # a weak one does not promise the same bytes

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()

    def read(self) -> bytes:
        """What has come since; empty at the end."""
        with network():
            return self.response.read1(CHUNK)


def size_of(url: str) -> int | None:
    """The bytes of a file, as its server declares them; None where it does not, or cannot be asked."""
    try:
        with ask(url, {}, method="HEAD") as answer:
            return answer.size
    except FAULTS:
        return None


def ask(url: str, headers: Mapping[str, str], method: str = "GET") -> Answer:
    require_https(url)
    redirects = Redirects()
    request = urllib.request.Request(url, headers={"User-Agent": "lookback", **headers}, method=method)
    with network():
        try:
            response = urllib.request.build_opener(redirects).open(request, timeout=TIMEOUT_SECONDS)
        except ValueError as error:
            raise InputError(f"{url}: its server points to an address that is none ({error})") from None
    return Answer(response, redirects.linked)


@contextmanager
def network() -> Iterator[None]:
    """Makes what the system says of a network, such as "No route to host", one of FAULTS, and of them alone."""
    try:
        yield
    except FAULTS:
        raise
    except OSError as error:
        raise ConnectionError(error.strerror or str(error)) from None


def require_https(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in HERE):
        raise InputError(f"{url}: only https is fetched")
