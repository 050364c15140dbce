"""lm_eval on an export gives every sentence the score that probe.py pairs= gives it."""

import json

import pytest
import torch
from exchanged import SHAPES, TOKENIZER, export, make
from tolerance import additions, assert_near
from transformers import AutoModelForCausalLM, AutoTokenizer

from data.cases.minimal_pairs import Pair
from probing.pairs import score_pairs

DELIMITER = " "  # that lm_eval puts before every choice
PAIRS = [("Tom met Anna.", "Tom Anna met."), ("He said so.", "Said he so."), ("My name is Tom.", "My name Tom is.")]
TASK = """\
task: pairs
dataset_path: json
dataset_kwargs: {{data_files: {path}}}
output_type: multiple_choice
validation_split: train
doc_to_text: ""
doc_to_target: 0
doc_to_choice: "{{{{[sentence_good, sentence_bad]}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@pytest.fixture(scope="module", params=["gpt2", "modern"])
def exported(request, tmp_path_factory):
    """The folder of an export, and our log P [pairs, 2] of the sentences after a space, with the room they need."""
    ours = make(SHAPES[request.param])
    scored = score_pairs(ours, TOKENIZER, [Pair(DELIMITER + good, DELIMITER + bad, "", "") for good, bad in PAIRS])
    folder = export(ours, tmp_path_factory.mktemp("out") / "folder")
    return folder, torch.tensor([scored.good.tolist(), scored.bad.tolist()]).T, 2 * additions(ours.config, 48)


@torch.no_grad()
def test_a_sentence_after_the_end_token_is_as_likely_in_transformers(exported):
    folder, expected, n_terms = exported
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    scores = []
    for sentence in (DELIMITER + sentence for pair in PAIRS for sentence in pair):
        ids = torch.tensor([tokenizer.bos_token_id, *tokenizer(sentence, add_special_tokens=False)["input_ids"]])
        log_p = model(ids[None]).logits[0, :-1].log_softmax(-1)
        scores.append(log_p.gather(1, ids[1:, None]).sum())
    assert_near(torch.stack(scores).view(-1, 2), expected, n_terms)


def test_lm_eval_gives_the_same_scores(exported, tmp_path, monkeypatch):
    pytest.importorskip("lm_eval")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    folder, expected, n_terms = exported
    lines = tmp_path / "pairs.jsonl"
    lines.write_text("\n".join(json.dumps({"sentence_good": good, "sentence_bad": bad}) for good, bad in PAIRS))
    (tmp_path / "pairs.yaml").write_text(TASK.format(path=lines))
    found = simple_evaluate(
        "hf",
        model_args={"pretrained": str(folder)},
        tasks=["pairs"],
        task_manager=TaskManager(include_path=str(tmp_path)),
        device="cpu",
        batch_size=2,
        bootstrap_iters=0,
    )
    scores = [[log_p for log_p, _ in sample["filtered_resps"]] for sample in found["samples"]["pairs"]]
    assert_near(torch.tensor(scores), expected, n_terms)
    right = (expected[:, 0] > expected[:, 1]).float().mean()
    assert found["results"]["pairs"]["acc,none"] == pytest.approx(right.item())
