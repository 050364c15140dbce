"""What heads do in annotated English: ``python -m experiments.annotated RUN LITBANK``, RUN trained on the rest of it.

The first table has, for each task, whether the model resolves it, its best head, what choosing by a simple rule would
reach, and what a weight swap in that head costs the answer. The second has, for each head at a pronoun that is read
(site P), how often it attends to the antecedent more than to any distractor, and by how much it beats the nearest
mention and the last pronoun. Heads are chosen on *select* and quoted on *report*; intervals are over documents.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from common.markdown import Table
from common.one_line import run
from data import split_cases
from data.cases.annotated import WINDOW
from data.cases.converters import LAST, add_window
from data.cases.coreference import READ, cases_of
from data.cases.litbank import read_folder
from model import GPT
from probing import encode_tasks
from probing.behaviour import judge, verdicts
from probing.heads import head_names, require_heads, score_heads
from probing.interventions import AtSites, measure, paths_to_answer
from probing.lists import TASK as LISTS
from probing.predictions import Predictions, last_pronoun, nearest, sites_of
from probing.quotes import Quoted, plain_baselines, quote
from probing.scoring import score_answers
from probing.splits import Split
from probing.untrained import measure_untrained
from storage.weights import load_model

RULES = ("nearest", "first", LAST)
P = ("P",)


def measured(value: float, ci: tuple[float, float]) -> str:
    return f"{value:.1%} ({ci[0]:.0%} to {ci[1]:.0%})"


def behaviour_row(model: GPT, report: Split) -> list[str]:
    """How often the model is right, by how much that beats the last pronoun, and how often it is right where the last
    pronoun speaks for gold, and for a rival.
    """
    whole = judge(model, report)
    if not any(case.last_pronoun for case in report.cases):
        return [measured(whole.accuracy, whole.ci), "-", "-", "-"]
    right = verdicts(score_answers(model, report.cases), whole.judged_by)
    rule = last_pronoun(report.cases, ("A-1",)).choice()[:, 0, 0]
    parts = [f"{right[rule == side].mean():.1%}" if (rule == side).any() else "-" for side in (1, 0)]
    return [measured(whole.accuracy, whole.ci), gain(report, right - rule), *parts]


def gain(split: Split, more: np.ndarray) -> str:
    """How much more often one predictor is right than another, in points, with its interval; ``more`` [N]: the
    difference of their choices in each case.
    """
    low, high = split.clusters.interval(more)
    return f"{100 * more.mean():+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def swap_row(model: GPT, report: Split, head: str, site: str) -> list[str]:
    """Nats of log-odds that the weight swap costs in ``head``, and the largest mean size of its cost in another head at
    the same site.
    """
    heads = [name for name in head_names(model) if any(paths_to_answer(model, report.cases, name, site))]
    if head not in heads:
        return ["no path", "-"]
    swap = AtSites(model, report.cases, heads, [site] * len(heads), "weight_swap")
    odds = {name: values.double().numpy() for name, values in measure(model, report.cases, {"swap": swap}).items()}
    drops = odds["clean"] - odds["swap"]  # [K, N]
    own = drops[heads.index(head)]
    low, high = report.clusters.interval(own)
    sizes = [np.abs(drop).mean() for name, drop in zip(heads, drops, strict=True) if name != head]
    return [f"{own.mean():+.3f} ({low:+.3f} to {high:+.3f})", f"{max(sizes):.3f}"]


def task_row(model: GPT, select: Split, report: Split, untrained: Quoted) -> list[str]:
    """One task's row of the first table."""
    sites = sites_of((*select.cases, *report.cases))
    select_scores, report_scores = (score_heads(model, split.cases, sites) for split in (select, report))
    best = quote(select_scores, report_scores, report)
    rules = plain_baselines(select, report, sites)
    shown = [measured(rules[name].accuracy, rules[name].ci) if name in rules else "-" for name in RULES]
    size = f"{len(report.cases)} of {len({case.case.template for case in report.cases})}"
    head = [f"{best.name} at {best.site}", measured(best.accuracy, best.ci)]
    shown += [f"{untrained.accuracy:.1%}"]
    swap = swap_row(model, report, best.name, best.site)
    return [report.cases[0].case.task, size, *behaviour_row(model, report), *head, *shown, *swap]


def looking_rows(model: GPT, report: Split) -> tuple[list[list[str]], int]:
    """Each head at P, and how many surely choose the antecedent more often than both rules do."""
    scores = score_heads(model, report.cases, P)
    rules: dict[str, Predictions] = {"nearest": nearest(report.cases, P), LAST: last_pronoun(report.cases, P)}
    own = scores.choice()[:, 0]  # [N, K]
    more = [own - rule.choice()[:, 0] for rule in rules.values()]
    above = np.all([report.clusters.intervals(gains)[:, 0] > 0 for gains in more], axis=0)
    rows = []
    for k, name in enumerate(scores.names):
        looks = measured(own[:, k].mean(), report.interval(own[:, k]))
        masses = [f"{scores.mass()[0, k]:.1%}", f"{scores.lift()[0, k]:.2f}", f"{scores.chain[:, 0, k].mean():.1%}"]
        rows.append([name, looks, *(gain(report, gains[:, k]) for gains in more), *masses])
    rows += [[name, f"{rule.accuracy()[0, 0]:.1%}", *["-"] * 5] for name, rule in rules.items()]
    return rows, int(above.sum())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.annotated", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("litbank", type=Path, help="the folder with LitBank's coref and original")
    parser.add_argument("--checkpoint", default="best")
    add_window(parser, WINDOW)
    options = parser.parse_args(arguments)
    model, tokenizer, state = load_model(options.run, options.checkpoint, torch.device("cpu"))
    require_heads(model.config, options.run)
    cases = cases_of([document for document, _ in read_folder(options.litbank)], window=options.window)
    tasks, too_few = encode_tasks(tokenizer, *split_cases(cases), model.config.block_size, seed=0)
    tasks.pop(LISTS, None)
    untrained = measure_untrained(model, tasks, seed=0)
    print(f"step {state['step']:,}; right: in how many cases; intervals: 95 %, over documents\n")
    rows = [task_row(model, *both, untrained[name].quoted) for name, both in tasks.items()]
    model_right = ("model right", "more than last pronoun, points", "where it is right", "where it is wrong")
    columns = ("task", "cases, documents", *model_right, "best head", "choice accuracy", *RULES, "untrained")
    print(Table((*columns, "its swap costs, nats", "others, at most"), rows).markdown())
    print(*too_few, sep="\n")
    if READ not in tasks:
        raise SystemExit(f"at the pronoun: too few cases of {READ} to measure heads there")
    rows, above = looking_rows(model, tasks[READ].report)
    print(
        f"\nat the pronoun: {above} of {len(head_names(model))} heads choose the antecedent more often than both rules"
        "\n"
    )
    more = (f"more than {name}, points" for name in ("nearest", LAST))
    columns = ("head", "choice accuracy", *more)
    print(Table((*columns, "mass", "over uniform", "mass on its pronouns"), rows).markdown())


if __name__ == "__main__":
    run(main)
