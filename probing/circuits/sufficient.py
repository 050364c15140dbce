"""Which few heads suffice: a set of heads is kept, and the outputs of all other heads become their means.

Heads are put in order on *select*: first the necessary ones; greedily; by their single effects; at random. On *report*
the answer's log-odds and preference are measured with the first 0, 1, 2, ... heads of each order. The *share* of a set
is how far it comes from no head to all heads: (odds - none) / (all - none), in mean log-odds.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from common.progress import Say, silent
from probing.behaviour import preferred
from probing.circuits.head_sets import HeadSets
from probing.circuits.hypotheses import EPSILON, QUANTILE, Equivalence, Member, equivalence, inflate, minimality
from probing.circuits.necessary import SEARCHED, NecessaryHeads
from probing.interventions import AtSites, measure, paths_to_answer, single_heads, without_sets
from probing.splits import Split

ENOUGH = 0.9  # the share that a sufficient set reaches
MOST_HEADS = 24  # of a model with more heads, the most promising alone are tried
RANDOM_ORDERS = 10


@dataclass(frozen=True)
class Point:
    """The mean log-odds of answer to foil, in nats, and how often the answer is preferred, with 95 % intervals."""

    log_odds: float
    ci: tuple[float, float]
    preference: float
    preference_ci: tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """What the first 0, 1, 2, ... ``heads`` of an order do alone.

    ``area``: the mean share over all sizes from 1; 1 if the first head does it all; None where all heads together
    bring nothing. Random orders have no ``heads``, means for values, and ranges over orders for intervals.
    """

    heads: tuple[str, ...]
    points: tuple[Point, ...]
    area: float | None
    area_ci: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Sufficiency:
    """Sets of heads kept alone, on *report*: with ``none``, with ``all`` of the model's ``n_heads``, and ``curves`` by
    order: "necessary", "greedy", "effect" and "random". Sizes go up to ``largest``.

    ``heads``: the smallest set found that reaches ENOUGH on *select*, see ``smallest_set``; all that were tried where
    none does (``reached``). What they do alone is ``kept``; their ``share`` is None where all heads together bring
    nothing. ``circuit``, ``complement``: whether these heads alone, and all others
    alone, are as good as the whole model; ``members``: whether each is needed.
    """

    cases: int
    n_heads: int
    largest: int
    none: Point
    all: Point
    curves: dict[str, Curve]
    heads: tuple[str, ...]
    reached: bool
    kept: Point
    share: float | None
    share_ci: tuple[float, float] | None
    circuit: Equivalence
    complement: Equivalence
    members: tuple[Member, ...]


def sufficiency_json(found: Sufficiency | None) -> dict | None:
    """As heads.json has it, with the constants that its words need."""
    constants = {"enough": ENOUGH, "epsilon": EPSILON, "quantile": QUANTILE}
    return None if found is None else {**constants, **asdict(found)}


def measure_sufficiency(
    head_sets: HeadSets,
    select: Split,
    report: Split,
    sites: dict[str, str],
    necessary: NecessaryHeads,
    judged_by: str,
    seed: int,
    say: Say = silent,
) -> Sufficiency:
    """Which heads suffice; ``sites``: where each head is changed by weight swap."""
    names = head_sets.names
    select, report = select.part(SEARCHED), report.part(SEARCHED)
    orders = orders_by_effect(head_sets, select, sites, necessary, say)
    orders["greedy"] = greedy_order(head_sets, select, orders["necessary"], say)
    smallest = smallest_set(head_sets, select, orders, say)
    circuit = orders["greedy"] if smallest is None else smallest
    sets = sets_to_keep(orders, circuit, len(names), seed)
    say("which heads suffice, sets of them kept alone")
    measured = head_sets.keeping(report, np.concatenate([*sets.values()]))
    ends = np.cumsum([len(part) for part in sets.values()])
    odds = dict(zip(sets, np.split(measured, ends[:-1]), strict=True))
    quote = Quote(report, judged_by, none=odds["greedy"][0], all=odds["all"][0])
    curves = {name: quote.curve([names[k] for k in order], odds[name]) for name, order in orders.items()}
    curves["random"] = quote.random(odds["random"].reshape(RANDOM_ORDERS, -1, len(report.cases)))
    share, share_ci = quote.share(odds["circuit"][0])
    heads = tuple(names[k] for k in circuit)
    changes, random = odds["circuit"] - odds["without"], odds["inflated"] - odds["fewer"]
    return Sufficiency(
        cases=len(report.cases),
        n_heads=len(names),
        largest=len(orders["greedy"]),
        none=quote.points(quote.none[None])[0],
        all=quote.points(quote.all[None])[0],
        curves=curves,
        heads=heads,
        reached=smallest is not None,
        kept=quote.points(odds["circuit"])[0],
        share=share,
        share_ci=share_ci,
        circuit=equivalence(odds["circuit"][0], quote.all, report.groups),
        complement=equivalence(odds["complement"][0], quote.all, report.groups),
        members=minimality(heads, changes, random, report.groups, seed),
    )


def sets_to_keep(orders: dict[str, list[int]], circuit: list[int], n_heads: int, seed: int) -> dict[str, np.ndarray]:
    """Masks [V, K]: the first heads of each order, and of RANDOM_ORDERS; and what the tests of a circuit need."""
    rng, each = np.random.default_rng(seed), np.eye(n_heads, dtype=bool)
    at_random = [rng.permutation(n_heads)[: len(orders["greedy"])].tolist() for _ in range(RANDOM_ORDERS)]
    kept = np.isin(np.arange(n_heads), circuit)
    inflated, fewer = inflate(kept, seed)
    return {name: first_heads(order, n_heads) for name, order in orders.items()} | {
        "random": np.concatenate([first_heads(order, n_heads) for order in at_random]),
        "all": np.ones((1, n_heads), dtype=bool),
        "circuit": kept[None],
        "complement": ~kept[None],
        "without": kept & ~each[circuit],
        "inflated": inflated,
        "fewer": fewer,
    }


def first_heads(order: Sequence[int], n_heads: int) -> np.ndarray:
    """The first 0, 1, 2, ... heads of an order as masks over all heads: [len(order) + 1, K]."""
    rank = np.full(n_heads, len(order))
    rank[list(order)] = np.arange(len(order))
    return rank < np.arange(len(order) + 1)[:, None]


def orders_by_effect(
    head_sets: HeadSets, select: Split, sites: dict[str, str], necessary: NecessaryHeads, say: Say
) -> dict[str, list[int]]:
    """The numbers of the heads in two orders. "necessary": first the necessary heads, then by how much the mean
    ablation of each costs *select*. "effect": by how much its weight swap costs, or its mean ablation where nothing
    leads from its site to the answer.

    Of more than MOST_HEADS heads, those alone of which either costs most, and the necessary ones.
    """
    model, names, cases = head_sets.model, head_sets.names, select.cases
    paths = {name: np.array(paths_to_answer(model, cases, name, sites[name])) for name in names}
    swapped = [name for name in names if paths[name].any()]
    jobs = {"ablated": without_sets(single_heads(model), head_sets.means)}
    if swapped:
        jobs["swapped"] = AtSites(model, cases, swapped, [sites[name] for name in swapped], "weight_swap")
    say("which heads suffice, one by one")
    odds = {name: values.double().numpy() for name, values in measure(model, cases, jobs).items()}
    ablated = (odds["clean"] - odds["ablated"]).mean(1)
    effect = ablated.copy()
    for name, after in zip(swapped, odds.get("swapped", ()), strict=True):
        effect[names.index(name)] = (odds["clean"][0] - after)[paths[name]].mean()
    first = [names.index(name) for name in necessary.heads]
    promising = [*first, *(k for k in (-np.maximum(ablated, effect)).argsort().tolist() if k not in first)]
    tried = promising[:MOST_HEADS]
    rest = sorted(set(tried) - set(first), key=lambda k: -ablated[k])
    return {"necessary": [*first, *rest], "effect": sorted(tried, key=lambda k: -effect[k])}


def greedy_order(head_sets: HeadSets, select: Split, tried: Sequence[int], say: Say) -> list[int]:
    """``tried``, each next one the head that brings the log-odds of *select* highest beside those before it."""
    each, order, left = head_sets.each, [], list(tried)
    while left:
        say(f"which heads suffice together, {len(order)} found")
        odds = head_sets.keeping(select, each[order].any(0) | each[left]).mean(1)
        order.append(left.pop(int(odds.argmax())))
    return order


def smallest_set(head_sets: HeadSets, select: Split, orders: dict[str, list[int]], say: Say) -> list[int] | None:
    """The first heads of the order that reaches ENOUGH on *select* with the fewest, and of these what is left when one
    after the other is taken out, the least needed first, as long as ENOUGH is reached. None if no order reaches it.

    Heads that only work together are found late by a greedy search, after others that do nothing.
    """
    say("which heads suffice, the smallest set")
    each = head_sets.each
    sets = [*(first_heads(order, len(each)) for order in orders.values()), np.ones_like(each[:1])]
    *odds, whole = head_sets.keeping(select, np.concatenate(sets)).mean(1)
    by_size = np.reshape(odds, (len(orders), -1))  # [orders, S + 1]
    goal = by_size[0, 0] + ENOUGH * (whole - by_size[0, 0])
    if by_size.max() < goal:
        return None
    size = int((by_size >= goal).any(0).argmax())
    chosen = list(orders.values())[by_size[:, size].argmax()][:size]
    while chosen:
        odds = head_sets.keeping(select, each[chosen].any(0) & ~each[chosen]).mean(1)
        if odds.max() < goal:
            break
        del chosen[int(odds.argmax())]
    return chosen


@dataclass(frozen=True)
class Quote:
    """How sets of heads do on *report*, from log-odds [..., N], beside those with no head and with all of them [N]."""

    report: Split
    judged_by: str
    none: np.ndarray
    all: np.ndarray

    def points(self, odds: np.ndarray) -> tuple[Point, ...]:
        """Of each set, [V, N]."""
        shares = preferred(odds, self.judged_by)
        intervals = self.report.clusters.intervals(odds.T), self.report.intervals(shares.T)
        rows = zip(odds.mean(1), intervals[0], shares.mean(1), intervals[1], strict=True)
        return tuple(Point(float(mean), pair(ci), float(share), pair(other)) for mean, ci, share, other in rows)

    def share(self, odds: np.ndarray) -> tuple[float | None, tuple[float, float] | None]:
        """How far log-odds [N] come from no head to all heads, with an interval; None where that is not surely up."""
        gap = self.all - self.none
        if self.report.clusters.interval(gap)[0] <= 0:
            return None, None
        brought = odds - self.none
        return float(brought.mean() / gap.mean()), self.report.clusters.interval(brought, per=gap)

    def curve(self, heads: Sequence[str], odds: np.ndarray) -> Curve:
        """Of one order, [S + 1, N]."""
        return Curve(tuple(heads), self.points(odds), *self.share(odds[1:].mean(0)))

    def random(self, odds: np.ndarray) -> Curve:
        """Of several orders, [orders, S + 1, N]."""
        means, shares = odds.mean(2), preferred(odds, self.judged_by).mean(2)
        rows = zip(means.mean(0), ranges(means), shares.mean(0), ranges(shares), strict=True)
        points = tuple(Point(float(mean), between, float(share), other) for mean, between, share, other in rows)
        areas = [area for order in odds if (area := self.share(order[1:].mean(0))[0]) is not None]
        if not areas:  # as all heads together bring nothing, none has one
            return Curve((), points, None, None)
        return Curve((), points, float(np.mean(areas)), ranges(np.array(areas)[:, None])[0])


def pair(ends: np.ndarray) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


def ranges(values: np.ndarray) -> list[tuple[float, float]]:
    """The smallest and the largest of each column of [orders, S]."""
    return [pair(ends) for ends in np.stack((values.min(0), values.max(0)), axis=1)]
