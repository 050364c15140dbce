"""Heads of GPT-2 small whose roles the literature agrees on, compared with what this probe finds.

Previous-token, duplicate-token and induction heads are those of Wang et al. 2022 ("Interpretability in the Wild") and
Olsson et al. 2022 ("In-context Learning and Induction Heads"); name movers and S-inhibition heads those of the former,
measured on the cases of ``data.cases.ioi``. Gender heads have the five largest effects in Vig et al. 2020
("Investigating Gender Bias in Language Models Using Causal Mediation Analysis"), in both sets of WinoBias, measured on
the cases of ``data.cases.gender``. With GPT-2's weights this checks whether the probe finds what others found by other
means.
"""

from collections.abc import Sequence
from typing import NamedTuple

from data.cases import gender, ioi
from model import GPTConfig
from probing.findings import Findings
from probing.heads import head_names
from probing.lists import TASK as LISTS

PREVIOUS, DUPLICATE, INDUCTION = "previous token", "duplicate token", "induction"
NAME_MOVER, S_INHIBITION, GENDER = "name mover", "S-inhibition", "gender"
KNOWN = {
    PREVIOUS: ("4.11", "2.2"),
    INDUCTION: ("5.5", "7.10", "6.9", "5.1", "7.2"),
    DUPLICATE: ("0.1", "3.0"),
    NAME_MOVER: ("9.9", "9.6", "10.0"),
    S_INHIBITION: ("7.3", "7.9", "8.6", "8.10"),
    GENDER: ("5.8", "5.10", "4.6", "5.9", "6.0"),
}
PATTERN_OF = {PREVIOUS: "previous_token", DUPLICATE: "same_word"}
# The task, and what there: the attention that the gold candidate gets (None), or what it costs, in nats, to take the
# head's output or its weights from the counterfactual.
MEASURED_IN = {
    INDUCTION: (LISTS, None),
    NAME_MOVER: (ioi.TASK, None),
    S_INHIBITION: (ioi.TASK, "activation_patching"),
    GENDER: (gender.CONTINUATION, "pattern_patching"),
}
GPT2_SMALL = {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257}
GPT2_SHAPE = {"norm": "layernorm", "position": "learned", "mlp": "gelu", "attention": "F"}


class KnownHead(NamedTuple):
    """``score``: the share of the head's attention that goes where ``literature`` says, or the nats that patching it
    costs (MEASURED_IN); ``rank``: 1 is the highest of all heads; both None where it was not measured. ``role``: what
    this probe calls the head, or None.
    """

    head: str
    literature: str
    score: float | None
    rank: int | None
    role: str | None


def is_gpt2_small(config: GPTConfig) -> bool:
    return all(vars(config)[name] == value for name, value in (GPT2_SMALL | GPT2_SHAPE).items())


def scores(findings: Findings, literature: str) -> Sequence[float] | None:
    """Every head's score for a role of KNOWN; None where it was not measured."""
    names = head_names(findings.model)
    if literature in PATTERN_OF:
        patterns = findings.attention_patterns
        return None if patterns is None else patterns.mass[PATTERN_OF[literature]].tolist()
    task, kind = MEASURED_IN[literature]
    result = next((result for result in findings.tasks if result.name == task), None)
    if result is None:
        return None
    if kind is None:
        return [result.quotes[name].mass for name in names]
    if kind not in result.effects:
        return None
    effects = result.effects[kind]  # heads from which nothing leads to the answer have none
    return [effects[name].drop if name in effects else 0.0 for name in names]


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
