"""Where every head looks in a text: shares of attention by relation of key to query, distance, spread, and examples."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from common.progress import Count
from model import GPT, Hooks
from model.attention import repeat_groups
from probing.heads import head_names
from probing.in_text.kinds import RELATION_CODES, TokenKinds, relation_codes
from probing.in_text.windows import Windows
from probing.patterns import by_layer, show_patterns

WEIGHTS_PER_BATCH = 1 << 23  # attention weights of one layer
EXAMPLES = 12  # of each head
CANDIDATES = 24  # of each head and window, among which they are chosen
NEAR = 24  # tokens between the queries of two examples of one window, at least
LITTLE = 16  # keys, or a quarter of the most that a query sees: with no more to choose from it is no example


@dataclass(frozen=True)
class Strongest:
    """A head's large weight: of the query at position ``query`` of a window on the key at ``key``, in [0, 1]."""

    weight: float
    window: int
    query: int
    key: int


@dataclass(frozen=True)
class Looks:
    """Where K heads look, over all queries but each window's first, which sees nothing but itself.

    ``names``: the R relations measured. ``share`` [K, R] sums to 1 over relations; ``uniform`` [K, R] is what attention
    spread evenly over all that the head sees gives in the same rows. ``where_possible`` and ``uniform_where_possible``
    [K, R]: the same over those rows alone that have a key of the relation in sight (NaN where none has), ``possible``
    [K, R] of them: what a head does where it can.
    ``distance`` [K] and ``uniform_distance`` [K]: mean distance of key to query in tokens. ``effective`` [K] and
    ``uniform_effective``: 2 to the mean entropy of a row in bits, as many tokens as attention is spread over.
    ``first_value`` [K]: mean size of the first token's value vector over the mean size of the others' (NaN where those
    are 0). A head that gives the first token much attention but whose value there is small puts it where it does
    nothing (Kobayashi et al. 2020, "Attention is not only a weight").
    ``strongest``: for each head up to EXAMPLES of its largest weights, none on the window's first token, none of a
    query that sees little, no two queries of a window within NEAR tokens.
    """

    names: tuple[str, ...]
    share: np.ndarray
    uniform: np.ndarray
    where_possible: np.ndarray
    uniform_where_possible: np.ndarray
    possible: np.ndarray
    distance: np.ndarray
    uniform_distance: np.ndarray
    effective: np.ndarray
    uniform_effective: np.ndarray
    first_value: np.ndarray
    strongest: tuple[tuple[Strongest, ...], ...]


def window_batches(windows: Windows, most: int) -> Iterator[np.ndarray]:
    """The indices of all windows in groups of at most ``most`` (at least two) windows, those of one group far apart."""
    n_groups = -(-len(windows) // max(2, most))
    n_groups = max(1, min(n_groups, len(windows) // 2))
    return (np.arange(first, len(windows), n_groups) for first in range(n_groups))


def row_statistics(pattern: Tensor, marks: Tensor) -> Tensor:
    """Of attention ``pattern`` [B, H, T, T], sums over all rows but each first: on each of R relations, ``marks``
    [B, T, T, R], of distance in tokens, and of entropy in bits: [H, R + 2].
    """
    n = pattern.size(-1)
    pattern = pattern[:, :, 1:]
    masses = (pattern.flatten(2) @ marks[:, 1:].flatten(1, 2)).sum(0)  # [H, R]
    position = torch.arange(n, device=pattern.device, dtype=pattern.dtype)
    looked_at = pattern @ position  # [B, H, T - 1], the mean position of keys
    distance = (position[1:] - looked_at).sum((0, 2))
    entropy = torch.special.entr(pattern).sum((0, 2, 3)) / math.log(2)
    return torch.cat((masses, distance[:, None], entropy[:, None]), dim=1)


class LooksHooks(Hooks):
    """A batch's patterns, added up. ``sums`` [H, R + 2], ``uniform`` [1, R + 2] of each layer as ``row_statistics`` has
    them, ``possible`` [R] the rows that have a key of each relation in sight, ``sizes`` [2, H] the mean size of first
    and of other values, ``largest`` the weights, queries and keys [B, H, C] of the largest weights.
    """

    def __init__(self, model: GPT, codes: Tensor, relations: list[int]) -> None:
        super().__init__()
        n = codes.size(1)
        rows = torch.arange(n, device=codes.device)[None]
        self.sums, self.uniform, self.possible, self.sizes, self.largest = [], [], [], [], []

        def in_sight(visible: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            marks = torch.stack([visible & (codes == relation) for relation in relations], dim=-1)  # [B, T, T, R]
            possible = marks[:, 1:].any(2).sum((0, 1))
            spread = (visible / visible.sum(-1, keepdim=True)).float()
            marks = marks.float()
            uniform = row_statistics(spread[:, None].expand(len(codes), -1, -1, -1), marks)
            sees = visible[0].sum(-1)
            chooses = (sees > max(1, min(LITTLE, int(sees.max()) // 4))).nonzero()[:, 0]
            return marks, uniform, possible, chooses

        self.in_sight = by_layer(model, rows, n, in_sight)

    def pattern(self, layer: int, pattern: Tensor) -> Tensor:
        marks, uniform, possible, chooses = self.in_sight[layer]
        self.sums.append(row_statistics(pattern, marks))
        self.uniform.append(uniform)
        self.possible.append(possible)
        weight, key = pattern[:, :, chooses, 1:].max(-1)  # [B, H, queries that choose]
        weight, query = weight.topk(min(CANDIDATES, len(chooses)))
        self.largest.append((weight, chooses[query], key.gather(-1, query) + 1))
        return pattern

    def projected(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> None:
        size = repeat_groups(v, q.size(1)).norm(dim=-1)  # [B, H, T]
        self.sizes.append(torch.stack((size[:, :, 0].mean(0), size[:, :, 1:].mean((0, 2)))))


@torch.inference_mode()
def measure_looks(
    model: GPT,
    windows: Windows,
    kinds: TokenKinds,
    relations: list[str],
    say: Count,
) -> Looks:
    """Where all heads look; ``say`` is given how many windows have been read."""
    device, (n, length) = model.embed.weight.device, kinds.key.shape
    indices = [RELATION_CODES[name] for name in relations]
    sums = uniform = possible = sizes = np.zeros(1)
    candidates: list[list[tuple]] = [[] for _ in head_names(model)]
    done = 0
    for chosen in window_batches(windows, WEIGHTS_PER_BATCH // (model.config.n_head * length**2)):
        tokens = torch.from_numpy(windows.tokens[chosen, :-1]).to(device)
        hooks = LooksHooks(model, relation_codes(tokens, torch.from_numpy(kinds.key[chosen]).to(device)), indices)
        show_patterns(model, tokens, hooks)
        sums = sums + torch.cat(hooks.sums).cpu().double().numpy()  # [K, R + 2]
        uniform = uniform + np.repeat(torch.cat(hooks.uniform).cpu().double().numpy(), model.config.n_head, axis=0)
        possible = possible + np.repeat(torch.stack(hooks.possible).cpu().numpy(), model.config.n_head, axis=0)
        sizes = sizes + len(chosen) * torch.cat(hooks.sizes, dim=1).cpu().double().numpy()
        collect(candidates, hooks.largest, chosen)
        done += len(chosen)
        say(done)
    rows = n * (length - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        first_value = sizes[0] / sizes[1]
        where_possible, uniform_where_possible = sums[:, :-2] / possible, uniform[:, :-2] / possible
    return Looks(
        names=tuple(relations),
        share=sums[:, :-2] / rows,
        uniform=uniform[:, :-2] / rows,
        where_possible=where_possible,
        uniform_where_possible=uniform_where_possible,
        possible=possible,
        distance=sums[:, -2] / rows,
        uniform_distance=uniform[:, -2] / rows,
        effective=2 ** (sums[:, -1] / rows),
        uniform_effective=2 ** (uniform[:, -1] / rows),
        first_value=first_value,
        strongest=tuple(map(apart, candidates)),
    )


def collect(candidates: list[list[tuple]], largest: list[tuple[Tensor, Tensor, Tensor]], chosen: np.ndarray) -> None:
    """Adds a batch's large weights, of each layer [B, H, C], to those of each head: (-weight, window, query, key)."""
    k = 0
    for weight, query, key in largest:
        columns = [x.transpose(0, 1).flatten(1).tolist() for x in (weight, query, key)]  # [H, B * C]
        window = np.repeat(chosen, weight.size(-1)).tolist()
        for weights, queries, keys in zip(*columns, strict=True):
            candidates[k] += zip([-weight for weight in weights], window, queries, keys, strict=True)
            k += 1


def apart(candidates: list[tuple]) -> tuple[Strongest, ...]:
    """The largest of one head's weights, no two from one neighbourhood of a window."""
    taken: list[Strongest] = []
    for minus, window, query, key in sorted(candidates):
        if all(window != other.window or abs(query - other.query) > NEAR for other in taken):
            taken.append(Strongest(-minus, window, query, key))
        if len(taken) == EXAMPLES:
            break
    return tuple(taken)
