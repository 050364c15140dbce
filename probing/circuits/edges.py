"""Which head feeds which: what an earlier head writes into the query, key or value of a later one, and its effect.

Path patching of the direct path alone (Wang et al. 2022, "Interpretability in the Wild", section 3.1; Goldowsky-Dill et
al. 2023, "Localizing model behavior with path patching"). A later layer reads the residual stream; the sender's
contribution to it, its output through its part of W_O, is exchanged at every token for the one that it makes in the
case's counterfactual. All other contributions stay. From this stream, normalised anew, one head's query, or key, or
value is projected, at every token; its two other inputs stay. Its new output replaces the clean one in all rows up to
A-1, and the rest of the network is run on. In the last layer only A-1 leads on, so that there a query is A-1's alone.
In linear attention (L) the gates belong to the keys.

Both cases of a pair are patched from each other, which needs counterfactuals with their sites at the same positions.

Shapes: B sequences, T tokens, R rows from the first that differs to A-1, H heads, d numbers per head, D = H * d.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from common.progress import Say, silent
from data.cases.case import aligned
from model import GPT
from model.attention import take_rows
from probing.circuits.missing import NotMeasured, not_measured_json
from probing.heads import head_names, parse_head
from probing.interventions import Batch, Job, measure
from probing.patterns import attention_of
from probing.replay import attend_rows
from probing.scoring import in_batches
from probing.splits import Split
from probing.statistics import RESAMPLES, SignFlips, standardised

Input = Literal["q", "k", "v"]
INPUTS: tuple[Input, ...] = ("q", "k", "v")
CASES = 100
COUNTS_P, LEAST_NATS = 0.01, 0.1
FEW_HEADS = 16  # all heads of a model with no more are receivers;
MOST_RECEIVERS = 8  # of a larger one so many of those that look, and as many others
LISTED = 150  # edges that heads.json lists, the strongest


class DirectPath(NamedTuple):
    """The direct way from a head to one input of a later head.

    A ``sender`` of None is the negative control: all heads of ``layer`` together, exchanged only at the tokens before
    the counterfactuals first differ. They put out the same in both, so that nothing may change.
    """

    layer: int
    sender: str | None
    receiver: str
    input: Input


@dataclass(frozen=True)
class Edge:
    """What the path from ``sender`` to ``input`` of ``receiver`` carries: the mean fall of log P(answer) - log P(foil)
    in nats, its interval, and p, adjusted for all paths of the task.
    """

    sender: str
    receiver: str
    input: Input
    drop: float
    ci: tuple[float, float]
    p_adj: float
    counts: bool


@dataclass(frozen=True)
class Edges:
    """All edges of a task, the largest drop first, over ``cases`` of *report*.

    ``reference``: the largest mean size of an effect on a path between two heads that do not look; None where there is
    no such path. ``negative_control``: the largest size of any effect of it, which is 0 but for rounding.
    ``receivers``: the heads into which paths were measured.
    """

    edges: tuple[Edge, ...]
    reference: float | None
    negative_control: float
    cases: int
    receivers: tuple[str, ...]

    @property
    def counting(self) -> list[Edge]:
        return [edge for edge in self.edges if edge.counts]


def measure_edges(
    model: GPT, report: Split, looking: Sequence[str], receivers: Sequence[str], say: Say = silent
) -> Edges | NotMeasured:
    """Every direct path into one of ``receivers`` ("LAYER.HEAD") on about CASES of ``report``; ``looking``: the heads
    that look.
    """
    paths = list_paths(model, receivers)
    if not paths:
        return NotMeasured("no head comes before another one")
    if not aligned(report.cases):
        return NotMeasured("no counterfactuals are there that have their sites at the same positions")
    split = report.part(CASES)
    jobs: dict[str, Job] = {"paths": lambda batch: patched(batch, receivers)}
    odds = measure(model, split.cases, jobs, lambda what: say(f"which head feeds which, {what}"))
    drops = (odds["clean"] - odds["paths"]).double().numpy()  # [paths, N]
    own = np.array([path.sender is not None for path in paths])
    kept = [path for path in paths if path.sender is not None]
    return judge_edges(kept, drops[own], float(np.abs(drops[~own]).max()), split, looking)


def judge_edges(
    paths: Sequence[DirectPath], drops: np.ndarray, control: float, split: Split, looking: Sequence[str]
) -> Edges:
    """Which edges count, from ``drops`` [paths, N] of the cases of ``split``.

    An edge counts if its p is below COUNTS_P, its whole interval above 0, and its mean above the reference and above
    LEAST_NATS.
    """
    plain = [not {path.sender, path.receiver} & set(looking) for path in paths]
    reference = max(np.abs(drops[plain]).mean(1).tolist(), default=None)
    least = max(LEAST_NATS, reference or 0.0)
    # standardised, or what varies much would hide what varies little
    p = SignFlips(standardised(drops.T, split.groups), RESAMPLES).p()
    intervals = split.clusters.intervals(drops.T)
    edges = [
        Edge(
            sender=str(path.sender),
            receiver=path.receiver,
            input=path.input,
            drop=float(drop),
            ci=(float(low), float(high)),
            p_adj=float(own_p),
            counts=bool(own_p < COUNTS_P and low > 0 and drop > least),
        )
        for path, drop, (low, high), own_p in zip(paths, drops.mean(1), intervals, p, strict=True)
    ]
    edges.sort(key=lambda edge: -edge.drop)
    receivers = tuple(dict.fromkeys(path.receiver for path in paths))
    return Edges(tuple(edges), reference, control, len(split.cases), receivers)


def choose_receivers(
    model: GPT, looking: Sequence[str], by_swap: Sequence[str], by_ablation: Sequence[str]
) -> list[str]:
    """Every head, in a model of few. In a larger one MOST_RECEIVERS of ``looking`` and as many others, the first by
    what their weight swap, or mean ablation, costs: orders that *select* gives, since edges are measured on *report*.
    """
    names = head_names(model)
    if len(names) <= FEW_HEADS:
        return list(names)
    own = [name for name in dict.fromkeys((*by_swap, *looking)) if name in looking]
    others = [name for name in dict.fromkeys((*by_ablation, *names)) if name not in looking]
    return sorted((*own[:MOST_RECEIVERS], *others[:MOST_RECEIVERS]), key=names.index)


def layer_pairs(model: GPT, receivers: Sequence[str]) -> Iterator[tuple[int, int, list[int]]]:
    """(layer of senders, layer of receivers, numbers of these receivers), from the first layer on."""
    by_layer: dict[int, list[int]] = {}
    for layer, number in sorted(map(parse_head, receivers)):
        by_layer.setdefault(layer, []).append(number)
    for layer, numbers in by_layer.items():
        for earlier in model.config.layers_with_heads:
            if earlier < layer:
                yield earlier, layer, numbers


def list_paths(model: GPT, receivers: Sequence[str]) -> list[DirectPath]:
    """All paths into ``receivers``, in the order of ``patched``."""
    return [
        DirectPath(earlier, sender, f"{layer}.{number}", input)
        for earlier, layer, numbers in layer_pairs(model, receivers)
        for sender in (*(f"{earlier}.{head}" for head in range(model.config.n_head)), None)
        for input, number in product(INPUTS, numbers)
    ]


@torch.inference_mode()
def patched(batch: Batch, receivers: Sequence[str]) -> Tensor:
    """Log-odds [paths, B], each path of ``list_paths`` patched on its own."""
    last, asked = len(batch.model.blocks) - 1, batch.asked[:, None]
    start = first_difference(batch)
    results = []
    for earlier, layer, numbers in layer_pairs(batch.model, receivers):
        rows = asked if layer == last else batch.replay.rows_from(start)
        for exchanged in exchanges(batch, earlier, start):
            z = outputs_of_each_input(batch, layer, batch.replay.clean.x[layer] + exchanged, rows)
            results.append(run_on(batch, layer, rows, z, numbers))
    return torch.cat(results)


def first_difference(batch: Batch) -> Tensor:
    """The first position at which a case differs from its counterfactual, at most A-1: [B]."""
    different = batch.tokens != batch.tokens[batch.counterfactuals()]  # [B, T]
    first = torch.where(different.any(1), different.int().argmax(1), batch.asked)
    return torch.minimum(first, batch.asked)


def exchanges(batch: Batch, layer: int, start: Tensor) -> Iterator[Tensor]:
    """What to add to the residual stream [B, T, D] so that one head's contribution is that of the counterfactual: for
    each head of a layer, then for the negative control. ``start`` [B]: the first position that differs.
    """
    z, attention = batch.replay.clean.outputs[layer], attention_of(batch.model.blocks[layer])
    change = z[batch.counterfactuals()] - z  # [B, H, T, d]
    for head, w_o in enumerate(attention.o.weight.split(attention.head_dim, dim=1)):  # [D, d] each
        yield change[:, head] @ w_o.T
    before = torch.arange(z.size(2), device=z.device) < start[:, None]  # [B, T]
    yield (change * before[:, None, :, None]).transpose(1, 2).flatten(2) @ attention.o.weight.T


def outputs_of_each_input(batch: Batch, layer: int, x: Tensor, rows: Tensor) -> Tensor:
    """The outputs of a layer's heads at ``rows`` [B, R] with queries, with keys, or with values from the changed
    residual stream x [B, T, D], and the other two clean: [3, B, H, R, d].
    """
    model, block = batch.model, batch.model.blocks[layer]
    attention, clean = attention_of(block), batch.replay.clean.qkv[layer]
    rotary = None if model.rotary is None else model.rotary[:, : x.size(1)]
    changed = attention.project(block.norm_attention(x), rotary)
    outputs = []
    for i in range(len(INPUTS)):
        q, k, v = (*clean[:i], changed[i], *clean[i + 1 :])
        outputs.append(attend_rows(attention, take_rows(q, rows), k, v, rows))
    return torch.stack(outputs)


def run_on(batch: Batch, layer: int, rows: Tensor, z: Tensor, receivers: Sequence[int]) -> Tensor:
    """Log-odds [3 * receivers, B] with one of ``receivers``, heads of ``layer``, putting out its row of z
    [3, B, H, R, d], and all other heads what they do.
    """
    variants = list(product(range(len(z)), receivers))
    result = torch.empty(len(variants), len(batch.cases), device=z.device)
    for some in in_batches(len(variants), batch.variants_per_batch() * batch.tokens.size(1) // rows.size(1)):
        chosen = variants[some]

        def edit(at: int, clean: Tensor, _: Tensor, chosen: Sequence[tuple[int, int]] = chosen) -> Tensor:
            if at != layer:
                return clean
            clean = clean.clone()
            for variant, (i, head) in enumerate(chosen):
                clean[variant, :, head] = z[i, :, head]
            return clean

        result[some] = batch.log_odds(batch.replay.run(layer, rows, len(chosen), edit))
    return result


def edges_json(found: Edges | NotMeasured | None) -> dict | None:
    """``tasks.NAME.edges`` of heads.json: the strongest LISTED edges and all that count; null where not asked for."""
    if not isinstance(found, Edges):
        return not_measured_json(found)
    strongest = sorted(found.edges, key=lambda edge: -abs(edge.drop))[:LISTED]  # also one that raises the log-odds
    listed = [edge for edge in found.edges if edge.counts or edge in strongest]
    return {
        "edges": [
            {
                "from": edge.sender,
                "to": edge.receiver,
                "input": edge.input,
                "drop": round(edge.drop, 5),
                "ci": [round(end, 5) for end in edge.ci],
                "p_adj": edge.p_adj,
                "counts": edge.counts,
            }
            for edge in listed
        ],
        "measured": len(found.edges),
        "receivers": found.receivers,
        "reference": found.reference,
        "negative_control": found.negative_control,
        "cases": found.cases,
    }
