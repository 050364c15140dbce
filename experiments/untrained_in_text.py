"""How often an untrained model is given a role in a text: ``python -m experiments.untrained_in_text RUN TEXT``.

RUN gives the shape of the network and the tokenizer; its weights are not looked at. Every seed is measured
in ``--tokens`` of TEXT (2,000, where a trained model is measured in up to 50,000) and with mean ablation per position
alone, by which roles are given. In the modern architecture heads begin by putting out nothing, so that none costs
anything; ``--norm layernorm`` begins as GPT-2 does, where they put out something. What weaker rules let through is
counted, too.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cli.run_text import RunText
from common.markdown import Table
from common.one_line import run
from common.options import require_at_least
from common.output import note_line
from common.progress import silent
from experiments.measurable import shape_of
from experiments.untrained import FIRST_SEED
from model import GPT
from probing.in_text import TextProfile, cut_windows, measure_text
from probing.in_text.ablation import PER_POSITION
from probing.in_text.roles import LEAST_NATS, ROLE_P

RULES = (
    f"p < {ROLE_P} alone",
    f"p, and {LEAST_NATS} nats",
    "a role by what it costs",
    "a role by where it looks",
    "any role",
)


def passed(profile: TextProfile) -> tuple[bool, ...]:
    """Whether some head passes each of RULES."""
    ablation = profile.ablations[profile.shown]
    sure = ablation.p < ROLE_P
    by = {role.by for own in profile.roles for role in own}
    large = sure & (ablation.heads.nats >= LEAST_NATS)
    return bool(sure.any()), bool(large.any()), "effect" in by, "attention" in by, bool(by)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.untrained_in_text", description=__doc__.splitlines()[0]
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("text", help="a file, folder or glob, read as text_file= of probe.py is")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=2_000)
    parser.add_argument("--norm", choices=("rmsnorm", "layernorm"))
    options = parser.parse_args(arguments)
    require_at_least(options, {"seeds": 1, "tokens": 1})
    config, tokenizer = shape_of(options.run)
    if options.norm:
        config = replace(config, norm=options.norm)
    text = RunText(options.run).of_file(options.text, tokenizer, silent, "TEXT")
    for sentence in text.notes:
        print(note_line(f"TEXT: {sentence}"))
    windows = cut_windows(text.ids, tokenizer, config.block_size, options.tokens)
    counts, most = Counter(), 0.0
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        model = GPT(config, seed=seed).eval()
        profile = measure_text(model, tokenizer, windows, seed=10 * seed, ablations=[PER_POSITION])
        counts.update(rule for rule, one in zip(RULES, passed(profile), strict=True) if one)
        most = max(most, float(profile.ablations[PER_POSITION].heads.nats.max()))
    print(f"{options.seeds} untrained models, {windows.length * len(windows)} tokens: how many have such a head")
    print(f"the most that any of their heads costs on any kind of token: {most:.4f} nats\n")
    print(Table(RULES, [[counts[rule] for rule in RULES]]).markdown())


if __name__ == "__main__":
    run(main)
