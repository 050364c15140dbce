"""How often an untrained model is given a role: ``python -m experiments.untrained RUN [--seeds 200 --split report]``.

RUN gives the shape of the network and the tokenizer; its weights are not looked at. Every seed is measured as a trained
model is, on as many cases. As none of them resolves anything, "behaviour first" alone would let no head pass; so what
the rest of the rule lets through is counted, too.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from common.markdown import Table
from common.one_line import run
from common.options import require_at_least
from data.stories import cases
from experiments.measurable import print_too_few, require_pairs, shape_of
from model import GPT
from probing import encode_tasks, pattern_texts
from probing.attention_patterns import ATTENTION_PATTERNS, attention_patterns
from probing.behaviour import is_resolved
from probing.heads import score_heads
from probing.predictions import sites_of
from probing.quotes import LOOKS_P, choice_flips, plain_baselines, quote_heads, quote_shuffled, strongest
from probing.scoring import score_answers
from probing.splits import Split
from probing.untrained import Untrained, measure_untrained

FIRST_SEED = 1_000  # the luckiest of eight have the seeds 1 to 8
RULES = (f"p < {LOOKS_P} alone", "all but behaviour", "the whole rule")


class Bar:
    """One task's cases, with the baselines that all models share."""

    def __init__(self, select: Split, report: Split, untrained: Untrained) -> None:
        self.select, self.report, self.untrained = select, report, untrained
        self.sites = sites_of((*select.cases, *report.cases))
        self.baselines = plain_baselines(select, report, self.sites) | {"untrained": untrained.quoted}

    def passed(self, model: GPT) -> tuple[bool, ...]:
        """Whether some head passes each of RULES."""
        select, report = self.select, self.report
        select_scores, report_scores = (score_heads(model, split.cases, self.sites) for split in (select, report))
        shuffled = quote_shuffled(select_scores, report_scores, select, report, seed=0)
        bar = strongest(self.baselines | {"shuffled": shuffled})[1].accuracy
        lift, flips = self.untrained.lift(report_scores), choice_flips(report_scores, report)
        heads = quote_heads(select_scores, report_scores, report, flips, bar, resolved=True, lift_untrained=lift)
        quotes = heads.values()
        looks = any(quoted.looks for quoted in quotes)
        right = score_answers(model, report.cases).right.double().numpy()
        resolved = is_resolved(report.interval(right))
        return any(quoted.p_adj < LOOKS_P for quoted in quotes), looks, looks and resolved


def passed(model: GPT, bars: dict[str, Bar], texts: list[list[tuple[int, ...]]]) -> set[tuple[str, str]]:
    """(task or attention pattern, rule) wherever some head passes."""
    passing = {
        (name, rule) for name, bar in bars.items() for rule, one in zip(RULES, bar.passed(model), strict=True) if one
    }
    own = attention_patterns(model, *texts)
    for pattern in ATTENTION_PATTERNS:
        if any(own.has(pattern, k) for k in range(len(own.names))):
            passing |= {(pattern, rule) for rule in RULES}
    return passing


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.untrained", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--split", choices=("report", "unseen_names"), default="report")
    options = parser.parse_args(arguments)
    require_at_least(options, {"seeds": 1})
    require_pairs(options.cases)
    config, tokenizer = shape_of(options.run)
    select, report = (cases(split, options.cases, 0) for split in ("select", options.split))
    tasks, too_few = encode_tasks(tokenizer, select, report, config.block_size, seed=0)
    print_too_few(options.run, tasks, too_few)
    untrained = measure_untrained(GPT(config).eval(), tasks, seed=0)
    bars, texts = {name: Bar(*both, untrained[name]) for name, both in tasks.items()}, pattern_texts(tasks)
    counts, any_role = Counter(), Counter()
    with torch.inference_mode():
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            passing = passed(GPT(config, seed=seed).eval(), bars, texts)
            counts.update(passing)
            any_role.update({rule for _, rule in passing})
            if (seed - FIRST_SEED + 1) % 10 == 0:
                print(f"{seed - FIRST_SEED + 1} seeds: {dict(any_role)}", flush=True)
    print(f"\n{options.seeds} untrained models, {options.cases} cases a task and split: how many have such a head\n")
    names = sorted({name for name, _ in counts} | tasks.keys(), key=lambda name: (name not in tasks, name))
    bars = {name: f"{baseline.quoted.accuracy:.1%}" for name, baseline in untrained.items()}
    rows = [[name, bars.get(name, "-"), *(counts[name, rule] for rule in RULES)] for name in names]
    rows.append(["any of these", "", *(any_role[rule] for rule in RULES)])
    print(Table(("", "luckiest of the eight", *RULES), rows).markdown())


if __name__ == "__main__":
    run(main)
