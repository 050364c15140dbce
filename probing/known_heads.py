"""Heads of GPT-2 small whose roles the literature agrees on, compared with what this probe finds.

Previous-token, duplicate-token and induction heads are those of Wang et al. 2022 ("Interpretability in the Wild") and
Olsson et al. 2022 ("In-context Learning and Induction Heads"). With GPT-2's weights this checks whether the probe finds
what others found by other means.
"""

from collections.abc import Sequence
from typing import NamedTuple

from model import GPTConfig
from probing.findings import Findings
from probing.heads import head_names
from probing.lists import TASK

PREVIOUS, DUPLICATE, INDUCTION = "previous token", "duplicate token", "induction"
KNOWN = {
    PREVIOUS: ("4.11", "2.2"),
    INDUCTION: ("5.5", "7.10", "6.9", "5.1", "7.2"),
    DUPLICATE: ("0.1", "3.0"),
}
PATTERN_OF = {PREVIOUS: "previous_token", DUPLICATE: "same_word"}  # induction is a task of cases
GPT2_SMALL = {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257}
GPT2_SHAPE = {"norm": "layernorm", "position": "learned", "mlp": "gelu", "attention": "F"}


class KnownHead(NamedTuple):
    """``score``: the share of the head's attention that goes where ``literature`` says; ``rank``: 1 is the highest of
    all heads; both None where it was not measured. ``role``: what this probe calls the head, or None.
    """

    head: str
    literature: str
    score: float | None
    rank: int | None
    role: str | None


def is_gpt2_small(config: GPTConfig) -> bool:
    return all(vars(config)[name] == value for name, value in (GPT2_SMALL | GPT2_SHAPE).items())


def scores(findings: Findings, literature: str) -> Sequence[float] | None:
    """Every head's share of attention for a role of KNOWN; None where it was not measured."""
    if literature in PATTERN_OF:
        patterns = findings.attention_patterns
        return None if patterns is None else patterns.mass[PATTERN_OF[literature]].tolist()
    lists = [result for result in findings.tasks if result.name == TASK]
    return [lists[0].quotes[name].mass for name in head_names(findings.model)] if lists else None


def known_heads(findings: Findings) -> list[KnownHead]:
    """What this probe says of each head of KNOWN; nothing where the model is no GPT-2 small."""
    if not is_gpt2_small(findings.model.config):
        return []
    names, rows = head_names(findings.model), []
    for literature, heads in KNOWN.items():
        every = scores(findings, literature)
        for head in heads:
            k = names.index(head)
            score, rank = (every[k], 1 + sum(other > every[k] for other in every)) if every else (None, None)
            roles = findings.roles(head, k)
            rows.append(KnownHead(head, literature, score, rank, roles[0].role if roles else None))
    return rows
