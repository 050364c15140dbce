"""All that is measured on a model's heads in a text, and the same as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from probing.in_text.certainty import Columns, Means
from probing.in_text.examples import Example
from probing.in_text.looks import Looks
from probing.in_text.roles import TextRole
from probing.in_text.windows import Windows
from probing.untrained import UNTRAINED


@dataclass(frozen=True)
class Ablation:
    """What the loss grows by without heads, in nats per token, for C columns: all tokens and each kind.

    ``heads`` [K, C] one at a time, with p [K, C] adjusted over heads and columns; ``layers`` [layers with heads, C]
    without all heads of one; ``all_heads`` [1, C]. ``untrained``: the most that any head of any untrained network of
    this shape costs on any column with enough tokens, the bar that effects are held against.
    """

    heads: Means
    p: np.ndarray
    layers: Means
    all_heads: Means
    untrained: float


@dataclass(frozen=True)
class HowFarBack:
    """Loss in nats per token when queries see only the last ``limits[i]`` tokens, themselves among them, in every
    layer. ``loss`` and ``ci`` [.., 2]; ``cost``: how much more than without a limit, with ``cost_ci``. ``enough``: the
    smallest limit whose cost is below ``tolerance`` nats with its whole interval.
    """

    limits: tuple[int, ...]
    loss: np.ndarray
    ci: np.ndarray
    cost: np.ndarray
    cost_ci: np.ndarray
    tolerance: float
    enough: int


@dataclass(frozen=True)
class TextProfile:
    """Every head of a model in one text.

    ``heads``: names LAYER.HEAD, the axis K of all else; ``layers``: the layers that have heads. ``windows``: what was
    read. ``kinds`` of predicted tokens and ``relations``: what each is that can be known. ``columns``: "all" and the
    kinds that have tokens enough, the axis C.
    ``loss``: the model's own, nats per token [1, C]. ``looks``: where heads look; ``examples``: of each head.
    ``ablations``: by name of probing.in_text.ablation.ABLATIONS; ``untrained_tokens``: that untrained networks read.
    ``how_far_back``: None where it cannot be measured. ``roles``: of each head, the largest effect first.
    ``left_out``: a sentence on everything that was not measured, and why.
    """

    heads: tuple[str, ...]
    layers: tuple[int, ...]
    windows: Windows
    language: str | None
    kinds: dict[str, str]
    relations: dict[str, str]
    columns: Columns
    loss: Means
    looks: Looks
    examples: tuple[tuple[Example, ...], ...]
    ablations: dict[str, Ablation]
    untrained_tokens: int
    how_far_back: HowFarBack | None
    roles: tuple[tuple[TextRole, ...], ...]
    left_out: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The ablation that roles are given by: the first."""
        return next(iter(self.ablations))


def numbers(means: Means, i: int, columns: Sequence[str], p: np.ndarray | None = None) -> dict:
    """One row of ``means`` by column: nats, ci, and p where there is one."""
    return {
        name: {"nats": float(means.nats[i, c]), "ci": means.ci[i, c].tolist()}
        | ({} if p is None else {"p": float(p[i, c])})
        for c, name in enumerate(columns)
    }


def looks_json(looks: Looks, k: int) -> dict:
    return {
        "relations": {
            name: {
                "share": float(looks.share[k, r]),
                "uniform": float(looks.uniform[k, r]),
                "where_possible": float(looks.where_possible[k, r]),
                "uniform_where_possible": float(looks.uniform_where_possible[k, r]),
            }
            for r, name in enumerate(looks.names)
        },
        "distance": float(looks.distance[k]),
        "uniform_distance": float(looks.uniform_distance[k]),
        "effective_tokens": float(looks.effective[k]),
        "uniform_effective_tokens": float(looks.uniform_effective[k]),
        "first_value": float(looks.first_value[k]),
    }


def to_json(profile: TextProfile) -> dict:
    """The profile as plain JSON (stable: pages and scripts rely on it; numbers that do not exist are NaN or null)::

    text        {windows, window, tokens, documents, clusters: "documents" | "windows", flipped: the same, language}
    left_out    [sentence]  what was not measured, and why
    relations   {name: what it is}  in the order of precedence, as far as measured
    kinds       {name: {what, tokens, share, loss: {nats, ci}}}  "all" first; kinds of the token to be predicted
    shown       the ablation that roles and pages are about
    untrained   {networks, tokens, most: {ABLATION: nats}}  the most any head of these costs on any kind
    heads       [{head, layer, looks, effects, roles, examples}]
        looks     {relations: {NAME: {share, uniform, where_possible, uniform_where_possible}}, distance,
                   uniform_distance, effective_tokens, uniform_effective_tokens, first_value}
        effects   {ABLATION: {KIND: {nats, ci: [low, high], p}}}  how much the loss grows without the head
        roles     [{role, by: "effect" | "attention", ...}]  see probing.in_text.roles.TextRole; may be empty
        examples  [{weight, pieces: [text], query, key, next, gap, window, position}]
                  see probing.in_text.examples.Example; the text is as it stands in the corpus, hostile or not
    layers      [{layer, effects: {ABLATION: {KIND: {nats, ci}}}}]  without all heads of the layer
    all_heads   {effects: ...}  without any head
    how_far_back  {points: [{limit, loss, ci, cost, cost_ci}], tolerance, enough} or null
    """
    windows, columns, n_tokens = profile.windows, profile.columns.names, profile.columns.n_tokens
    shares = np.array(n_tokens) / n_tokens[0]
    own_loss = numbers(profile.loss, 0, columns)
    whats = {"all": "every token"} | profile.kinds
    back = profile.how_far_back
    return {
        "text": {
            "windows": len(windows),
            "window": windows.length,
            "tokens": n_tokens[0],
            "documents": windows.n_documents,
            "clusters": profile.columns.unit,
            "flipped": profile.columns.flipped_unit,
            "language": profile.language,
        },
        "left_out": list(profile.left_out),
        "relations": profile.relations,
        "kinds": {
            name: {
                "what": whats[name],
                "tokens": n_tokens[c],
                "share": float(shares[c]),
                "loss": own_loss[name],
            }
            for c, name in enumerate(columns)
        },
        "shown": profile.shown,
        "untrained": {
            "networks": UNTRAINED,
            "tokens": profile.untrained_tokens,
            "most": {name: ablation.untrained for name, ablation in profile.ablations.items()},
        },
        "heads": [
            {
                "head": head,
                "layer": int(head.split(".")[0]),
                "looks": looks_json(profile.looks, k),
                "effects": {
                    name: numbers(ablation.heads, k, columns, ablation.p)
                    for name, ablation in profile.ablations.items()
                },
                "roles": [asdict(role) for role in profile.roles[k]],
                "examples": [asdict(example) for example in profile.examples[k]],
            }
            for k, head in enumerate(profile.heads)
        ],
        "layers": [
            {
                "layer": layer,
                "effects": {name: numbers(own.layers, i, columns) for name, own in profile.ablations.items()},
            }
            for i, layer in enumerate(profile.layers)
        ],
        "all_heads": {"effects": {name: numbers(own.all_heads, 0, columns) for name, own in profile.ablations.items()}},
        "how_far_back": back
        and {
            "points": [
                {
                    "limit": limit,
                    "loss": float(back.loss[i]),
                    "ci": back.ci[i].tolist(),
                    "cost": float(back.cost[i]),
                    "cost_ci": back.cost_ci[i].tolist(),
                }
                for i, limit in enumerate(back.limits)
            ],
            "tolerance": back.tolerance,
            "enough": back.enough,
        },
    }
