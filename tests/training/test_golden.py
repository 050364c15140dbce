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
        5.51502, 5.36265, 5.10082, 4.81761, 4.52642, 4.23084, 3.93543, 3.70004, 3.47824, 3.29608, 3.11533,
        2.97012, 2.85132, 2.77273, 2.69179, 2.65855, 2.60607, 2.56550, 2.54596, 2.52815, 2.54281,
    ],
    "adamw": [
        5.51502, 5.16421, 4.88580, 4.61439, 4.35560, 4.10272, 3.84924, 3.63442, 3.43106, 3.26497, 3.09434,
        2.95585, 2.84420, 2.76754, 2.68991, 2.65409, 2.60221, 2.56706, 2.54898, 2.53381, 2.54004,
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
