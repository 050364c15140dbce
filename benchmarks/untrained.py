"""How often an untrained model is given a role: ``python -m benchmarks.untrained RUN [--seeds 200]``.

RUN gives the shape of the network and the tokenizer; its weights are not looked at. Every seed is measured as a trained
model is, on as many cases. As none of them resolves anything, "behaviour first" alone would let no head pass; so what
the rest of the rule lets through is counted, too.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from data import Tokenizer
from data.cases import answer_columns
from data.stories import cases
from model import GPT, GPTConfig
from model.score import score_answers
from probing import encode_families
from probing.families import LOOKS_P, is_resolved, measure_baselines, quote_heads, quote_untrained, strongest
from probing.film import Splits
from probing.heads import score_heads
from probing.predictions import sites_of
from probing.roles import HABIT_THRESHOLD, habits
from probing.splits import Split
from training import checkpoint
from training.run import TOKENIZER

FIRST_SEED = 1_000  # the baseline has the seeds before
RULES = ("p < 0.01 alone", "all but behaviour", "the whole rule")
TEXTS = 200


def bars(model: GPT, families: Splits) -> dict[str, float]:
    """The best baseline of each family."""
    untrained = quote_untrained(model, families, seed=0)
    found = {}
    for name, (select, report) in families.items():
        baselines = measure_baselines(select, report, sites_of((*select, *report))) | {"untrained": untrained[name]}
        found[name] = strongest(baselines)[1].accuracy
    return found


def passed(model: GPT, families: Splits, best: dict[str, float]) -> set[tuple[str, str]]:
    """(family or habit, rule) wherever some head passes."""
    found = set()
    for name, (select, report) in families.items():
        sites, split = sites_of((*select, *report)), Split(report)
        scores = [score_heads(model, part, sites) for part in (select, report)]
        right = score_answers(model, *answer_columns(report)).right.double().numpy()
        quotes = quote_heads(*scores, split, best[name], resolved=True).values()
        looks = any(quoted.looks for quoted in quotes)
        passes = any(quoted.p_adj < LOOKS_P for quoted in quotes), looks, looks and is_resolved(split.interval(right))
        found |= {(name, rule) for rule, one in zip(RULES, passes, strict=True) if one}
    texts = [[case.tokens for both in families.values() for case in both[i][:TEXTS]] for i in (0, 1)]
    for habit, mass in habits(model, *texts).mass.items():
        if (mass >= HABIT_THRESHOLD).any():
            found |= {(habit, rule) for rule in RULES}
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.untrained", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--cases", type=int, default=400)
    options = parser.parse_args(arguments)
    state, _ = checkpoint.load(options.run, "latest", names=())
    config, tokenizer = GPTConfig(**state["model"]), Tokenizer.load(options.run / TOKENIZER)
    told = (cases(split, options.cases, 0) for split in ("select", "report"))
    families, _ = encode_families(tokenizer, *told, config.block_size, seed=0)
    best = bars(GPT(config).eval(), families)
    counts, any_role = Counter(), Counter()
    with torch.inference_mode():
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            found = passed(GPT(config, seed=seed).eval(), families, best)
            counts.update(found)
            any_role.update({rule for _, rule in found})
            if (seed - FIRST_SEED + 1) % 10 == 0:
                print(f"{seed - FIRST_SEED + 1} seeds: {dict(any_role)}", flush=True)
    print(f"\n{options.seeds} untrained models, {options.cases} cases a family and split: how many have such a head\n")
    print(f"| | best baseline | {' | '.join(RULES)} |")
    print("|---" * (2 + len(RULES)) + "|")
    for name in sorted({name for name, _ in counts} | families.keys(), key=lambda name: (name not in families, name)):
        bar = f"{best[name]:.1%}" if name in best else "-"
        print(f"| {name} | {bar} | {' | '.join(str(counts[name, rule]) for rule in RULES)} |")
    print(f"| any of these | | {' | '.join(str(any_role[rule]) for rule in RULES)} |")


if __name__ == "__main__":
    main()
