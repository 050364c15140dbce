"""What a task is made of: templates, and words drawn for their slots."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from string import Formatter

from data.stories import lexicon
from data.stories.lexicon import Cast

Slots = dict[str, str]


@dataclass(frozen=True)
class Template:
    """One pattern for the stories of a task. A story is an opening and an ending; any opening goes with any ending.

    Openings and endings have slots. ``draw`` fills those that do not depend on the reference; ``words_for(slots,
    gold)`` the rest, when the story means the candidate in slot ``gold``: its ``key``, the one word that points to that
    candidate, and its ``answer``. ``{slot:subject}`` marks the grammatical subject of the opening. The slots
    ``pronoun``, ``cue``, ``chain``, ``answer`` and the two ``candidates`` are annotated. ``{gap}`` takes up to a few of
    ``gaps`` (after the opening, where it does not say). Slots that begin with a candidate's name and ``_`` go with it
    when two change places.

    The last opening and the last ending are never in training. ``questions``: how many more endings a story has in
    training, each with its own reference. A template that is not ``measured`` is auxiliary: it is trained on, but there
    are no cases of it. The candidates of one that is ``open`` can be words that training never has.
    """

    name: str
    key: str
    openings: Mapping[str, str]
    endings: Mapping[str, str]
    draw: Callable[[Random, Cast], Slots]
    words_for: Callable[[Slots, str], Slots]
    candidates: tuple[str, str] = ("first", "second")
    gaps: tuple[str, ...] = lexicon.GAPS
    questions: int = 0
    exchangeable: bool = True
    measured: bool = True
    open: bool = False
    change_attribute: Callable[[Random, Slots, str], Slots] | None = None
    n_choices: Callable[[Slots], int] = lambda slots: 2
    links: Callable[[str], Sequence[tuple[str, str]]] = lambda gold: ()

    def __post_init__(self) -> None:
        if self.measured and min(len(self.openings), len(self.endings)) < 3:
            raise ValueError(f"template {self.name!r}: needs at least 3 openings and 3 endings, one of each held out")

    @cached_property
    def opening_texts(self) -> dict[str, str]:
        """Openings with their gap, as ``str.format_map`` takes them."""
        with_gap = {name: text if "{gap}" in text else text + "{gap}" for name, text in self.openings.items()}
        return {name: text.replace(":subject", "") for name, text in with_gap.items()}

    @cached_property
    def trained_openings(self) -> tuple[str, ...]:
        """Those that training has."""
        return tuple(self.openings)[:-1]

    @cached_property
    def trained_endings(self) -> tuple[str, ...]:
        """Those that training has."""
        return tuple(self.endings)[:-1]

    def next_ending(self, ending: str, step: int) -> str:
        """The ending that training has ``step`` further on, round and round."""
        return self.trained_endings[(tuple(self.endings).index(ending) + step) % len(self.trained_endings)]

    def subject(self, opening: str) -> str | None:
        """The candidate slot that is the subject of an opening."""
        marked = [slot for _, slot, spec, _ in Formatter().parse(self.openings[opening]) if spec == "subject"]
        return marked[0] if marked else None

    def other(self, candidate: str) -> str:
        first, second = self.candidates
        return second if candidate == first else first


@dataclass(frozen=True)
class Task:
    """Stories about one kind of reference, with all that a page shows of it.

    ``question``: what has to be found out, in words. ``role``: the role of a head that looks in this task, by default
    the task's name. ``counterfactual_kind``: what changes with the key. ``share``: how often the stories occur.
    """

    name: str
    question: str
    counterfactual_kind: str
    templates: tuple[Template, ...]
    role: str = ""
    share: int = 1
