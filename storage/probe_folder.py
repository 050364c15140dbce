"""The folder that a probe writes: whether it may, and what an earlier probe that has written it was asked for."""

import json
from pathlib import Path

from common.errors import InputError
from storage.run import is_run

HEADS, PAIRS = "heads.json", "pairs.json"


def require_own(folder: Path) -> None:
    """Raises InputError where ``folder`` holds other things than an earlier probe's, which a probe might replace."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if is_run(folder) or (names and not names & {HEADS, PAIRS}):
        raise InputError(f"to={folder}: holds something else than a probe's files; give a new folder")


def asked_before(folder: Path) -> dict | None:
    """The settings of the probe whose heads.json is in ``folder``, by key; None where there is none that has them."""
    try:
        heads = json.loads((folder / HEADS).read_bytes())
        text = heads["text"] or {}
        return heads["model"]["asked"] | {
            "checkpoint": heads["model"]["checkpoint"],
            "text_file": (text.get("source") or {}).get("text_file"),
            "dynamics": bool(heads["dynamics"] or text.get("dynamics")),
            "circuits": any(task["sufficient"] for task in heads["tasks"].values()),
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def pairs_before(folder: Path) -> dict | None:
    """Which pairs the pairs.json in ``folder`` is of, and which model; None where there is none that says so."""
    try:
        return dict(json.loads((folder / PAIRS).read_bytes())["source"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
