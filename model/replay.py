"""Forward passes in which some heads were changed, for many changes at once, computing only what a change can reach.

A change of head outputs in one layer leaves everything in front of it as it was: earlier layers, and in later layers
the rows before the first changed one. ``Replay`` keeps these from one clean pass, and runs the rest for V variants in
one batch. The last layer is computed at the asked row alone.

Heads can be changed in all layers that have any. A recurrent layer (R) is only run, always as a whole.

Shapes: V variants, B sequences, T tokens, R rows from the first changed to the asked one, H heads, d numbers per head.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from model.attention import Heads, repeat_groups
from model.gpt import GPT

# (layer, z [V, B, H, R, d], rows [B, R]) -> z with the changes of each variant in it.
Edit = Callable[[int, Tensor, Tensor], Tensor]


class Layer(NamedTuple):
    """One layer of the clean pass: its input x [B, T, D], and what its heads had and put out, z [B, H, T, d]."""

    x: Tensor
    heads: Heads | None
    z: Tensor | None


class Replay:
    """A clean pass over tokens [B, T] in evaluation mode, whose logits are asked at one row ``asked`` [B] of each."""

    @torch.inference_mode()
    def __init__(self, model: GPT, tokens: Tensor, asked: Tensor) -> None:
        self.model, self.asked = model, asked
        self.layers: list[Layer] = []
        x, self.rotary = model.begin(tokens)
        for block in model.blocks:
            if block.layer in model.config.layers_with_heads:
                heads = block.attention.project(block.norm_attention(x), self.rotary)
                layer = Layer(x, heads, block.attention.attend(heads))
            else:
                layer = Layer(x, None, None)
            self.layers.append(layer)
            if block is not model.blocks[-1]:
                x = block.add(x, block.attention.mix(layer.z)) if layer.heads else block(x, self.rotary, None)

    def pattern(self, layer: int, rows: Tensor) -> Tensor:
        """The clean attention weights [B, H, R, T] of the queries at ``rows`` [B, R]."""
        return self.model.blocks[layer].attention.pattern(self.layers[layer].heads, rows)

    def values(self, layer: int) -> Tensor:
        """The values [B, H, T, d] that these weights mix."""
        return repeat_groups(self.layers[layer].heads.v, self.model.config.n_head)

    @torch.inference_mode()
    def logits(self, layer: int, start: Tensor, n_variants: int = 1, edit: Edit | None = None) -> Tensor:
        """float32 logits [V, B, vocabulary] at the asked rows, with ``edit`` at work from ``layer`` on.

        ``start`` [B]: the first row that any variant changes. ``edit`` is called for ``layer`` and every later one, in
        the last layer with the asked rows alone. Raises ValueError for a layer without heads and for a row behind the
        asked one.
        """
        if layer not in self.model.config.layers_with_heads:
            raise ValueError(f"layer {layer}: the layers with heads are {self.model.config.layers_with_heads}")
        if bool((start > self.asked).any()):
            raise ValueError("a row behind the asked one cannot change it: attention is causal")
        steps = torch.arange(int((self.asked - start).max()) + 1, device=start.device)
        rows = torch.minimum(start[:, None] + steps, self.asked[:, None])
        return self.rest(layer, rows, n_variants, edit or (lambda layer, z, rows: z))

    def has_path(self, layer: int, rows: Tensor) -> Tensor:
        """Where changes of ``layer`` at ``rows`` [B] can reach the asked row: [B]; see ``GPT.reach``."""
        distance = self.asked - rows
        reach = self.model.reach(layer, int(distance.max().clamp(min=0))).to(rows.device)
        return (distance >= 0) & reach[distance.clamp(min=0)]

    def rest(self, layer: int, rows: Tensor, n_variants: int, edit: Edit) -> Tensor:
        """``logits``, with the rows [B, R] that are computed anew: in order, the asked one last, and repeated."""
        last, model = len(self.layers) - 1, self.model
        if layer == last:
            rows = self.asked[:, None]
        block, clean = model.blocks[layer], self.layers[layer]
        whole = bool((rows[:, 0] == 0).all())  # then every key and value is computed anew
        z = take(clean.z, rows).expand(n_variants, -1, -1, -1, -1)
        x = self.add(block, take(clean.x, rows).expand(n_variants, -1, -1, -1), edit(layer, z, rows))
        for later in range(layer + 1, last + 1):
            block, clean = model.blocks[later], self.layers[later]
            if clean.heads is None:
                x = take(block(put(clean.x, x, rows, n_variants), self.rotary, None), rows.repeat(n_variants, 1))
                continue
            heads = block.attention.project(block.norm_attention(x), self.rotary_of(rows, n_variants))
            if not whole:
                old = clean.heads
                k, v = (put(*both, rows, n_variants) for both in ((old.k, heads.k), (old.v, heads.v)))
                decay = heads.decay
                if decay is not None:
                    decay = put(old.decay[..., None], decay[..., None], rows, n_variants)[..., 0]
                heads = Heads(heads.q, k, v, decay)
            if later == last:
                heads, x, rows = heads._replace(q=heads.q[:, :, -1:]), x[:, -1:], self.asked[:, None]
            z = block.attention.attend_rows(heads, rows.repeat(n_variants, 1)).unflatten(0, (n_variants, -1))
            x = self.add(block, x.unflatten(0, (n_variants, -1)), edit(later, z, rows))
        return model.logits(x[:, -1]).unflatten(0, (n_variants, -1))

    def add(self, block, x: Tensor, z: Tensor) -> Tensor:
        """What a block makes of its input x [V, B, R, D] and its heads z [V, B, H, R, d]: [V * B, R, D]."""
        return block.add(x.flatten(0, 1), block.attention.mix(z.flatten(0, 1)))

    def rotary_of(self, rows: Tensor, n_variants: int) -> tuple[Tensor, Tensor] | None:
        """The rotary tables at ``rows``, once for each variant: [V * B, 1, R, d]."""
        if self.rotary is None:
            return None
        cos, sin = (table[rows].repeat(n_variants, 1, 1)[:, None] for table in self.rotary)
        return cos, sin


def take(x: Tensor, rows: Tensor) -> Tensor:
    """Rows [B, R] of x [B, ..., T, d]: [B, ..., R, d]."""
    index = rows.view(rows.size(0), *[1] * (x.dim() - 3), rows.size(1), 1)
    return x.gather(-2, index.expand(*x.shape[:-2], -1, x.size(-1)))


def put(old: Tensor, new: Tensor, rows: Tensor, n_variants: int) -> Tensor:
    """``old`` [B, ..., T, d] once for each variant, with ``new`` [V * B, ..., R, d] in its ``rows`` [B, R]."""
    index = rows.repeat(n_variants, 1)
    index = index.view(len(index), *[1] * (old.dim() - 3), -1, 1).expand_as(new)
    return old.repeat(n_variants, *[1] * (old.dim() - 1)).scatter(-2, index, new)
