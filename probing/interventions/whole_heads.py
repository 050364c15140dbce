"""Whole heads, taken away in every row, one by one or as sets.

*Zero ablation* replaces a head's output by 0, *mean ablation* by its mean over all rows, *mean ablation per position*
by its mean at this position, and *resample ablation* by its output on another case (Chan et al. 2022, "Causal
scrubbing"). Positions are counted back from A-1: where all cases are equally long, that is the position itself.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from data import EncodedCase
from data.cases.case import counterfactual_groups
from model import GPT
from model.attention import take_rows
from probing.interventions.batch import Batch, Job, Read, clean_batches, in_order
from probing.scoring import in_batches


class MeanOutputs(NamedTuple):
    """What mean ablation puts in: each head's mean output over all rows up to A-1 of all cases, ``over_rows``
    [layers, H, d]; or 0, 1, ... L - 1 rows before A-1, over all cases that are so long: ``per_position``
    [layers, H, L, d].
    """

    over_rows: Tensor
    per_position: Tensor


@torch.inference_mode()
def mean_outputs(model: GPT, cases: Sequence[EncodedCase]) -> MeanOutputs:
    """See ``MeanOutputs``."""
    config, device = model.config, model.embed.weight.device
    longest = 1 + max(case.sites["A-1"] for case in cases)
    total = torch.zeros(config.n_layer, config.n_head, longest, config.head_dim, device=device)
    n_rows = torch.zeros(longest, device=device)
    for batch in clean_batches(model, cases):
        distance = batch.asked[:, None] - torch.arange(batch.tokens.size(1), device=device)  # [B, T]
        real = distance >= 0
        n_rows += distance[real].bincount(minlength=longest)
        for layer in config.layers_with_heads:
            z = batch.replay.clean.outputs[layer].movedim(1, 2)[real]  # [rows, H, d]
            total[layer].index_add_(1, distance[real], z.transpose(0, 1))
    return MeanOutputs(total.sum(2) / n_rows.sum(), total / n_rows[:, None])


def without_sets(sets: Tensor, means: Tensor, read: Read = Batch.log_odds) -> Job:
    """Each of V sets of heads, ``sets`` [V, layers, H], with its heads' outputs replaced by ``means`` in every row:
    [layers, H, d], or [layers, H, L, d] by distance from A-1, of which earlier rows take the last.
    """
    means = means if means.dim() == 4 else means[:, :, None]

    def job(batch: Batch) -> Tensor:
        def replace(at: int, z: Tensor, rows: Tensor, chosen: Tensor) -> Tensor:
            distance = (batch.asked[:, None] - rows).clamp(max=means.size(2) - 1)  # [B, R]
            own = means[at][:, distance].transpose(0, 1)  # [B, H, R, d]
            return torch.where(chosen[:, None, at, :, None, None], own, z)

        return replay_sets(batch, sets, replace, read)

    return job


def resampled(sets: Tensor, seed: int, read: Read = Batch.log_odds) -> Job:
    """The same with outputs of another case of the batch, drawn at random, not the counterfactual, in every row.

    The other case's rows are counted back from its A-1; where it is shorter, its first row stands in.
    """
    generator = torch.Generator().manual_seed(seed)

    def job(batch: Batch) -> Tensor:
        donor = donors(batch.cases, generator).to(batch.tokens.device)

        def replace(at: int, z: Tensor, rows: Tensor, chosen: Tensor) -> Tensor:
            there = (batch.asked[donor][:, None] - (batch.asked[:, None] - rows)).clamp(min=0)
            other = take_rows(batch.replay.clean.outputs[at][donor], there)
            return torch.where(chosen[:, None, at, :, None, None], other, z)

        return replay_sets(batch, sets, replace, read)

    return job


def donors(cases: Sequence[EncodedCase], generator: torch.Generator) -> Tensor:
    """For each case another one [N], drawn from all but its counterfactual; where there is none, that one or itself."""
    group = torch.tensor([i for i, members in enumerate(counterfactual_groups(cases)) for _ in members])
    allowed = group[:, None] != group
    if not allowed.any():
        allowed = ~torch.eye(len(group), dtype=torch.bool) if len(group) > 1 else ~allowed
    return torch.multinomial(allowed.double(), 1, generator=generator)[:, 0]


def replay_sets(batch: Batch, sets: Tensor, replace: Callable[..., Tensor], read: Read) -> Tensor:
    """What is read; ``replace``, given (layer, z [V, B, H, R, d], rows, chosen=sets), makes the new z."""
    parts, order = [], []
    sets, layers = sets.to(batch.tokens.device), batch.model.config.layers_with_heads
    first = [layers[i] for i in sets[:, layers].any(-1).int().argmax(-1).tolist()]  # that each variant changes
    for layer in sorted(set(first)):
        variants = [v for v, own in enumerate(first) if own == layer]
        for some in in_batches(len(variants), batch.variants_per_batch()):
            chosen = sets[variants[some]]
            edit = partial(replace, chosen=chosen)
            logits = batch.replay.logits(layer, torch.zeros_like(batch.asked), len(chosen), edit)
            parts.append(read(batch, logits))
            order += variants[some]
    return in_order(parts, order)


def single_heads(model: GPT) -> Tensor:
    """Each head as a set of its own: [K, layers, H]."""
    n, layers = model.config.n_layer * model.config.n_head, model.config.layers_with_heads
    every = torch.eye(n, dtype=torch.bool).view(model.config.n_layer, model.config.n_head, model.config.n_layer, -1)
    return every[layers].flatten(0, 1)
