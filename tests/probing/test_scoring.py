"""What is measured of answers is what the logits say."""

import numpy as np
import pytest
import torch
from networks import loud_model
from tolerance import additions, tolerance

from data import encode_case
from data.stories import TASKS, cases
from model import GPTConfig
from probing.scoring import referential_metrics


def test_referential_metrics_are_the_answers_own(stories):
    model = loud_model(GPTConfig(stories.tokenizer.vocab_size, block_size=64, n_layer=1, tie_embeddings=False))
    encoded = [encode_case(case, stories.tokenizer) for case in cases("select", 6, 0)]
    with torch.no_grad():  # so that some answers, and some foils, are the likeliest tokens
        model.head.weight[[encoded[0].answer, encoded[12].answer, encoded[12].foil]] *= 20
    rounding = tolerance(n_terms=additions(model.config, 64) + 6)
    metrics = referential_metrics(model, encoded, prefix="select")
    for task in TASKS:
        losses, right, preferred, chance_loss = [], [], [], []
        for case in (case for case in encoded if case.case.task == task):
            logits = model(torch.tensor([case.tokens[: case.sites["A-1"] + 1]]))[0, -1]
            losses.append(-logits.log_softmax(-1)[case.answer].item())
            right.append(int(logits.argmax()) == case.answer)
            preferred.append(bool(logits[case.answer] > logits[case.foil]))
            chance_loss.append(case.case.chance_loss)
        assert metrics[f"select/{task}/loss"] == pytest.approx(np.mean(losses), rel=rounding)
        assert metrics[f"select/{task}/accuracy"] == pytest.approx(np.mean(right))
        assert metrics[f"select/{task}/preference"] == pytest.approx(np.mean(preferred))
        assert metrics[f"select/{task}/chance_loss"] == pytest.approx(np.mean(chance_loss))
    accuracies = [value for key, value in metrics.items() if key.endswith("/accuracy")]
    assert max(accuracies) > 0
    assert min(accuracies) < 1
