"""Probing: which heads look back from a pronoun to its antecedent, with what certainty, and which of them matter.

Imports model and data. Everything starts at ``probe``.
"""

from collections.abc import Sequence

from data import Case, Tokenizer, encode_case
from data.cases import by_family
from model import GPT
from probing.families import fitting, measure_family
from probing.report import Findings, print_findings, to_json, write_files
from probing.roles import habits

__all__ = ["Findings", "print_findings", "probe", "to_json", "write_files"]

SHORTEST = 20  # cases, below which an interval says nothing


def probe(
    model: GPT,
    tokenizer: Tokenizer,
    select: Sequence[Case],
    report: Sequence[Case],
    seed: int = 0,
    source: dict | None = None,
) -> Findings:
    """Measures every head of ``model`` on annotated cases: chosen on ``select``, quoted on ``report``.

    ``seed`` draws the initial weights of the untrained baseline, the same network that has learned nothing. ``source``:
    what heads.json shall say of where the model comes from. Twins must stand next to each other. Families whose cases
    are too long for the model are named in ``Findings.too_long`` and not measured.
    """
    block_size = model.config.block_size
    chosen, quoted = (by_family([encode_case(case, tokenizer) for case in cases]) for cases in (select, report))
    families, too_long = [], []
    for name in quoted:
        of_select, of_report = (fitting(cases[name], block_size) for cases in (chosen, quoted))
        if min(len(of_select), len(of_report)) < SHORTEST:
            too_long.append(name)
        else:
            families.append(measure_family(model, of_select, of_report, seed))
    texts = [case.tokens[:block_size] for cases in quoted.values() for case in cases]
    return Findings(model, source or {}, families, too_long, habits(model, texts))
