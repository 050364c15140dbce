"""What a head does in a text, by rule: what is lost without it, and where it looks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probing.attention_patterns import stands_out
from probing.in_text.certainty import ALL, FEWEST_TOKENS, Means
from probing.in_text.looks import Looks

ROLE_P = 0.01
LEAST_NATS = 0.05  # that a role must cost on its kind of token
LOOKING_ROLES = ("token_before", "after_same_token", "same_token", "first_token")


@dataclass(frozen=True)
class TextRole:
    """``role``: a kind of predicted token (``by`` "effect"), or a relation (``by`` "attention").

    By effect: ``nats`` that such a token's loss grows by without the head, ``ci``, ``p`` adjusted, ``bar``: the most in
    any untrained network. By attention: ``share`` of the attention of queries that have such a key in sight, and what
    ``uniform`` attention gives there. What does not apply is None.
    """

    role: str
    by: str
    nats: float | None = None
    ci: tuple[float, float] | None = None
    p: float | None = None
    bar: float | None = None
    share: float | None = None
    uniform: float | None = None


def roles_by_effect(columns: Sequence[str], effects: Means, p: np.ndarray, bar: float) -> list[TextRole | None]:
    """For each head the kind of token that costs most without it, of those that cost at least LEAST_NATS, surely more
    than nothing among all heads and kinds (p below ROLE_P), with their whole interval above the ``bar`` of untrained
    networks. A rare kind that may have cost more by chance hides none that is sure.
    """
    sure = (effects.nats >= LEAST_NATS) & (effects.ci[..., 0] > max(0.0, bar)) & (p < ROLE_P)
    sure[:, [name == ALL for name in columns]] = False
    found: list[TextRole | None] = []
    for nats, ci, own_p, own in zip(effects.nats, effects.ci, p, sure, strict=True):
        c = int(np.where(own, nats, -np.inf).argmax())
        numbers = {"nats": float(nats[c]), "ci": tuple(ci[c].tolist()), "p": float(own_p[c]), "bar": bar}
        found.append(TextRole(columns[c], "effect", **numbers) if own[c] else None)
    return found


def roles_by_attention(looks: Looks, k: int) -> list[TextRole]:
    """The relations whose share of a head's attention stands out where they can have one, in FEWEST_TOKENS rows or
    more; the largest share first.
    """
    found = []
    for name in LOOKING_ROLES:
        r = looks.names.index(name)
        share, uniform = float(looks.where_possible[k, r]), float(looks.uniform_where_possible[k, r])
        if looks.possible[k, r] >= FEWEST_TOKENS and stands_out(share, uniform):
            found.append(TextRole(name, "attention", share=share, uniform=uniform))
    # pyrefly: ignore [unsupported-operation] by attention a role has its share
    return sorted(found, key=lambda role: -role.share)
