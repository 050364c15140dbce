"""Twenty steps on fixed text have the losses they always had, so that no change of the arithmetic goes unnoticed."""

import pytest
from tolerance import TRAINED
from trainers import new_run

from data import Files, TokenizerConfig, prepare
from storage.metrics import read_rows
from training import OptimizerConfig

# The training loss of each step and the last validation loss; float32 on a CPU, torch 2.13.
# fmt: off
GOLDEN = {
    "muon": [
        5.54856, 5.47477, 5.36096, 5.18691, 4.98086, 4.74355, 4.45107, 4.18458, 3.91462, 3.65130, 3.40921,
        3.17247, 3.00085, 2.85872, 2.74911, 2.68252, 2.60511, 2.57272, 2.56014, 2.53809, 2.52808,
    ],
    "adamw": [
        5.54856, 5.45305, 5.18073, 4.93055, 4.68290, 4.43452, 4.19817, 3.97138, 3.75636, 3.56129, 3.37276,
        3.21000, 3.06529, 2.94944, 2.84508, 2.77376, 2.70299, 2.66738, 2.63889, 2.61899, 2.61542,
    ],
}
# fmt: on


@pytest.mark.parametrize("optimizer", GOLDEN)
def test_twenty_steps_have_the_losses_they_always_had(tmp_path, optimizer):
    """Tolerance 1e-4 of each loss: other machines and versions round otherwise, a changed formula is far off."""
    (tmp_path / "squares.txt").write_text(" ".join(str(i * i) for i in range(4_000)))
    dataset = prepare(Files(str(tmp_path / "squares.txt")), TokenizerConfig("bytes"), tmp_path / "cache")
    trainer = new_run(
        tmp_path / "run", dataset, max_steps=20, eval_every=20, seed=7, optimizer=OptimizerConfig(optimizer)
    )
    trainer.train()
    rows = read_rows(trainer.run / "metrics.jsonl")
    losses = [*(row["train_loss"] for row in rows if "train_loss" in row), rows[-1]["val_loss"]]
    assert losses == pytest.approx(GOLDEN[optimizer], rel=TRAINED)
