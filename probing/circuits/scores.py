"""Why a head looks: its score of gold less that of the heaviest distractor, split into what each component of the
residual stream contributes.

A score is q . k / sqrt(d), before the softmax; a difference of two is the logarithm of the ratio of their weights. The
stream that a layer reads is a sum: the token's embedding, its position's where positions are learned, what each earlier
head and each earlier feed-forward layer has added, and biases. With every norm's scale taken as it is (of the layer's
norm, and of queries and keys), query and key are linear in this sum, and the score is a sum over pairs of components
(Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"). Nothing is left over. Rotary positions turn
each component's vector as they turn the whole, and need no term of their own.

A span of several tokens stands for its token with the most weight, because one score is linear, and the logarithm of a
sum of weights is not. In linear attention (L) a weight is no exponential of a product, and is not split.

Shapes: B cases, C components, R positions, D numbers of the stream, d of a head.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from common.progress import Say, silent
from model import GPT
from model.attention import RMS_EPS, rotate, take_rows
from probing.circuits.missing import NotMeasured, not_measured_json
from probing.heads import parse_head
from probing.interventions import Batch, measure
from probing.patterns import attention_of
from probing.splits import Split

CASES = 200
FEWEST_SEEN = 20  # cases in which the head sees both


@dataclass(frozen=True)
class Part:
    """A mean over cases with its interval."""

    name: str
    mean: float
    ci: tuple[float, float]


@dataclass(frozen=True)
class ScoreParts:
    """The split of one head's mean score difference at its site, over the ``cases`` of *report* in which it sees both.

    ``matrix`` [C, C]: each pair's mean contribution, the query's component first. ``query`` and ``key``: the sums of
    its rows and of its columns. ``total``: all of it. ``distance``: how much of ``total`` is due to where the two
    stand, None without rotary positions: ``total`` less the difference of the same keys at one distance from the query,
    the mean over gold's and the distractor's.
    """

    head: str
    site: str
    cases: int
    matrix: np.ndarray
    query: tuple[Part, ...]
    key: tuple[Part, ...]
    total: Part
    distance: Part | None


def measure_scores(model: GPT, report: Split, head: str, site: str, say: Say = silent) -> ScoreParts | NotMeasured:
    """The parts of a head's score difference at a site, over about CASES of ``report``, which all have it."""
    layer, _ = parse_head(head)
    if model.config.attention_types[layer] == "L":
        return NotMeasured(f"head {head} is one of linear attention, whose weights are not made of scores")
    say("why the head looks there")
    names, split = component_names(model, layer), report.part(CASES)
    measured = measure(model, split.cases, {"parts": lambda batch: split_scores(batch, head, site)})
    parts = measured["parts"].double().numpy()  # [C * C + 2, N]
    seen = parts[-1] > 0
    if seen.sum() < FEWEST_SEEN:
        few = f"in {int(seen.sum())} cases, of {FEWEST_SEEN} needed"
        return NotMeasured(f"head {head} sees both candidates from {site} {few}")
    cases = split.where(seen)
    matrix = parts[:-2, seen].reshape(len(names), len(names), -1)  # [C, C, N]
    return ScoreParts(
        head,
        site,
        len(cases.cases),
        matrix=matrix.mean(-1),
        query=parts_of(names, matrix.sum(1), cases),
        key=parts_of(names, matrix.sum(0), cases),
        total=parts_of(["total"], matrix.sum((0, 1))[None], cases)[0],
        distance=parts_of(["distance"], parts[-2:-1, seen], cases)[0] if model.rotary is not None else None,
    )


def parts_of(names: list[str], values: np.ndarray, cases: Split) -> tuple[Part, ...]:
    """Means and intervals of ``values`` [C, N]."""
    intervals = cases.clusters.intervals(values.T).tolist()
    means = values.mean(1).tolist()
    return tuple(Part(name, mean, (low, high)) for name, mean, (low, high) in zip(names, means, intervals, strict=True))


def component_names(model: GPT, layer: int) -> list[str]:
    """The components of the stream that a layer reads, in the order of ``residual_parts``."""
    names = ["token"] + ["position"] * (model.position is not None)
    for earlier, block in enumerate(model.blocks[:layer]):
        if earlier in model.config.layers_with_heads:
            names += [f"{earlier}.{head}" for head in range(model.config.n_head)]
        else:
            names.append(f"recurrent {earlier}")
        names += [f"feed-forward {earlier}"] * (block.mlp is not None)
    return [*names, *["biases"] * model.config.bias]


@torch.inference_mode()
def split_scores(batch: Batch, head: str, site: str) -> Tensor:
    """Each pair's contribution to the score of gold less that of the heaviest distractor, the share of distance, and
    whether the head sees both: [C * C + 2, B].
    """
    layer, number = parse_head(head)
    model, attention = batch.model, attention_of(batch.model.blocks[layer])
    rows = batch.rows(site)
    candidates, seen = heaviest_tokens(batch, layer, number, rows)
    positions = torch.cat((rows[:, None], candidates), dim=1)  # [B, 3]: the query, gold, the distractor
    parts = normed_parts(batch, layer, positions)  # [B, C, 3, D]
    key_head = number // (attention.n_head // attention.n_kv_head)
    q = project_parts(attention.q, number, attention.head_dim, parts[:, :, :1])  # [B, C, 1, d]
    k = project_parts(attention.k, key_head, attention.head_dim, parts[:, :, 1:])  # [B, C, 2, d]
    elsewhere = turned(model, k, candidates.flip(1))  # each key at the position of the other
    q, k = turned(model, q, rows[:, None]), turned(model, k, candidates)
    if attention.qk_norm:
        q, elsewhere, k = q * rms_scale(q.sum(1)), elsewhere * rms_scale(elsewhere.sum(1)), k * rms_scale(k.sum(1))
    difference = k[:, :, 0] - k[:, :, 1]  # [B, C, d]
    matrix = q[:, :, 0] @ difference.mT * attention.scale  # [B, C, C]
    # at gold's position both keys are k[0] and elsewhere[1], at the distractor's elsewhere[0] and k[1]
    content = (k[:, :, 0] - elsewhere[:, :, 1] + elsewhere[:, :, 0] - k[:, :, 1]) / 2
    distance = (q[:, :, 0].sum(1) * (difference - content).sum(1)).sum(-1) * attention.scale  # [B]
    return torch.cat((matrix.flatten(1).T, distance[None], seen[None].to(matrix.dtype)))


def heaviest_tokens(batch: Batch, layer: int, head: int, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of gold and of the distractor that gets most from ``rows`` [B], the token with the most weight: positions [B, 2],
    and whether the head sees both [B].
    """
    pattern = batch.replay.pattern(layer, rows[:, None])[:, head]  # [B, 1, T]
    visible = attention_of(batch.model.blocks[layer]).visible(rows[:, None], pattern.size(2))  # [B, 1, T]
    marks = batch.marks() * visible  # [B, M, T], gold first
    masses = (marks * pattern).sum(-1).masked_fill(~marks.any(-1), -1)  # [B, M]
    both = torch.stack((torch.zeros_like(rows), 1 + masses[:, 1:].argmax(-1)), dim=1)  # [B, 2]
    own = marks.gather(1, both[..., None].expand(-1, -1, marks.size(2)))  # [B, 2, T]
    return torch.where(own > 0, pattern, -1.0).argmax(-1), own.any(-1).all(-1)


def normed_parts(batch: Batch, layer: int, positions: Tensor) -> Tensor:
    """What a layer reads at ``positions`` [B, R], after its norm, by component: [B, C, R, D]."""
    norm, x = batch.model.blocks[layer].norm_attention, take_rows(batch.replay.clean.x[layer], positions)
    parts = torch.stack(residual_parts(batch, layer, positions), dim=1)
    if isinstance(norm, nn.RMSNorm):
        parts = parts * rms_scale(x)
    elif isinstance(norm, nn.LayerNorm):
        deviation = (x.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
        parts = (parts - parts.mean(-1, keepdim=True)) * (norm.weight / deviation)[:, None]
        if norm.bias is not None:
            parts[:, -1] += norm.bias
    return parts


def residual_parts(batch: Batch, layer: int, positions: Tensor) -> list[Tensor]:
    """What each component has written into the stream that a layer reads, at ``positions`` [B, R]: [B, R, D] each."""
    model, clean = batch.model, batch.replay.clean
    parts = [model.embed(batch.tokens.gather(1, positions))]
    if model.position is not None:
        parts.append(model.position(positions))
    if model.config.norm == "rmsnorm":
        scale = rms_scale(torch.stack(parts).sum(0))[:, 0]
        parts = [part * scale for part in parts]
    biases = torch.zeros_like(parts[0])
    for earlier, block in enumerate(model.blocks[:layer]):
        x = take_rows(clean.x[earlier], positions)
        if earlier in clean.outputs:
            attention, z = attention_of(block), take_rows(clean.outputs[earlier], positions)  # [B, H, R, d]
            for head, w_o in enumerate(attention.o.weight.split(attention.head_dim, dim=1)):
                parts.append(z[:, head] @ w_o.T)
            x = x + attention.o(z.transpose(1, 2).flatten(2))
            biases = biases if attention.o.bias is None else biases + attention.o.bias
        else:
            parts.append(take_rows(block.attention(block.norm_attention(clean.x[earlier]), None), positions))
            x = x + parts[-1]
        if block.mlp is not None:
            parts.append(block.mlp(block.norm_mlp(x)))
    return [*parts, *[biases] * model.config.bias]


def rms_scale(x: Tensor) -> Tensor:
    """What ``rms_norm`` multiplies x [B, R, D] by, for its parts [B, C, R, D]: [B, 1, R, 1]."""
    return (x.square().mean(-1, keepdim=True) + RMS_EPS).rsqrt()[:, None]


def project_parts(linear: nn.Linear, head: int, width: int, parts: Tensor) -> Tensor:
    """The components [B, C, R, D] through one head's rows of W_Q or W_K, its bias with the last: [B, C, R, d]."""
    own = slice(head * width, (head + 1) * width)
    projected = parts @ linear.weight[own].T
    if linear.bias is not None:
        projected[:, -1] += linear.bias[own]
    return projected


def turned(model: GPT, x: Tensor, positions: Tensor) -> Tensor:
    """x [B, C, R, d] as rotary positions turn it at ``positions`` [B, R]; as it is where positions are learned."""
    return x if model.rotary is None else rotate(x, model.rotary[:, positions])


def scores_json(found: ScoreParts | NotMeasured | None) -> dict | None:
    """``tasks.NAME.score_parts`` of heads.json; null in a task that is not resolved."""
    if not isinstance(found, ScoreParts):
        return not_measured_json(found)
    return {
        "head": found.head,
        "site": found.site,
        "cases": found.cases,
        "total": asdict(found.total),
        "distance": found.distance and asdict(found.distance),
        "query": [asdict(part) for part in found.query],
        "key": [asdict(part) for part in found.key],
        "matrix": found.matrix.round(4).tolist(),
    }
