"""Forward passes in which some heads were changed, for many changes in one batch, computing only what a change reaches.

A change of head outputs in one layer leaves everything before it as it was: earlier layers, and in later layers the
rows before the first changed one. ``Replay`` keeps these from one clean pass, and runs the rest for V variants in one
batch, in the last layer at the asked row alone.

Heads can be changed in all layers that have any. A recurrent layer (R) is only run, always as a whole.

Shapes: V variants, B sequences, T tokens, R rows from the first changed to the asked one, H heads, d numbers per head.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from model import GPT, Hooks
from model.attention import CausalSelfAttention, repeat_groups, take_rows
from model.gpt import Block
from model.linear import LinearAttention
from probing.patterns import attention_of

# (layer, z [V, B, H, R, d], rows [B, R]) -> z with the changes of each variant in it.
Edit = Callable[[int, Tensor, Tensor], Tensor]


class CleanPass(Hooks):
    """Keeps, for each layer, what it read, x [B, T, D]; for those with heads, q, k, v and outputs z [B, H, T, d]."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__(rows)
        self.x: dict[int, Tensor] = {}
        self.qkv: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self.outputs: dict[int, Tensor] = {}

    def residual(self, layer: int, x: Tensor) -> None:
        self.x[layer] = x

    def projected(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> None:
        self.qkv[layer] = q, k, v

    def z(self, layer: int, z: Tensor) -> Tensor:
        self.outputs[layer] = z
        return z


class Replay:
    """A clean pass over tokens [B, T] in evaluation mode, whose logits are asked at one row ``asked`` [B] of each."""

    @torch.inference_mode()
    def __init__(self, model: GPT, tokens: Tensor, asked: Tensor) -> None:
        self.model, self.asked, self.clean = model, asked, CleanPass(asked[:, None])
        model(tokens, rows=asked[:, None], hooks=self.clean)

    def pattern(self, layer: int, rows: Tensor) -> Tensor:
        """The clean attention weights [B, H, R, T] of the queries at ``rows`` [B, R]."""
        q, k, _ = self.clean.qkv[layer]
        return attention_of(self.model.blocks[layer]).weights(take_rows(q, rows), k, rows)

    def values(self, layer: int) -> Tensor:
        """The values [B, H, T, d] that these weights mix."""
        return repeat_groups(self.clean.qkv[layer][2], self.model.config.n_head)

    @torch.inference_mode()
    def logits(self, layer: int, start: Tensor, n_variants: int = 1, edit: Edit | None = None) -> Tensor:
        """float32 logits [V, B, vocabulary] at the asked rows, with ``edit`` at work from ``layer`` on.

        ``start`` [B]: the first row that any variant changes. ``edit`` is called for ``layer`` and every later one, in
        the last layer with the asked rows alone. Raises ValueError for a layer without heads and for a row after the
        asked one.
        """
        if layer not in self.model.config.layers_with_heads:
            raise ValueError(f"layer {layer}: the layers with heads are {self.model.config.layers_with_heads}")
        if bool((start > self.asked).any()):
            raise ValueError("a row after the asked one cannot change it: attention is causal")
        return self.run(layer, self.rows_from(start), n_variants, edit or (lambda layer, z, rows: z))

    def rows_from(self, start: Tensor) -> Tensor:
        """The rows [B, R] from ``start`` [B] to the asked one, which is repeated where there are fewer."""
        steps = torch.arange(int((self.asked - start).max()) + 1, device=start.device)
        return torch.minimum(start[:, None] + steps, self.asked[:, None])

    def has_path(self, layer: int, rows: Tensor) -> Tensor:
        """Whether changes of ``layer`` at ``rows`` [B] can affect the asked row: [B]; see ``reach``."""
        distance = self.asked - rows
        reached = reach(self.model, layer, int(distance.max().clamp(min=0))).to(rows.device)
        return (distance >= 0) & reached[distance.clamp(min=0)]

    def run(self, layer: int, rows: Tensor, n_variants: int, edit: Edit) -> Tensor:
        """``logits``, with the rows [B, R] that are computed anew: in order, the asked one last, and repeated."""
        model, clean, last = self.model, self.clean, len(self.model.blocks) - 1
        if layer == last:
            rows = self.asked[:, None]
        whole = bool((rows[:, 0] == 0).all())  # then every key and value is computed anew
        z = take_rows(clean.outputs[layer], rows).expand(n_variants, -1, -1, -1, -1)
        x = take_rows(clean.x[layer], rows).repeat(n_variants, 1, 1)  # [V * B, R, D], as in all that follows
        x = finish(model.blocks[layer], x, edit(layer, z, rows))
        for later, block in enumerate(model.blocks[layer + 1 :], start=layer + 1):
            if later not in clean.qkv:
                x = take_rows(block(with_rows(clean.x[later], x, rows, n_variants), None), rows.repeat(n_variants, 1))
                continue
            rotary = None if model.rotary is None else model.rotary[:, rows].repeat(1, n_variants, 1, 1)
            attention = attention_of(block)
            q, k, v = attention.project(block.norm_attention(x), rotary)
            if not whole:
                _, *before = clean.qkv[later]
                k, v = (with_rows(old, new, rows, n_variants) for old, new in zip(before, (k, v), strict=True))
            if later == last:
                q, x, rows = q[:, :, -1:], x[:, -1:], self.asked[:, None]
            z = attend_rows(attention, q, k, v, rows.repeat(n_variants, 1)).unflatten(0, (n_variants, -1))
            x = finish(block, x, edit(later, z, rows))
        return model.logits(x[:, -1]).unflatten(0, (n_variants, -1))


def attend_rows(attention: CausalSelfAttention, q: Tensor, k: Tensor, v: Tensor, rows: Tensor) -> Tensor:
    """The outputs [B, H, R, d] of queries [B, H, R, d] at ``rows`` [B, R], by the fused kernel where there is one."""
    if isinstance(attention, LinearAttention):
        return attention.weights(q, k, rows) @ repeat_groups(v, attention.n_head)
    return attention.fused(q, k, v, attention.visible(rows, k.size(2))[:, None])


def finish(block: Block, x: Tensor, z: Tensor) -> Tensor:
    """What a block makes of its input x [V * B, R, D] and its heads' outputs z [V, B, H, R, d]: [V * B, R, D]."""
    return block.feed_forward(x + block.attention.o(z.flatten(0, 1).transpose(1, 2).flatten(2)))


def reach(model: GPT, layer: int, longest: int) -> Tensor:
    """Can a change of what ``layer`` adds at position t affect the final state at t + d? For d = 0 ... ``longest``,
    [longest + 1]. From the last layer, only at t itself.
    """
    distances = torch.arange(longest + 1)
    between = distances[:, None] - distances
    reached = distances == 0
    for block in model.blocks[layer + 1 :]:
        reached = (block.attention.mask(between) & reached).any(1)
    return reached


def with_rows(old: Tensor, new: Tensor, rows: Tensor, n_variants: int) -> Tensor:
    """``old`` [B, ..., T, d] once for each variant, with ``new`` [V * B, ..., R, d] in its ``rows`` [B, R]."""
    index = rows.repeat(n_variants, 1)
    index = index.view(len(index), *[1] * (old.dim() - 3), -1, 1).expand_as(new)
    return old.repeat(n_variants, *[1] * (old.dim() - 1)).scatter(-2, index, new)
