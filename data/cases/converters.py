"""What converters share: filled templates, the question whom a pronoun means, --window, and how cases are written."""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence

from common.errors import InputError
from data.cases.case import Case, Span, Spans
from data.cases.splits import OWN_SPLITS

PLACEHOLDER = re.compile(r"\$([A-Z_]+)")
# Most sentences ask nothing; this does. It names the pronoun, as it stands, because "means" fits no possessive.
QUESTION = ' Here "{pronoun}" refers to {article}{answer}.'


def ask(begun: str, pronoun: str, answer: str, article: str = "") -> tuple[str, Span]:
    """``begun`` with the question whom its pronoun means, and the answer's bytes; ``article`` stands before it."""
    text = begun + QUESTION.format(pronoun=pronoun, article=article, answer=answer)
    end = len(text.encode()) - len(".")
    return text, (end - len(answer.encode()), end)


def fill(sentence: str, words: dict[str, str]) -> tuple[str, dict[str, Span]]:
    """The sentence with its placeholders filled, and where each word stands, in bytes."""
    text, spans, at = "", {}, 0
    for match in PLACEHOLDER.finditer(sentence):
        text += sentence[at : match.start()]
        start, word = len(text.encode()), words[match[1]]
        text += word
        spans[match[1]] = (start, start + len(word.encode()))
        at = match.end()
    return text + sentence[at:], spans


def count(text: str) -> int:
    """A whole number above 0, as an option of the command line takes it."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number, at least 1")
    return int(text)


def add_window(parser: argparse.ArgumentParser, default: int) -> None:
    """The option ``--window``: how many words an excerpt has, at most."""
    text = f"words of an excerpt, at most (default: {default})"
    parser.add_argument("--window", type=count, default=default, help=text)


def describe(cases: Sequence[Case]) -> str:
    """For each task how many cases it has, and how often a simple rule chooses the right candidate."""
    lines = []
    for task in dict.fromkeys(case.task for case in cases):
        own = [case for case in cases if case.task == task]
        rules = [name for name in RULES if name != LAST or any(case.spans.last_pronoun for case in own)]
        shares = ", ".join(f"{name} {RULES[name](own):.1%}" for name in rules)
        n = Counter(case.split for case in own)
        splits = ", ".join(f"{n[split]} in {split}" for split in OWN_SPLITS if n[split])
        templates = f"{len({case.template for case in own})} templates" + (f" ({splits})" if splits else "")
        lines.append(f"{task}: {len(own)} cases of {templates}; {shares}")
    return "\n".join(lines) or "no cases were found"


def share(right: Callable[[Spans], float]) -> Callable[[Sequence[Case]], float]:
    return lambda cases: sum(right(case.spans) for case in cases) / len(cases)


def by_last_pronoun(spans: Spans) -> float:
    """1 where it speaks for gold; 1/2 where there is none, as for the baseline of this name."""
    return 0.5 if spans.last_pronoun is None else float(spans.last_pronoun in spans.gold)


LAST = "last pronoun"
RULES = {
    "nearest": share(lambda spans: max(spans.gold) > max(spans.distractors)),
    "first": share(lambda spans: min(spans.gold) < min(spans.distractors)),
    LAST: share(by_last_pronoun),
}


def write_cases(cases: Sequence[Case]) -> None:
    """The cases to standard output, one JSON object a line, and what they are to standard error. Raises InputError
    where two have one id, as of a file that is given twice.
    """
    if twice := [name for name, n in Counter(case.id for case in cases).items() if n > 1]:
        raise InputError(f"{twice[0]!r} stands twice among the cases; give each file and each document once")
    print_cases(cases)
    print(describe(cases), file=sys.stderr)


def print_cases(cases: Sequence[Case]) -> None:
    """The cases to standard output, one JSON object a line."""
    for case in cases:
        print(json.dumps({key: value for key, value in case.to_json().items() if value}, ensure_ascii=False))
    sys.stdout.flush()
