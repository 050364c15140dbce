"""What it costs a model to do without heads in a text: without one, without all of a layer, without any.

Three ways to take a head away, each in every row at once:

* *mean per position*: in its place its mean output at this position over all other windows; what depends on the text
  goes, what depends on the position alone stays. Published work mostly does this, and it is what is shown first;
* *mean over positions*: one mean for all positions, so that what depends on the position goes, too;
* *resample*: its output in another window at the same position (Chan et al. 2022, "Causal scrubbing").

The first two are different quantities: a head that only marks positions costs nothing in one and much in the other.

All heads of a layer are variants of one batch that starts at the layer: what comes before is computed once. On a CPU
several batches of a small network are read at a time.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from common.progress import Count
from model import GPT
from probing.in_text.looks import window_batches
from probing.in_text.windows import Windows
from probing.parallel import GoOn, side_by_side
from probing.replay import CleanPass, finish
from probing.scoring import in_batches

PER_POSITION, OVER_POSITIONS, RESAMPLE = "mean_per_position", "mean_over_positions", "resample"
ABLATIONS = (PER_POSITION, OVER_POSITIONS, RESAMPLE)  # the first is what roles are given by
WINDOWS_PER_BATCH = 1 << 20  # numbers of a feed-forward layer in a clean pass
VARIANTS_PER_BATCH = 1 << 22  # and with all variants
LOGITS_PER_BATCH = {"cpu": 1 << 19, "cuda": 1 << 26, "mps": 1 << 24}  # on a CPU, what stays in its cache
FEWEST_ROWS = 128  # of logits, for which a large vocabulary's weights are worth reading


@dataclass(frozen=True)
class AblatedLosses:
    """Loss in nats on every predicted token: ``clean`` [N, T], and of each ablation how much it grows, float32:
    ``heads`` [K, N, T], ``layers`` [layers with heads, N, T] without all heads of one, ``all_heads`` [1, N, T].
    """

    clean: np.ndarray
    heads: dict[str, np.ndarray]
    layers: dict[str, np.ndarray]
    all_heads: dict[str, np.ndarray]


def batches(model: GPT, windows: Windows) -> list[np.ndarray]:
    """Windows that are read at once; two at least, so that each has another one to be resampled from."""
    return [*window_batches(windows, WINDOWS_PER_BATCH // (4 * model.config.n_embd * windows.length))]


def read_batches(model: GPT, windows: Windows, measure: Callable[[int, np.ndarray, GoOn], None], say: Count) -> None:
    """``measure`` on the number of each of ``batches`` and its windows, on a CPU several at a time.

    One at a time where two windows are a batch: of a large network, one fills the cores, and much of the memory.
    """
    groups = batches(model, windows)
    finished: list[int] = []
    one_by_one = threading.Lock()

    def measured(i: int, go_on: GoOn) -> None:
        with torch.inference_mode():  # a mode of each thread, not of all
            measure(i, groups[i], go_on)
        with one_by_one:
            finished.append(len(groups[i]))
            say(sum(finished))

    large = max(map(len, groups)) <= 2
    side_by_side(measured, range(len(groups)), model.embed.weight.device, fills_cores=large)


def clean_pass(model: GPT, tokens: Tensor) -> CleanPass:
    """What every layer reads and what its heads put out, on tokens [B, T]."""
    clean = CleanPass(tokens.new_zeros(len(tokens), 1))
    model(tokens, rows=clean.rows, hooks=clean)
    return clean


def split_windows(model: GPT, windows: Windows, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
    """What a model reads in the chosen windows, and what it has to predict: [B, T] twice."""
    tokens = torch.from_numpy(windows.tokens[chosen]).to(model.embed.weight.device)
    return tokens[:, :-1], tokens[:, 1:]


def token_losses(model: GPT, x: Tensor, targets: Tensor) -> Tensor:
    """Loss in nats of ``targets`` [B, T] at every row of the last residual stream x [V * B, T, D]: [V * B, T]."""
    rows = max(FEWEST_ROWS, LOGITS_PER_BATCH[x.device.type] // model.config.vocab_size)
    targets = targets.repeat(len(x) // len(targets), 1)
    parts = zip(x.flatten(0, 1).split(rows), targets.flatten().split(rows), strict=True)
    return torch.cat([F.cross_entropy(model.logits(some), own, reduction="none") for some, own in parts]).view_as(
        targets
    )


def run_blocks(model: GPT, x: Tensor, first: int) -> Tensor:
    """The residual stream x [B, T, D] after block ``first`` and all later ones."""
    rotary = None if model.rotary is None else model.rotary[:, : x.size(1)]
    for block in model.blocks[first:]:
        x = block(x, rotary)
    return x


@dataclass(frozen=True)
class MeansOverWindows:
    """Each head's mean output at each position over ``n`` windows: ``means`` [layers, H, T, d]."""

    means: Tensor
    n: int

    def of_others(self, layer: int, z: Tensor, over_positions: bool) -> Tensor:
        """For each of B of these windows, where the layer's heads put out z [B, H, T, d], the mean over all others.

        With its own output in it, a window would keep 1/n of what is to be taken away.
        """
        means = self.means[layer]
        if over_positions:
            z, means = z.mean(2, keepdim=True), means.mean(1, keepdim=True)
        return means + (means - z) / (self.n - 1)


@torch.inference_mode()
def means_over_windows(model: GPT, windows: Windows, say: Count) -> MeansOverWindows:
    config = model.config
    total = torch.zeros(
        config.n_layer, config.n_head, windows.length, config.head_dim, device=model.embed.weight.device
    )
    done = 0
    for chosen in batches(model, windows):
        for layer, z in clean_pass(model, split_windows(model, windows, chosen)[0]).outputs.items():
            total[layer] += z.sum(0)
        done += len(chosen)
        say(done)
    return MeansOverWindows(total / len(windows), len(windows))


class TextBatch:
    """Some windows with one clean pass, to take heads away from."""

    def __init__(self, model: GPT, windows: Windows, chosen: np.ndarray, means: MeansOverWindows, shift: int) -> None:
        """``means``: over these windows and others; ``shift``: how many windows on is the one that each is resampled
        from.
        """
        self.model, self.means, self.shift = model, means, shift
        self.tokens, self.targets = split_windows(model, windows, chosen)
        self.clean = clean_pass(model, self.tokens)
        last = model.config.n_layer - 1
        end = run_blocks(model, self.clean.x[last], last)
        self.clean_loss = token_losses(model, end, self.targets)  # [B, T]

    def replacement(self, layer: int, ablation: str) -> Tensor:
        """What a layer's heads put out once they are taken away: [B, H, T or 1, d]."""
        z = self.clean.outputs[layer]
        if ablation == RESAMPLE:
            return z.roll(self.shift, 0)
        return self.means.of_others(layer, z, over_positions=ablation == OVER_POSITIONS)

    def without(self, layer: int, sets: Tensor, ablation: str, go_on: GoOn) -> Tensor:
        """Loss [V, B, T] without each of V sets of one layer's heads, ``sets`` [V, H]."""
        model, z = self.model, self.clean.outputs[layer]
        at_once = max(1, VARIANTS_PER_BATCH // (4 * model.config.n_embd * self.tokens.numel()))
        parts = []
        for some in in_batches(len(sets), at_once):
            go_on()
            own = sets[some]
            edited = torch.where(own[:, None, :, None, None], self.replacement(layer, ablation), z)  # [V, B, H, T, d]
            x = finish(model.blocks[layer], self.clean.x[layer].repeat(len(own), 1, 1), edited)
            parts.append(token_losses(model, run_blocks(model, x, layer + 1), self.targets))
        return torch.cat(parts).unflatten(0, (len(sets), -1))

    def without_any(self, ablation: str) -> Tensor:
        """Loss [B, T] without any head; recurrent layers, which have none, run on what they then read."""
        model, x = self.model, self.clean.x[0]
        for layer, block in enumerate(model.blocks):
            if layer in self.clean.outputs:
                replaced = self.replacement(layer, ablation).expand_as(self.clean.outputs[layer])
                x = finish(block, x, replaced[None])
            else:
                x = block(x, None)
        return token_losses(model, x, self.targets)


def ablate(
    model: GPT,
    windows: Windows,
    means: MeansOverWindows,
    ablations: Sequence[str],
    seed: int,
    say: Count,
    sets_too: bool = True,
) -> AblatedLosses:
    """The losses without each head, without each layer's heads and without any (these only if ``sets_too``).

    ``means``: of all windows that ``windows`` are, or were taken from. ``seed`` draws which other window each is
    resampled from.
    """
    config, rng = model.config, np.random.default_rng(seed)
    n, length, layers = len(windows), windows.length, config.layers_with_heads
    device = model.embed.weight.device
    heads = torch.eye(config.n_head, dtype=torch.bool, device=device)
    sets = torch.cat((heads, torch.ones_like(heads[:1]))) if sets_too else heads  # each alone, then all of the layer
    clean = np.zeros((n, length), dtype=np.float32)
    grown = {name: np.zeros((len(layers), len(sets), n, length), dtype=np.float32) for name in ablations}
    all_heads = {name: np.zeros((1, n, length), dtype=np.float32) for name in ablations}
    shifts = [int(rng.integers(1, len(chosen))) for chosen in batches(model, windows)]

    def measure(number: int, chosen: np.ndarray, go_on: GoOn) -> None:
        batch = TextBatch(model, windows, chosen, means, shifts[number])
        clean[chosen] = batch.clean_loss.cpu().numpy()
        for name in ablations:
            for i, layer in enumerate(layers):
                lost = batch.without(layer, sets, name, go_on)
                grown[name][i][:, chosen] = (lost - batch.clean_loss).cpu().numpy()
            if sets_too:
                all_heads[name][0, chosen] = (batch.without_any(name) - batch.clean_loss).cpu().numpy()

    read_batches(model, windows, measure, say)
    return AblatedLosses(
        clean,
        {name: losses[:, : config.n_head].reshape(-1, n, length) for name, losses in grown.items()},
        {name: losses[:, config.n_head :].reshape(-1, n, length) for name, losses in grown.items()},
        all_heads,
    )
