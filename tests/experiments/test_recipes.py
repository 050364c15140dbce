"""The table of recipes, on records written by hand."""

import json
import re
from pathlib import Path

import pytest

from common.errors import InputError
from experiments.recipes import DOCUMENTS, VARIANTS, main, rows_of
from experiments.runs import ROOT, command_of


def run(folder: Path, *losses: float | None) -> Path:
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


def test_a_run_without_a_finite_loss_is_named(tmp_path):
    base, clip = run(tmp_path / "base-0", 1.5), run(tmp_path / "clip_1-0", None)
    with pytest.raises(InputError, match=r"clip_1-0: .* never finite"):
        rows_of({"base": [base], "clip_1": [clip]})


def test_the_command_of_the_table_on_little_text_has_a_variant_for_each_row():
    section = (ROOT / "docs" / "log.md").read_text().partition("\n## Recipes for little text\n")[2]
    command, table = re.search(r"--variants ([^|]+)\n\n((?:\|.*\n)+)", section).groups()
    names = command.replace("\\", "").split()
    assert set(names) < set(VARIANTS)
    assert len(names) == len(table.splitlines()) - len(("head", "rule", "base"))


def test_every_variant_is_a_command():
    made = [command_of(["data=shakespeare", *settings]) for settings in (VARIANTS | DOCUMENTS).values()]
    assert len({str(command) for command in made}) == len(VARIANTS | DOCUMENTS)


def test_help_names_the_variants(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = "".join(capsys.readouterr().out.split())
    assert all(name in said for name in VARIANTS | DOCUMENTS)
