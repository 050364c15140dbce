"""What a claim is and what measuring it leaves: tables, one sentence, one number, pictures.

A claim is one module with a ``CLAIM``, listed in __main__.py. Its function trains what it needs
with ``runs.train_seeds``, probes it with ``runs.probe_all`` where it asks heads, and returns a ``Result``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Literal

from scipy.special import stdtrit

from common.markdown import Table
from experiments.runs import Setup

CONFIDENCE = 0.95
Verdict = Literal["holds", "holds in part", "does not hold"]


@dataclass(frozen=True)
class Result:
    """What was measured. ``because`` holds the number that decides; ``number`` is short, for the table of all claims.

    ``numbers``: all that the tables were made from, as JSON. ``pictures``: the files that were written.
    """

    verdict: Verdict
    because: str
    number: str
    tables: Sequence[Table]
    numbers: Mapping
    pictures: Sequence[Path] = ()

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        return f"{self.verdict[0].upper()}{self.verdict[1:]}, because {self.because}"


@dataclass(frozen=True)
class Claim:
    """``says``: what articles claim, in one sentence. ``minutes``: of ``run`` on two cores, training included."""

    name: str
    says: str
    minutes: float
    run: Callable[[Setup], Result]


def judge(outcomes: Sequence[bool]) -> Verdict:
    """All of them: it holds. None: it does not."""
    if all(outcomes):
        return "holds"
    return "holds in part" if any(outcomes) else "does not hold"


def listed(values: Sequence[float | None], digits: int = 1) -> str:
    """One number a seed; "none" where there is no such number."""
    return ", ".join("none" if value is None else f"{value:.{digits}f}" for value in values)


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval for the mean of what ``values`` were drawn from (Student 1908); of one value, that value."""
    if len(values) < 2:
        return values[0], values[0]
    half = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def over_seeds(values: Sequence[float], form: Callable[[float], str] = "{:.2f}".format) -> str:
    """The mean over seeds, its t interval, and each seed's value: "0.91 (0.85 to 0.97; 0.90, 0.92, 0.91)"."""
    if len(values) < 2:
        return form(values[0])
    if len(set(values)) == 1:  # what three equal numbers say of a fourth, no interval knows
        return f"{form(values[0])} in each of {len(values)} seeds"
    low, high = t_interval(values)
    return f"{form(mean(values))} ({form(low)} to {form(high)}; {', '.join(map(form, values))})"


def share_over_seeds(values: Sequence[float]) -> str:
    """The same as ``over_seeds`` for shares, in per cent; an interval ends at 0 and at 100 %."""
    if len(set(values)) == 1:
        return over_seeds([100 * value for value in values], "{:.1f} %".format)
    low, high = t_interval(values)
    ends = f"{100 * max(0.0, low):.1f} to {100 * min(1.0, high):.1f}"
    return f"{100 * mean(values):.1f} % ({ends}; {', '.join(f'{100 * value:.1f}' for value in values)})"
