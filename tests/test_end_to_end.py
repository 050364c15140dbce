"""From a corpus to a verdict, as users go: train, sample, probe. Less than a minute of one core in all."""

import json
from pathlib import Path

from storage.metrics import read_rows

SHAPE = (  # that of docs/walkthrough.md
    *("model.block_size=64", "model.n_layer=2", "model.n_head=2", "model.n_embd=64", "model.tie_embeddings=false"),
    *("tokenizer.vocab_size=512", "tokens_per_step=1024"),
)
FAST = ("optimizer.matrix_lr=0.02", "optimizer.embedding_lr=0.3", "optimizer.head_lr=0.01")
QUIET = ("wandb.mode=disabled", "snapshots=0", "eval_every=1000", "checkpoint_every=1000")
ANIMALS, DEEDS = ("fox", "hen", "cat", "owl"), ("runs", "hides", "sleeps", "sings", "eats")


def test_a_trained_model_resolves_a_task_and_its_head_looks_and_matters(script):
    """The model is right in 99 %, its head has a choice accuracy of 1.0, the best baseline 0.56; the bounds lie
    between, so that other processors pass, too.
    """
    corpus = ("data.tasks=[translation]", "data.n_train=15000", "data.n_val=50")
    script("train", "run=run", "max_steps=450", *corpus, *SHAPE, *FAST, *QUIET)
    script("probe", "run=run", "tasks=[translation]", "n_cases=100")
    found = json.loads(Path("run/probe/heads.json").read_text())["tasks"]["translation"]
    assert found["resolved"]
    assert found["model_accuracy"] > 0.8
    best = found["best"]
    assert best["choice_accuracy"] > max(found["baselines"].values()) + 0.2
    assert best["looks"]
    assert best["matters"]
    headline = f"<h1>Head {best['head']} looks back to the right word in translation, and it matters</h1>"
    assert headline in Path("run/probe/report.html").read_text()


def test_a_run_on_plain_text_is_sampled_and_probed(script, capsys):
    lines = [f"The {a} {d} while the {b} {e}." for a in ANIMALS for b in ANIMALS for d in DEEDS for e in DEEDS]
    Path("farm.txt").write_text("\n".join(lines * 3), encoding="utf-8")
    script("train", "run=run", "data=files", "data.path=farm.txt", "max_steps=60", *SHAPE, *FAST, *QUIET)
    rows = read_rows(Path("run/metrics.jsonl"))
    assert rows[-1]["val_loss"] < 0.5 * rows[0]["val_loss"]
    capsys.readouterr()
    script("sample", "run=run", "prompt=The fox", "max_new_tokens=20", "temperature=0.5")
    sampled = capsys.readouterr().out
    assert sampled.startswith("The fox")
    assert any(deed in sampled for deed in DEEDS), "it has learned the words"
    script("probe", "run=run", "n_cases=20")
    assert {"heads.json", "heads.csv", "report.html"} <= {path.name for path in Path("run/probe").iterdir()}
