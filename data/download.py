"""Fetching a file once, over https, and checking that it is the right one."""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from data.disk import file_sha256
from data.errors import InputError

TIMEOUT_SECONDS = 20


def fetch(url: str, sha256: str, path: Path) -> Path:
    """Makes sure that ``path`` holds the file with this sha256; downloads it where it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, open(part, "wb") as file:
                while chunk := response.read(1 << 20):
                    file.write(chunk)
            if file_sha256(part) == sha256:
                part.replace(path)
            else:
                raise InputError(f"{url} sent another file than expected; try again, or put the right one at {path}")
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            remedy = f"without a network, put the file at {path}"
            raise InputError(f"could not download {url} ({reason}); {remedy}") from None
        finally:
            part.unlink(missing_ok=True)
    found = file_sha256(path)
    if found != sha256:
        raise InputError(f"{path} is not the file expected from {url} (sha256 {found}); delete it and try again")
    return path
