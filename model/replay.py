"""Forward passes in which some heads were changed, for many changes at once, computing only what a change can reach.

A change of head outputs in one layer leaves everything in front of it as it was: earlier layers, and in later layers
the rows before the first changed one. ``Replay`` keeps these from one clean pass, and runs the rest for V variants in
one batch. The last layer is computed at the asked row alone.

Shapes: V variants, B sequences, T tokens, R rows from the first changed to the asked one, H heads, d numbers per head.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from model.attention import attend_rows, fused_attention, repeat_groups
from model.gpt import GPT

# (layer, z [V, B, H, R, d], rows [B, R]) -> z with the changes of each variant in it.
Edit = Callable[[int, Tensor, Tensor], Tensor]


class Layer(NamedTuple):
    """One layer of the clean pass: its input x [B, T, D], queries and head outputs [B, H, T, d], keys and values."""

    x: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    z: Tensor


class Replay:
    """A clean pass over tokens [B, T] in evaluation mode, whose logits are asked at one row ``asked`` [B] of each."""

    @torch.inference_mode()
    def __init__(self, model: GPT, tokens: Tensor, asked: Tensor) -> None:
        self.model, self.asked = model, asked
        self.layers: list[Layer] = []
        x, self.rotary = model.begin(tokens, start=0)
        for block in model.blocks:
            q, k, v = block.attention.project(block.norm_attention(x), self.rotary)
            z = fused_attention(q, k, v)
            self.layers.append(Layer(x, q, k, v, z))
            if block is not model.blocks[-1]:
                x = block.add(x, block.attention.mix(z))

    def pattern(self, layer: int, rows: Tensor) -> Tensor:
        """The clean attention weights [B, H, R, T] of the queries at ``rows`` [B, R]."""
        return self.model.blocks[layer].attention.pattern(self.layers[layer].q, self.layers[layer].k, rows)

    def values(self, layer: int) -> Tensor:
        """The values [B, H, T, d] that these weights mix."""
        return repeat_groups(self.layers[layer].v, self.model.config.n_head)

    @torch.inference_mode()
    def logits(self, layer: int, start: Tensor, n_variants: int = 1, edit: Edit | None = None) -> Tensor:
        """float32 logits [V, B, vocabulary] at the asked rows, with ``edit`` at work from ``layer`` on.

        ``start`` [B]: the first row that any variant changes. ``edit`` is called for ``layer`` and every later one, in
        the last layer with the asked rows alone. Raises ValueError for a layer that is none, or a row behind the asked.
        """
        if not 0 <= layer < len(self.layers):
            raise ValueError(f"layer {layer}: the model has layers 0 to {len(self.layers) - 1}")
        if bool((start > self.asked).any()):
            raise ValueError("a row behind the asked one cannot change it: attention is causal")
        steps = torch.arange(int((self.asked - start).max()) + 1, device=start.device)
        rows = torch.minimum(start[:, None] + steps, self.asked[:, None])
        return self.rest(layer, rows, n_variants, edit or (lambda layer, z, rows: z))

    def has_path(self, layer: int, rows: Tensor) -> Tensor:
        """Where changes of ``layer`` at ``rows`` [B] can reach the asked row: [B]. From the last layer, only itself."""
        return (rows <= self.asked) if layer < len(self.layers) - 1 else (rows == self.asked)

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
            q, k, v = block.attention.project(block.norm_attention(x), self.rotary_of(rows, n_variants))
            if not whole:
                k, v = (put(old, new, rows, n_variants) for old, new in ((clean.k, k), (clean.v, v)))
            if later == last:
                q, x, rows = q[:, :, -1:], x[:, -1:], self.asked[:, None]
            z = attend_rows(q, k, v, rows.repeat(n_variants, 1)).unflatten(0, (n_variants, -1))
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
    """``old`` [B, Hkv, T, d] once for each variant, with ``new`` [V * B, Hkv, R, d] in its ``rows`` [B, R]."""
    index = rows.repeat(n_variants, 1)[:, None, :, None].expand_as(new)
    return old.repeat(n_variants, 1, 1, 1).scatter(2, index, new)
