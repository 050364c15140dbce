"""The table of recipes, on records written by hand."""

import json
from pathlib import Path

from experiments.recipes import DOCUMENTS, VARIANTS, rows_of
from experiments.runs import command_of


def run(folder: Path, *losses: float) -> Path:
    folder.mkdir()
    rows = [{"step": 100 * i, "val_loss": loss} for i, loss in enumerate((9.0, *losses))]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_variants_are_compared_with_base_seed_by_seed_at_their_best(tmp_path):
    base = [run(tmp_path / "base-0", 1.5, 1.6), run(tmp_path / "base-1", 1.8, 1.7)]
    ema = [run(tmp_path / "ema-0", 1.6, 1.4), run(tmp_path / "ema-1", 1.5, 1.5)]
    assert rows_of({"base": base, "ema": ema}) == [
        ["ema", "1.4500 (1.4000 to 1.5000)", "-0.1500 (-0.2000 to -0.1000)", "200, 100"],
        ["base", "1.6000 (1.5000 to 1.7000)", "+0.0000 (+0.0000 to +0.0000)", "100, 200"],
    ]


def test_every_variant_is_a_command():
    made = [command_of(["data=shakespeare", *settings]) for settings in (VARIANTS | DOCUMENTS).values()]
    assert len({str(command) for command in made}) == len(VARIANTS | DOCUMENTS)
