"""Probing: which heads look back from a pronoun to its antecedent, with what certainty, and which of them matter.

Imports model and data. Everything starts at ``probe``.
"""

from collections.abc import Callable, Sequence

from common.errors import InputError
from data import Case, Tokenizer
from data.cases.case import by_family
from data.cases.fit import encode_cases
from data.text.download import silent
from model import GPT
from probing.alignment import linked_texts, measure_alignment
from probing.dynamics import glance, record_film
from probing.findings import Findings, to_json, write_files
from probing.lists import FAMILY as LISTS
from probing.lists import random_lists
from probing.roles import habits
from probing.splits import Families, Split
from probing.tasks import FEWEST_CASES, FEWEST_FRAMES, FamilyResult, fitting, measure_family, quote_untrained

__all__ = [
    "Findings",
    "encode_families",
    "glance",
    "habit_texts",
    "probe",
    "record_film",
    "to_json",
    "write_files",
]

TEXTS = 100  # of each family, over which habits are averaged


def probe(
    model: GPT,
    tokenizer: Tokenizer,
    select: Sequence[Case],
    report: Sequence[Case],
    seed: int = 0,
    source: dict | None = None,
    progress: Callable[[str, int, int], None] = silent,
) -> Findings:
    """Measures every head of ``model`` on annotated cases: chosen on ``select``, quoted on ``report``.

    ``seed`` draws the initial weights of the untrained baseline, the same network that has learned nothing, and random
    lists of the cases' tokens, a family of its own. ``source``: what heads.json shall say of where the model comes
    from. Twins must stand next to each other. Families with too few cases or frames are not measured;
    ``Findings.too_few`` says why. ``progress``, given (text, done, total), is told what is being measured and
    how many of all families have been.
    """
    block_size = model.config.block_size
    families, too_few = encode_families(tokenizer, select, report, block_size, seed)
    n = len(families)
    untrained = quote_untrained(model, families, seed, lambda what: progress(what, 0, n))

    def measured(i: int, name: str) -> FamilyResult:
        def say(what: str) -> None:
            progress(f"{name}: {what}", i, n)

        return measure_family(model, *families[name], untrained[name], seed, say)

    results = [measured(i, name) for i, name in enumerate(families)]
    progress("habits of all heads", n, n)
    links = [linked_texts(cases, tokenizer, block_size) for cases in (select, report)]
    texts = habit_texts(families)
    return Findings(
        model,
        source or {},
        results,
        too_few,
        habits(model, *texts) if all(texts) else None,
        measure_alignment(model, *links) if all(links) else None,
    )


def habit_texts(families: Families) -> list[list[tuple[int, ...]]]:
    """Tokens of *select* and of *report* over which habits are averaged: some of each family, none of random lists."""
    told = [both for name, both in families.items() if name != LISTS]
    return [[case.tokens for both in told for case in Split(both[i]).part(TEXTS).cases] for i in (0, 1)]


def encode_families(
    tokenizer: Tokenizer, select: Sequence[Case], report: Sequence[Case], block_size: int, seed: int
) -> tuple[Families, list[str]]:
    """The families that can be measured, random lists behind them; and a sentence on each that cannot.

    Raises InputError for cases that the tokenizer cannot measure, and for a family that has the lists' name.
    """
    chosen, quoted = (by_family(encode_cases(cases, tokenizer)) for cases in (select, report))
    if LISTS in quoted:
        raise InputError(f"family {LISTS!r}: is the name of lists that every probe makes; call yours something else")
    tokens = sorted(
        {token for told in (chosen, quoted) for cases in told.values() for case in cases for token in case.tokens}
    )
    n = max((len(cases) for cases in quoted.values()), default=0)
    for split, cases in (("select", chosen), ("report", quoted)):
        cases[LISTS] = random_lists(tokens, tokenizer, split, n - n % 2, seed)
    families, too_few = {}, []
    for name in quoted:
        both = tuple(fitting(cases.get(name, []), block_size) for cases in (chosen, quoted))
        frames = min(len({case.case.frame for case in cases}) for cases in both)
        if min(map(len, both)) >= FEWEST_CASES and frames >= FEWEST_FRAMES:
            families[name] = both
        elif name != LISTS:
            there = f"{len(both[0])} cases to select and {len(both[1])} to report, of at least {frames} frames"
            needed = f"{FEWEST_CASES} of {FEWEST_FRAMES} frames are needed in each"
            too_few.append(f"{name}: {there}, fit into the block of {block_size} tokens; {needed}")
    return families, too_few
