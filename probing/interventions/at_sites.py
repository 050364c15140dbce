"""One row of one head, changed at its site.

*Weight swap* exchanges the weights of gold and of the heaviest distractor; *edge ablation* sets gold's weight to 0 and
scales the rest up; *pattern patching* and *activation patching* take the row's weights, or the head's output there,
from the case's counterfactual.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from data import EncodedCase
from model import GPT
from probing.heads import parse_head
from probing.interventions.batch import Batch, Read, in_order
from probing.patterns import attention_of
from probing.replay import reach
from probing.scoring import in_batches

AT_A_SITE = ("weight_swap", "edge_ablation")
FROM_THE_COUNTERFACTUAL = ("pattern_patching", "activation_patching")
PERCEPTIBLE = 0.05  # a change of the residual stream, against its size, that must move some answer


class AtSites:
    """The job of changing each of ``heads`` ("LAYER.HEAD") at its own one of ``sites``, one at a time: K = len(heads)
    variants. ``kind``: one of AT_A_SITE or FROM_THE_COUNTERFACTUAL.

    Cases from whose site nothing leads to the answer stay as they are.
    """

    def __init__(
        self,
        model: GPT,
        cases: Sequence[EncodedCase],
        heads: Sequence[str],
        sites: Sequence[str],
        kind: str,
        read: Read = Batch.log_odds,
    ) -> None:
        """Raises ValueError for a head that the model lacks, and for a site from which nothing leads to the answer in
        any of ``cases``.
        """
        self.groups = by_layer_and_site(model, heads, sites)
        if kind not in (*AT_A_SITE, *FROM_THE_COUNTERFACTUAL):
            raise ValueError(
                f"{kind!r}: heads can be changed at a site by {', '.join((*AT_A_SITE, *FROM_THE_COUNTERFACTUAL))}"
            )
        for head, site in zip(heads, sites, strict=True):
            if not any(paths_to_answer(model, cases, head, site)):
                raise ValueError(f"head {head} at {site}: nothing leads from there to the answer")
        self.heads, self.sites, self.kind, self.read = heads, sites, kind, read
        self.seen = torch.zeros(2, len(heads), dtype=torch.bool)  # whether the head has changed, and an answer with it

    def __call__(self, batch: Batch) -> Tensor:
        parts, order = [], [index for group in self.groups.values() for index, _ in group]
        for (layer, site), group in self.groups.items():
            rows, numbers = batch.rows(site), [number for _, number in group]
            outputs = changed_row(batch, layer, rows, self.kind)[:, numbers].transpose(0, 1)  # [V, B, d]
            for some in in_batches(len(group), batch.variants_per_batch()):
                logits = replay_row(batch, layer, rows, numbers[some], outputs[some])
                parts.append(self.read(batch, logits))
                variants = [index for index, _ in group[some]]
                self.seen[:, variants] |= perceptible(batch, layer, rows, numbers[some], outputs[some], logits)
        return in_order(parts, order)

    def notes(self) -> list[str]:
        """Where a head changed and no answer with it in any batch, as in a network whose later layers attend to other
        tokens alone.
        """
        return [
            f"{self.kind} at {site}: head {head} changed, and no answer with it"
            for head, site, changed, moved in zip(self.heads, self.sites, *self.seen.tolist(), strict=True)
            if changed and not moved
        ]


def paths_to_answer(model: GPT, cases: Sequence[EncodedCase], head: str, site: str) -> list[bool]:
    """In which cases something leads from a head at a site to the answer: from the last layer, only at A-1; in front of
    layers that see little, only from where they look.
    """
    distances = [case.sites["A-1"] - case.sites[site] for case in cases]
    reached = reach(model, parse_head(head)[0], max(0, *distances)).tolist()
    return [distance >= 0 and reached[distance] for distance in distances]


def replay_row(batch: Batch, layer: int, rows: Tensor, numbers: list[int], outputs: Tensor) -> Tensor:
    """Logits [V, B, vocabulary] with head numbers[v] of a layer putting out outputs[v] [B, d] at ``rows`` [B]."""

    def edit(at: int, z: Tensor, computed: Tensor) -> Tensor:
        if at != layer:
            return z
        here = (computed == rows[:, None])[..., None]  # [B, R, 1]; the asked row may stand there several times
        z = z.clone()
        for variant, number in enumerate(numbers):
            z[variant, :, number] = torch.where(here, outputs[variant][:, None], z[variant, :, number])
        return z

    return batch.replay.logits(layer, torch.minimum(rows, batch.asked), len(numbers), edit)


def perceptible(batch: Batch, layer: int, rows: Tensor, numbers: list[int], outputs: Tensor, logits: Tensor) -> Tensor:
    """Of each changed head, whether its part of the residual stream is no longer what it was in some case, and whether
    an answer moved by more than rounding: [2, V]. A head that changed in some case while no answer moved in any was
    changed where nothing reads it. False where not all later layers are full attention: others may hand on next to
    nothing, or forget it.
    """
    found = torch.zeros(2, len(numbers), dtype=torch.bool)
    if set(batch.model.config.attention_types[layer + 1 :]) - {"F"}:
        return found
    clean, w_o = batch.replay.clean, batch.model.blocks[layer].attention.o
    each, path = torch.arange(len(rows), device=rows.device), batch.replay.has_path(layer, rows)
    z, size = clean.outputs[layer][each, :, rows], clean.x[layer][each, rows].norm(dim=-1)  # [B, H, d], [B]
    before = w_o(z.flatten(1))  # [B, D]
    for v, (number, output, after) in enumerate(zip(numbers, outputs, batch.log_odds(logits), strict=True)):
        changed = z.clone()
        changed[:, number] = output
        difference = w_o(changed.flatten(1)) - before
        found[0, v] = (path & (difference.norm(dim=-1) > PERCEPTIBLE * size)).any()
        found[1, v] = not torch.allclose(after, batch.clean, rtol=1e-5, atol=1e-5)
    return found


def by_layer_and_site(
    model: GPT, heads: Sequence[str], sites: Sequence[str]
) -> dict[tuple[int, str], list[tuple[int, int]]]:
    """(layer, site) -> (index in ``heads``, number of the head); raises ValueError for a head that the model lacks."""
    groups: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for i, (name, site) in enumerate(zip(heads, sites, strict=True)):
        layer, head = parse_head(name)
        if layer not in model.config.layers_with_heads or not 0 <= head < model.config.n_head:
            there = f"layers {', '.join(map(str, model.config.layers_with_heads))} of {model.config.n_head} heads"
            raise ValueError(f"head {name}: the model has {there}")
        groups.setdefault((layer, site), []).append((i, head))
    return groups


def changed_row(batch: Batch, layer: int, rows: Tensor, kind: str) -> Tensor:
    """What every head of a layer puts out at ``rows`` [B] once it is changed: [B, H, d]."""
    values = batch.replay.values(layer)  # [B, H, T, d]
    pattern = batch.replay.pattern(layer, rows[:, None])[:, :, 0]  # [B, H, T]
    if kind == "activation_patching":
        return (pattern[:, :, None] @ values)[:, :, 0][batch.counterfactuals()]
    if kind == "pattern_patching":
        pattern = pattern[batch.counterfactuals()]
    else:
        visible = attention_of(batch.model.blocks[layer]).visible(rows[:, None], pattern.size(-1))  # [B, 1, T]
        pattern = {"weight_swap": swap_masses, "edge_ablation": cut_gold}[kind](pattern, batch.marks() * visible)
    return (pattern[:, :, None] @ values)[:, :, 0]


def swap_masses(pattern: Tensor, marks: Tensor) -> Tensor:
    """Exchanges what gold and the heaviest rival get in rows [B, H, T]; ``marks`` [B, M, T], gold first.

    Each of the two receives the other one's mass, spread as its own was (evenly, where it had none). Where one of them
    is not among the marked tokens, since it comes after the row or out of the head's sight, the row stays as it is.
    """
    masses = pattern @ marks.mT  # [B, H, M]
    best = 1 + masses[..., 1:].argmax(-1)
    gold = marks[:, :1].expand_as(pattern)
    rival = marks.gather(1, best[..., None].expand(-1, -1, marks.size(2)))  # [B, H, T]
    to_gold, to_rival = masses.gather(-1, best[..., None]), masses[..., :1]
    swapped = pattern * (1 - gold) * (1 - rival) + spread(pattern, gold) * to_gold + spread(pattern, rival) * to_rival
    return torch.where(gold.any(-1, keepdim=True) & rival.any(-1, keepdim=True), swapped, pattern)


def cut_gold(pattern: Tensor, marks: Tensor) -> Tensor:
    """Takes gold's weight away in rows [B, H, T] and scales the rest so that it sums to 1 again."""
    rest = pattern * (1 - marks[:, :1])
    return rest / rest.sum(-1, keepdim=True).clamp(min=1e-30)


def spread(pattern: Tensor, mark: Tensor) -> Tensor:
    """The shares of a span's mass that its tokens have, summing to 1: [B, H, T]."""
    own = pattern * mark
    total = own.sum(-1, keepdim=True)
    return torch.where(total > 0, own / total.clamp(min=1e-30), mark / mark.sum(-1, keepdim=True).clamp(min=1))
