"""Does dividing scores by the root of the head size keep the softmax from saturating, and does that help training?

Vaswani et al. 2017 (section 3.2.1) argue from queries and keys whose numbers have variance 1: their product over d
numbers has variance d. That is how the modern weights begin; GPT-2's begin so small that nothing can saturate, and
normalised queries and keys keep the length that they begin with. So the same is asked of all three shapes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from torch import Tensor

from common.markdown import Table
from data import Tokenizer
from data.stories import write
from experiments.articles.claim import Claim, Result, judge, listed, over_seeds, t_interval
from experiments.runs import Setup, best_loss, train_seeds
from model import GPT
from probing.patterns import patterns_of
from report.figures.canvas import LineStyle, drawing, new_figure, save
from storage.weights import load_model

WIDTH = 128
SHAPES = {  # name -> its overrides of train.py, and its head sizes
    "unit variance": ((), (8, 32, 128)),
    "GPT-2": (
        (
            "model.norm=layernorm",
            "model.position=learned",
            "model.mlp=gelu",
            "model.softcap=0",
            "model.bias=true",
            "model.tie_embeddings=true",
            "optimizer.embedding_lr=0.005",
        ),
        (128,),
    ),
    "QK-norm": (("model.qk_norm=true",), (128,)),
}
MEANINGS = {
    "unit variance": "modern, no QK-norm",
    "GPT-2": "GPT-2's shape and small weights",
    "QK-norm": "modern, QK-norm",
}
CLAIMED = "unit variance"  # the shape that the claim is about
TEXTS = 32  # windows of held-out stories to look at
DIVIDED, RAW = True, False
COLOURS = {DIVIDED: "#0072B2", RAW: "#D55E00"}


class Measured(NamedTuple):
    """One run. ``spread``: the standard deviation of a row's scores before training. ``before`` and ``after``: the
    entropy of a row of attention, as a share of what it is where all tokens seen get the same; ``loss`` in nats.
    """

    spread: float
    before: float
    after: float
    loss: float


Grid = Mapping[tuple[str, int, bool], Sequence[Measured]]  # (shape, head size, divided?) -> one a seed


def run(setup: Setup) -> Result:
    keys = [
        (shape, size, divided) for shape, (_, sizes) in SHAPES.items() for size in sizes for divided in (True, False)
    ]
    runs = train_seeds({name_of(key): overrides(key) for key in keys}, setup)
    grid = {key: list(map(measure, runs[name_of(key)], setup.seeds)) for key in keys}
    return Result(
        judge([*(saturates(grid, shape) for shape in SHAPES), *(costs(grid, shape) for shape in SHAPES)]),
        explain(grid),
        f"what not dividing costs heads of {WIDTH}, nats: "
        + "; ".join(f"{shape} {mean(extra_loss(grid, shape, WIDTH)):.3f}" for shape in SHAPES),
        [table(grid, shape) for shape in SHAPES],
        {name_of(key): [one._asdict() for one in of] for key, of in grid.items()},
        draw(grid, setup.picture("scaling")),
    )


def name_of(key: tuple[str, int, bool]) -> str:
    shape, size, divided = key
    return f"scaling-{shape.replace(' ', '-')}-{size}-{'divided' if divided else 'raw'}"


def overrides(key: tuple[str, int, bool]) -> list[str]:
    shape, size, divided = key
    more = [f"model.n_head={WIDTH // size}", f"model.scale_attention={str(divided).lower()}"]
    return ["experiment=scaling", *SHAPES[shape][0], *more]


def measure(run: Path, seed: int) -> Measured:
    """A run's loss, and what its attention does before and after training, on stories that it was not trained on."""
    model, tokenizer, _ = load_model(run, "latest", torch.device("cpu"))
    tokens = held_out(tokenizer, model.config.block_size)
    fresh = GPT(replace(model.config, dropout=0.0), seed=seed).eval()
    start = patterns(fresh, tokens)
    loss = best_loss(run)
    return Measured(score_spread(start), relative_entropy(start), relative_entropy(patterns(model, tokens)), loss)


def held_out(tokenizer: Tokenizer, block_size: int) -> Tensor:
    """TEXTS windows [B, T] of stories that are in no training text."""
    ids: list[int] = []
    for story in write("report", TEXTS * block_size, 0, ("agreement", "recall")):
        ids += tokenizer.encode_document(story).tolist()
        if len(ids) >= TEXTS * block_size:
            break
    return torch.tensor(ids[: TEXTS * block_size]).view(TEXTS, block_size)


def patterns(model: GPT, tokens: Tensor) -> Tensor:
    """The attention of every layer, [L, B, H, T, T]."""
    return torch.stack(patterns_of(model.eval(), tokens)).double()


def relative_entropy(pattern: Tensor) -> float:
    """Mean entropy of the rows of [..., T, T], each divided by the logarithm of the tokens that it sees: 1 is evenly
    spread, 0 is one token only. The first row, which sees itself alone, is left out.
    """
    entropy = torch.special.entr(pattern).sum(-1)[..., 1:]
    return float((entropy / torch.arange(2, pattern.size(-1) + 1).log()).mean())


def score_spread(pattern: Tensor) -> float:
    """Mean standard deviation of the scores of a row of [..., T, T], over the later half of the rows.

    Inside a row the logarithm of a weight is its score but for a constant.
    """
    size = pattern.size(-1)
    rows = [pattern[..., row, : row + 1].clamp_min(torch.finfo(torch.float32).tiny) for row in range(size // 2, size)]
    return mean(float(row.log().std(-1).mean()) for row in rows)


def extra_loss(grid: Grid, shape: str, size: int) -> list[float]:
    """What leaving the division out costs in nats, by seed."""
    raw, divided = grid[shape, size, RAW], grid[shape, size, DIVIDED]
    return [one.loss - other.loss for one, other in zip(raw, divided, strict=True)]


def saturates(grid: Grid, shape: str) -> bool:
    """Whether in every seed the widest heads begin with less than half of the entropy that division leaves them."""
    pairs = zip(grid[shape, WIDTH, RAW], grid[shape, WIDTH, DIVIDED], strict=True)
    return all(raw.before < divided.before / 2 for raw, divided in pairs)


def costs(grid: Grid, shape: str) -> bool:
    """Whether the widest heads learn less without the division, with the whole interval over seeds."""
    return t_interval(extra_loss(grid, shape, WIDTH))[0] > 0


def explain(grid: Grid) -> str:
    parts = []
    for shape in SHAPES:
        raw, divided = grid[shape, WIDTH, RAW], grid[shape, WIDTH, DIVIDED]
        parts.append(
            f"in heads of {WIDTH} ({MEANINGS[shape]}) entropy before training is {100 * average(raw, 'before'):.0f} % "
            f"of its maximum without the division and {100 * average(divided, 'before'):.0f} % with it, and leaving it "
            f"out costs {over_seeds(extra_loss(grid, shape, WIDTH), '{:.3f}'.format)} nats"
        )
    return "; ".join(parts)


def average(runs: Sequence[Measured], what: str) -> float:
    return mean(getattr(one, what) for one in runs)


def table(grid: Grid, shape: str) -> Table:
    """Head sizes of a shape; numbers of the seeds in order, with the division and without."""
    columns = [f"{shape} ({MEANINGS[shape]}): head size"]
    columns += ["scores' spread", "√d", "entropy before training, %", "after", "validation loss, nats"]
    rows = []
    for size in SHAPES[shape][1]:
        for divided in (True, False):
            runs = grid[shape, size, divided]
            cells = [f"{size}, {'divided' if divided else 'not divided'}", f"{average(runs, 'spread'):.2f}"]
            cells.append(f"{math.sqrt(size):.2f}")
            cells += [listed([100 * getattr(one, what) for one in runs]) for what in ("before", "after")]
            rows.append([*cells, listed([one.loss for one in runs], 3)])
    return Table(columns, rows)


def draw(grid: Grid, path: Path) -> list[Path]:
    """Entropy and loss against head size: a colour for division, a mark for the shape."""
    with drawing():
        figure = new_figure(9.0, 3.8, layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_lines(left, grid, lambda one: 100 * one.before)
        left.set(ylabel="entropy, % of evenly spread", ylim=(0, 105))
        left.set_title("Attention before training", loc="left")
        draw_lines(right, grid, lambda one: one.loss)
        right.set(ylabel="validation loss, nats")
        right.set_title("What is learned with it", loc="left")
        right.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        return save(figure, path)


def draw_lines(axes: Axes, grid: Grid, value: Callable[[Measured], float]) -> None:
    """The mean over seeds of each shape, divided and not, with the lowest and the highest seed as a band."""
    for (shape, (_, sizes)), marker in zip(SHAPES.items(), ("o", "s", "^"), strict=True):
        for divided, colour in COLOURS.items():
            values = [[value(one) for one in grid[shape, size, divided]] for size in sizes]
            axes.fill_between(sizes, [*map(min, values)], [*map(max, values)], color=colour, alpha=0.12, linewidth=0)
            label = f"{MEANINGS[shape]},\n{'divided by √d' if divided else 'not divided'}"
            line: LineStyle = {"color": colour, "linestyle": "-" if len(sizes) > 1 else "", "linewidth": 1.5}
            line |= {"marker": marker, "markersize": 6, "alpha": 0.85}
            axes.plot(sizes, [*map(mean, values)], label=label, **line)
    sizes = SHAPES[CLAIMED][1]
    axes.set_xscale("log")
    axes.set_xticks(sizes, list(map(str, sizes)))
    axes.minorticks_off()
    axes.set_xlabel("head size d")


CLAIM = Claim(
    "scaling",
    "Dividing scores by the square root of the head size keeps the softmax from saturating, which would slow learning.",
    15,
    run,
)
