"""Handing a run's metrics to Weights & Biases; imported by train.py only where it is wanted."""

import os
import uuid
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, Literal

from common.atomic import replace_durably
from common.errors import InputError, first_line
from common.output import print_note
from storage.metrics import Row
from storage.run import PAGE

INIT_SECONDS = 20


class WandbSink:
    """A sink of ``storage.metrics``, which hands over the run's page, too, when training ends.

    Offline runs lie in ``RUN/wandb`` until ``wandb sync``; a resumed run goes on, all its parts under one id.
    """

    def __init__(self, run: Path, mode: Literal["online", "offline", "disabled"], project: str, config: dict) -> None:
        try:
            import wandb
        except ImportError:
            raise InputError("wandb is not installed; install it or give wandb.mode=disabled") from None
        try:
            wandb.Settings(project=project)
        except (wandb.errors.Error, ValueError) as error:
            raise InputError(f"wandb.project={project}: {first_line(error)}") from None
        if encodable(path := os.path.abspath(run)) != path:
            raise InputError(
                f"wandb.mode={mode}: wandb writes into no folder whose name is no UTF-8; "
                "give wandb.mode=disabled, or another name with run=..."
            )
        folder = run / "wandb"
        folder.mkdir(exist_ok=True)
        id_file = folder / "run_id"
        if not id_file.exists():
            replace_durably(id_file, uuid.uuid4().hex[:12].encode())
        self.html, self.page, self.step = wandb.Html, run / PAGE, 0
        self.lost = False  # whether it has failed to take something
        try:
            self.run = wandb.init(
                project=project,
                name=run.resolve().name,
                dir=path,  # absolute: a service that an earlier run has started may stand elsewhere
                id=id_file.read_text(encoding="utf-8"),
                resume="allow",  # also offline: by this ``wandb sync`` joins the parts of a resumed run
                config=encodable(config),
                mode=mode,
                settings=wandb.Settings(init_timeout=INIT_SECONDS, silent=True),
            )
        except Exception as error:  # errors of its service have no common base class
            remedy = "offline" if mode == "online" else "disabled"
            raise InputError(f"wandb.mode={mode}: {first_line(error)}; try wandb.mode={remedy}") from None

    def __call__(self, row: Row) -> None:
        self.step = row["step"]
        shown = {"sample": f"<pre>{escape(row['sample'])}</pre>"} if "sample" in row else {}
        self.log(row, shown)

    def log(self, row: Row, shown: dict[str, str], **how: bool) -> None:
        """A row, and what is ``shown`` as HTML, unless wandb has failed before: no run ends because its service has."""
        if self.lost:
            return
        try:
            pages = {key: self.html(page, **how) for key, page in shown.items()}
            self.run.log(row | pages, step=self.step)
        except Exception as error:  # the library's, or of the socket to its service
            self.lost = True
            print_note(f"wandb takes no more rows ({first_line(error)}); metrics.jsonl has them")

    def __enter__(self) -> "WandbSink":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if self.page.exists():  # as it is: its own rules allow no other style or script
            self.log({}, {"report": str(self.page)}, inject=False)
        with suppress(Exception):  # after which the next run of this process is another one in any case
            self.run.finish(exit_code=int(kind is not None))


def encodable(value: Any) -> Any:
    """A value of a configuration, with escapes for the bytes of a path that are no UTF-8."""
    if isinstance(value, dict):
        return {key: encodable(item) for key, item in value.items()}
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
