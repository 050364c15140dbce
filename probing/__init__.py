"""Probing: which heads look back from a pronoun to its antecedent, with what certainty, and which of them matter.

Imports model and data. Everything starts at ``probe``.
"""

from collections.abc import Sequence

from data import Case, Tokenizer
from data.case_fit import encode_cases
from data.cases import by_family
from model import GPT
from probing.alignment import linked_texts, measure_alignment
from probing.families import SHORTEST, fitting, measure_family, quote_untrained
from probing.film import Splits, glance, record_film
from probing.findings import Findings, to_json, write_files
from probing.lists import FAMILY as LISTS
from probing.lists import random_lists
from probing.roles import habits
from probing.splits import Split
from probing.terminal import print_findings

__all__ = ["Findings", "encode_families", "glance", "print_findings", "probe", "record_film", "to_json", "write_files"]

TEXTS = 100  # of each family, over which habits are averaged


def probe(
    model: GPT,
    tokenizer: Tokenizer,
    select: Sequence[Case],
    report: Sequence[Case],
    seed: int = 0,
    source: dict | None = None,
) -> Findings:
    """Measures every head of ``model`` on annotated cases: chosen on ``select``, quoted on ``report``.

    ``seed`` draws the initial weights of the untrained baseline, the same network that has learned nothing, and random
    lists of the cases' tokens, a family of its own. ``source``: what heads.json shall say of where the model comes
    from. Twins must stand next to each other. Families with too few cases that the model can read at once are named in
    ``Findings.too_few`` and not measured.
    """
    families, too_few = encode_families(tokenizer, select, report, model.config.block_size, seed)
    untrained = quote_untrained(model, families, seed)
    block_size = model.config.block_size
    links = [linked_texts(cases, tokenizer, block_size) for cases in (select, report)]
    texts = [
        [
            case.tokens
            for name, both in families.items()
            if name != LISTS
            for case in Split(both[split]).part(TEXTS).cases
        ]
        for split in (0, 1)
    ]
    return Findings(
        model,
        source or {},
        [measure_family(model, *cases, untrained[name], seed) for name, cases in families.items()],
        too_few,
        habits(model, *texts) if all(texts) else None,
        measure_alignment(model, *links) if all(links) else None,
    )


def encode_families(
    tokenizer: Tokenizer, select: Sequence[Case], report: Sequence[Case], block_size: int, seed: int
) -> tuple[Splits, list[str]]:
    """The families that can be measured, random lists behind them; and the names of those with too few cases."""
    chosen, quoted = (by_family(encode_cases(cases, tokenizer)) for cases in (select, report))
    tokens = sorted(
        {token for cases in (*chosen.values(), *quoted.values()) for case in cases for token in case.tokens}
    )
    n = max((len(cases) for cases in quoted.values()), default=0)
    for split, cases in (("select", chosen), ("report", quoted)):
        cases[LISTS] = random_lists(tokens, tokenizer, split, n - n % 2, seed)
    families, too_few = {}, []
    for name in quoted:
        both = tuple(fitting(cases.get(name, []), block_size) for cases in (chosen, quoted))
        if min(map(len, both)) >= SHORTEST:
            families[name] = both
        elif name != LISTS:
            too_few.append(name)
    return families, too_few
