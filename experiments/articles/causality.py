"""Does attention know what "it" means while it reads "it"? A model that reads from left to right cannot look ahead.

In *cue* and *roles* the word that decides the antecedent comes after the pronoun (tired or wide; big or small). Up to
it a case and its counterfactual are the same text, so that their numbers must be equal to the last bit, and every head
right in one half. Beside them stands *verb bias*, where an earlier verb decides: there a head can know at the pronoun.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from common.markdown import Table
from common.visible import visible_name
from data import EncodedCase, encode_case
from data.cases.case import SITES
from data.stories import cases
from experiments.articles.claim import Claim, Result, listed, share_over_seeds
from experiments.articles.heads_json import HeadsJson, at_site, default_heads, default_runs, every_head, lowest_end
from experiments.runs import Setup
from model import GPT
from report.colours import FAINT, INK, TINT
from report.figures.canvas import OTHERS, LineStyle, drawing, new_figure, save
from storage.weights import load_model

AFTER, BEFORE = ("cue", "roles"), "verb_bias"  # tasks by where the word that decides stands
SHOWN = ("P-1", "P", "C", "A-1")
PAIRS = 100
CHOSEN: LineStyle = {"color": TINT, "linewidth": 1.8, "marker": "o", "markersize": 4}


def run(setup: Setup) -> Result:
    runs, heads_by_seed = default_runs(setup), default_heads(setup)
    leaks = [leak_of(run, seed) for run, seed in zip(runs, setup.seeds, strict=True)]
    at = {
        name: {site: at_site(heads_by_seed, name, site) for site in sites_of(heads_by_seed, name)}
        for name in (*AFTER, BEFORE)
    }
    everywhere = [value for name in AFTER for heads in heads_by_seed for value in every_head(heads, name, "P")]
    exact, before = set(everywhere) == {0.5} and not any(leak for leak, _ in leaks), at[BEFORE]["P"]
    last, cue = (
        [mean(values) for values in zip(*(at[name][site] for name in AFTER), strict=True)] for site in ("A-1", "C")
    )
    luckiest = max(value for name in AFTER for heads in heads_by_seed for value in every_head(heads, name, "C"))
    known = f"{100 * min(everywhere):.1f} to {100 * max(everywhere):.1f} %, which cannot be and is a bug"
    known = "exactly 50 %" if exact else known
    because = (
        f"at “it” all {len(everywhere)} heads, tasks and seeds are right in {known}, at the cue the chosen heads in "
        f"{100 * mean(cue):.1f} % (any head in {100 * luckiest:.1f} % at most), and where the answer is predicted in "
        f"{100 * mean(last):.1f} %; where an earlier verb decides, the chosen heads know at the pronoun, in "
        f"{100 * mean(before):.1f} %"
    )
    return Result(
        "does not hold" if exact else "holds in part",
        because,
        f"at “it” {known}, where the answer is predicted: {share_over_seeds(last)}; lowest end of an interval within a "
        f"seed {lowest_end(heads_by_seed, AFTER):.1f} %",
        [table(heads_by_seed), leak_table(leaks, setup.seeds)],
        {"by_site": at, "at_pronoun": everywhere, "counterfactuals": leaks},
        draw(heads_by_seed, setup.picture("causality")),
    )


def sites_of(heads_by_seed: Sequence[HeadsJson], name: str) -> list[str]:
    sites = heads_by_seed[0]["tasks"][name]["by_site"]["sites"]
    return [site for site in SHOWN if site in sites]


def table(heads_by_seed: Sequence[HeadsJson]) -> Table:
    """One row a task and site."""
    rows = []
    for name in (*AFTER, BEFORE):
        for site in sites_of(heads_by_seed, name):
            others = [every_head(heads, name, site) for heads in heads_by_seed]
            extremes = f"{100 * min(map(min, others)):.1f} to {100 * max(map(max, others)):.1f}"
            chosen = listed([100 * value for value in at_site(heads_by_seed, name, site)])
            rows.append([visible_name(name), f"{site}: {SITES[site]}", chosen, extremes])
    return Table(("task", "site", "chosen head, %, by seed", "all heads, %"), rows)


def leak_table(leaks: Sequence[tuple[float, float]], seeds: Sequence[int]) -> Table:
    columns = ("seed", "up to the word before the cue", "from the cue on")
    rows = [[str(seed), *(f"{value:.3g}" for value in leak)] for seed, leak in zip(seeds, leaks, strict=True)]
    return Table(("largest difference between the logits of counterfactuals, " + columns[0], *columns[1:]), rows)


def leak_of(run: Path, seed: int) -> tuple[float, float]:
    """How much logits of counterfactuals differ where their texts are still the same, and where they no longer are."""
    model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
    encoded = [encode_case(case, tokenizer) for case in cases("report", 2 * PAIRS, seed, AFTER)]
    parts = [leaks(model, *encoded[i : i + 2]) for i in range(0, len(encoded), 2)]
    before, after = zip(*parts, strict=True)
    return max(before), max(after)


@torch.inference_mode()
def leaks(model: GPT, one: EncodedCase, other: EncodedCase) -> tuple[float, float]:
    """The largest difference of two counterfactuals' logits before and from the first token in which they differ.

    In passes of their own: some processors' kernels round the rows of one batch differently.
    """
    device = model.embed.weight.device
    logits = [model(torch.tensor([case.tokens], device=device))[0] for case in (one, other)]
    differ = next(i for i, pair in enumerate(zip(one.tokens, other.tokens, strict=True)) if pair[0] != pair[1])
    difference = (logits[0] - logits[1]).abs()
    return float(difference[:differ].max()), float(difference[differ:].max())


def draw(heads_by_seed: Sequence[HeadsJson], path: Path) -> list[Path]:
    """Accuracy against site: a panel a task, a line a seed."""
    names = (*AFTER, BEFORE)
    with drawing():
        figure = new_figure(8.5, 3.6, layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), sharey=True), names, strict=True):
            draw_panel(axes, heads_by_seed, name)
        figure.supylabel("picks the right one", fontsize=10)
        entries = {
            "the chosen head of each seed, with 95 % intervals": Line2D([], [], **CHOSEN),
            "every other head": Line2D([], [], **OTHERS),
            "50 %: a coin": Line2D([], [], color=INK, linewidth=0.7),
        }
        meanings = ", ".join(f"{site}: {SITES[site]}" for site in SHOWN)
        figure.legend(
            entries.values(),
            entries.keys(),
            title=meanings,
            loc="outside lower center",
            ncols=3,
            frameon=False,
            fontsize=9,
        )
        return save(figure, path)


def draw_panel(axes: Axes, heads_by_seed: Sequence[HeadsJson], name: str) -> None:
    sites = sites_of(heads_by_seed, name)
    title = {BEFORE: "a verb before it decides"}.get(name, "a word after it decides")
    for heads in heads_by_seed:
        task = heads["tasks"][name]
        by_site, best = task["by_site"], task["best"]["head"]
        columns = [by_site["sites"].index(site) for site in sites]
        for head, accuracy in by_site["choice_accuracy"].items():
            chosen = head == best
            axes.plot([accuracy[i] for i in columns], zorder=3 if chosen else 1, **(CHOSEN if chosen else OTHERS))
        low, high = zip(*(by_site["ci"][best][i] for i in columns), strict=True)
        axes.vlines(range(len(sites)), low, high, color=TINT, linewidth=1.0, zorder=2)
    axes.axvspan(*(sites.index("P") + side for side in (-0.4, 0.4)), color=FAINT, linewidth=0, zorder=0)
    axes.axhline(0.5, color=INK, linewidth=0.7, zorder=1.5)
    axes.set_title(f"{visible_name(name)}: {title}", loc="left", fontsize=9)
    axes.set_xticks(range(len(sites)), sites)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.set(xlim=(-0.5, len(sites) - 0.5), ylim=(-0.04, 1.06))


CLAIM = Claim(
    "causality",
    "While it reads “it”, attention knows whether the tired animal or the wide street is meant.",
    15,
    run,
)
