"""Probing: which heads look back from a pronoun to its antecedent, with what certainty, and which of them matter.

Imports model and data. Everything starts at ``probe``.
"""

from collections.abc import Sequence

from data import Case, EncodedCase, Tokenizer, encode_case
from model import GPT
from probing.families import measure_family
from probing.report import Findings, print_findings, to_json, write_files
from probing.roles import habits

__all__ = ["Findings", "print_findings", "probe", "to_json", "write_files"]


def probe(
    model: GPT,
    untrained: GPT,
    tokenizer: Tokenizer,
    select: Sequence[Case],
    report: Sequence[Case],
    source: dict | None = None,
) -> Findings:
    """Measures every head of ``model`` on annotated cases: chosen on ``select``, quoted on ``report``.

    ``untrained``: the same network with initial weights, the baseline that shows what the architecture alone does.
    ``source``: what heads.json shall say of where the model comes from. Twins must stand next to each other.
    """
    chosen, quoted = ([encode_case(case, tokenizer) for case in cases] for cases in (select, report))
    names = dict.fromkeys(case.case.family for case in quoted)
    families = [measure_family(model, untrained, of_family(chosen, name), of_family(quoted, name)) for name in names]
    shown = [case for result in families for case in result.cases]
    return Findings(model, source or {}, families, habits(model, shown))


def of_family(cases: Sequence[EncodedCase], name: str) -> list[EncodedCase]:
    return [case for case in cases if case.case.family == name]
