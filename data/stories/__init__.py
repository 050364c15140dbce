"""Stories: a corpus in which some words of every story can only be known by resolving a reference.

Everything follows from a seed, on every platform: the training text and the annotated cases that probing measures.
``python -m data.stories --show TASK --n N`` prints some, ``--cases N --split SPLIT`` writes them as JSON lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from data.stories.tasks import TASKS
from data.stories.writing import COUNTERFACTUAL_KINDS, GENERALISATION, SPLITS, cases, check_tasks, write
from data.text.corpora import ReadingOptions
from data.text.pieces import Piece

__all__ = ["COUNTERFACTUAL_KINDS", "GENERALISATION", "SPLITS", "TASKS", "Stories", "cases", "check_tasks", "write"]

GRAMMAR_VERSION = 7
MOST_STORIES = {"n_train": 100_000_000, "n_val": 1_000_000}  # hours of writing, and of each evaluation


@dataclass(frozen=True)
class Stories(ReadingOptions):
    """The stories as a corpus: ``n_train`` to train on; ``n_val`` of the *select* split as its validation text.

    ``tasks``: the tasks that the stories belong to, by default all.
    """

    name: Literal["stories"] = "stories"
    n_train: int = 150_000
    n_val: int = 1_000
    seed: int = 0
    tasks: tuple[str, ...] | None = None
    start: ClassVar[str] = " "

    def __post_init__(self) -> None:
        if self.tasks is None:
            object.__setattr__(self, "tasks", tuple(TASKS))
        else:
            check_tasks(self.tasks)
        for name, most in MOST_STORIES.items():
            if not 1 <= vars(self)[name] <= most:
                raise ValueError(f"{name}={vars(self)[name]}: must be 1 to {most:,}")

    @property
    def posed(self) -> tuple[str, ...]:
        """``tasks``, whose None stands for all."""
        return self.tasks or tuple(TASKS)

    def fingerprint(self, cache: object, progress: object) -> dict:
        settings = [self.n_train, self.n_val, self.seed, list(self.posed)]
        return {"corpus": self.name, "grammar": GRAMMAR_VERSION, "settings": settings}

    def pieces(self, cache: object, counts: object, total: object, progress: object) -> Iterator[tuple[str, Piece]]:
        for label, split, n in (("train", "train", self.n_train), ("val", "select", self.n_val)):
            for story in write(split, n, self.seed, self.posed):
                yield label, Piece(self.start + story, ends_document=True)

    def total_bytes(self, cache: object, progress: object) -> None:
        return None
