"""The sentences with which articles explain attention, in words that stories have, each beside its counterfactual.

They are shown one by one, next to the statistics over held-out stories, and count in none of them: training may have
the same words together.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from data.cases.case import Case, Span, Spans


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ in one word, and so in their answer.

    With the first of ``keys`` for {key}, ``text`` means the first of ``candidates``, and {answer} is the first of
    ``answers``; with the second, the second. ``kind``: that of the counterfactual; the key is a *cue*, or, of *gender*,
    a pronoun that leads from ``pronoun`` to the candidate. Candidates and pronoun are annotated where they first stand.
    """

    task: str
    text: str
    keys: tuple[str, str]
    candidates: tuple[str, str]
    answers: tuple[str, str]
    pronoun: str | None = None
    kind: str = "cue"

    def cases(self) -> tuple[Case, Case]:
        return self.case(0), self.case(1)

    def case(self, i: int) -> Case:
        key, gold, answer = self.keys[i], self.candidates[i], self.answers[i]
        other_key, other, foil = self.keys[1 - i], self.candidates[1 - i], self.answers[1 - i]
        text = self.text.format(key=key, answer=answer)
        key_at = span(self.text.partition("{key}")[0], key)
        answer_at = span(self.text.partition("{answer}")[0].format(key=key), answer)
        return Case(
            id=f"{key} {gold}",
            text=text,
            task=self.task,
            template="articles",
            split="report",
            spans=Spans(
                gold=(first(gold, text),),
                distractors=(first(other, text),),
                answer=answer_at,
                pronoun=first(self.pronoun, text) if self.pronoun else None,
                cue=key_at if self.kind == "cue" else None,
                chain=(key_at,) if self.kind == "gender" else (),
            ),
            foil=foil,
            counterfactual=f"{other_key} {other}",
            counterfactual_kind=self.kind,
            chance_loss=math.log(2),
        )


def span(before: str, word: str) -> Span:
    """The bytes of ``word`` after the text ``before``."""
    start = len(before.encode())
    return start, start + len(word.encode())


def first(word: str, text: str) -> Span:
    """The bytes of a whole word where it first stands; raises ValueError where it does not."""
    if not (match := re.search(rf"\b{re.escape(word)}\b", text)):
        raise ValueError(f"no {word!r} in {text!r}")
    return span(text[: match.start()], word)


PAIRS = (
    Pair(
        "cue",
        "The animal didn't cross the street because it was too {key}. Later we talked about the {answer}.",
        keys=("tired", "wide"),
        candidates=("animal", "street"),
        answers=("animal", "street"),
        pronoun="it",
    ),
    Pair(
        "cue",
        "The cat sat on the mat because it was {key}. Later we talked about the {answer}.",
        keys=("soft", "sleepy"),
        candidates=("mat", "cat"),
        answers=("mat", "cat"),
        pronoun="it",
    ),
    Pair(
        "chains",
        "Tom met Anna at the park. {key} said, I am tired, so please call me {answer}.",
        keys=("She", "He"),
        candidates=("Anna", "Tom"),
        answers=("Anna", "Tom"),
        pronoun="I",
        kind="gender",
    ),
    Pair(
        "sense",
        "We saw the bank of the river and the branch of the firm. Later the {key} {answer}.",
        keys=("bank", "branch"),
        candidates=("river", "firm"),
        answers=("flooded", "closed"),
    ),
    Pair(
        "sense",
        "The bat flew and the seal cracked. Later the {key} {answer}.",
        keys=("bat", "seal"),
        candidates=("flew", "cracked"),
        answers=("ate", "broke"),
    ),
)


def keyed_cases() -> Iterator[tuple[str, Case, Case]]:
    """Every sentence: the key that it has, its case, and the case of its counterfactual."""
    for pair in PAIRS:
        for key, (case, counterfactual) in zip(pair.keys, permutations(pair.cases()), strict=True):
            yield key, case, counterfactual
