"""Does a head matter? Change what it does and see what happens to the answer.

All heads of a layer are changed in one batch, each in a variant of its own (``probing.replay``). Two kinds of change:

* one row of one head, at one site: *weight swap* exchanges the weights of gold and of the heaviest distractor; *edge
  ablation* sets gold's weight to 0 and scales the rest up; *pattern patching* and *activation patching* take the row's
  weights, or the head's output there, from the case's counterfactual;
* the whole head, in every row: *zero ablation* replaces its output by 0, *mean ablation* by its mean over all rows,
  *mean ablation per position* by its mean at this position, and *resample ablation* by its output on another case (Chan
  et al. 2022, "Causal scrubbing"). Positions are counted back from A-1: where all cases are equally long, that is the
  position itself.

The result is log P(answer) - log P(foil) in nats, and log P(answer) beside it where a job is asked to read ``answers``.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor

from common.progress import Say, silent
from data import EncodedCase
from data.cases.case import counterfactual_groups
from model import GPT
from model.attention import take_rows
from probing.heads import case_batches, mark_spans, parse_head
from probing.patterns import attention_of
from probing.replay import Replay, reach
from probing.scoring import in_batches, pad

AT_A_SITE = ("weight_swap", "edge_ablation")
FROM_THE_COUNTERFACTUAL = ("pattern_patching", "activation_patching")
PERCEPTIBLE = 0.05  # a change of the residual stream, against its size, that must move some answer
NUMBERS_PER_BATCH = 1 << 22  # numbers of a feed-forward layer


class Batch:
    """Some cases on the model's device, with one clean pass to change things in."""

    def __init__(self, model: GPT, cases: Sequence[EncodedCase]) -> None:
        self.model, self.cases = model, cases
        device = model.embed.weight.device
        self.tokens = pad([case.tokens for case in cases], device)
        self.asked = self.rows("A-1")
        self.answer = torch.tensor([case.answer for case in cases], device=device)
        self.foil = torch.tensor([case.foil for case in cases], device=device)
        self.replay = Replay(model, self.tokens, self.asked)

    def rows(self, site: str) -> Tensor:
        """The positions [B] of a site."""
        return torch.tensor([case.sites[site] for case in self.cases], device=self.model.embed.weight.device)

    def marks(self) -> Tensor:
        return mark_spans(self.cases, self.tokens.size(1), self.tokens.device)

    def counterfactuals(self) -> Tensor:
        """Each case's counterfactual, as its index [B] in this batch: the one beside it."""
        return torch.arange(len(self.cases), device=self.tokens.device) ^ 1

    def log_odds(self, logits: Tensor) -> Tensor:
        """logits [V, B, vocabulary] -> log P(answer) - log P(foil) [V, B]."""
        return logit_of(self.answer, logits) - logit_of(self.foil, logits)

    def answers(self, logits: Tensor) -> Tensor:
        """logits [V, B, vocabulary] -> ``log_odds`` and log P(answer) [V, B, 2]."""
        return torch.stack((self.log_odds(logits), logit_of(self.answer, logits) - logits.logsumexp(-1)), -1)

    @cached_property
    def clean_logits(self) -> Tensor:
        """Logits [1, B, vocabulary] without any change."""
        return self.replay.logits(self.model.config.layers_with_heads[-1], self.asked)

    @cached_property
    def clean(self) -> Tensor:
        """The log-odds [B] without any change."""
        return self.log_odds(self.clean_logits)[0]

    def variants_per_batch(self) -> int:
        return max(1, NUMBERS_PER_BATCH // (4 * self.model.config.n_embd * self.tokens.numel()))


def logit_of(ids: Tensor, logits: Tensor) -> Tensor:
    """The logit [V, B] of each case's own token, ``ids`` [B]."""
    return logits.gather(-1, ids.expand(len(logits), -1)[..., None])[..., 0]


def clean_batches(model: GPT, cases: Sequence[EncodedCase]) -> Iterator[Batch]:
    """All cases, few enough at a time for what a clean pass keeps: five numbers a token, layer and dimension."""
    numbers = 5 * model.config.n_layer * model.config.n_embd
    parts = case_batches([len(case.tokens) for case in cases], numbers)
    return (Batch(model, cases[part]) for part in parts)


Read = Callable[[Batch, Tensor], Tensor]  # from logits [V, B, vocabulary] to numbers [V, B, ...]
Job = Callable[[Batch], Tensor]  # one intervention in several variants: what it reads, by default log-odds [V, B]


def measure(model: GPT, cases: Sequence[EncodedCase], jobs: dict[str, Job], say: Say = silent) -> dict[str, Tensor]:
    """Log-odds [V, N] of each job, or what else it reads [V, N, ...], with one clean pass over the cases for all of
    them; ``clean``, log-odds [1, N], is added where no job has that name. Prints the notes of ``AtSites`` to stderr.
    """
    jobs = {"clean": lambda batch: batch.clean[None]} | jobs
    parts, done = {name: [] for name in jobs}, 0
    for batch in clean_batches(model, cases):
        say(f"{done} of {len(cases)} cases")
        done += len(batch.cases)
        for name, job in jobs.items():
            parts[name].append(job(batch).cpu())
    for job in jobs.values():
        if isinstance(job, AtSites):
            for note in job.notes():  # printed here: none of the results on the way to the terminal has a field for it
                print(f"note   {note}", file=sys.stderr)
    return {name: torch.cat(columns, dim=1) for name, columns in parts.items()}


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


def in_order(parts: Sequence[Tensor], order: Sequence[int]) -> Tensor:
    """Numbers of variants, [V, ...] in all, of which the i-th is that of variant order[i]."""
    numbers = torch.cat(list(parts))
    return torch.empty_like(numbers).index_copy_(0, torch.tensor(order, device=numbers.device), numbers)


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
    group = torch.tensor([i for i, alike in enumerate(counterfactual_groups(cases)) for _ in alike])
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
