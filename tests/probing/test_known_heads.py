"""What the literature knows of GPT-2 small stands beside our numbers, for that shape alone."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from conftest import GPT2_SHAPE

from model import GPT, GPTConfig
from probing.attention_patterns import ATTENTION_PATTERNS, AttentionPatterns
from probing.findings import Findings
from probing.heads import head_names
from probing.known_heads import known_heads

SMALL = GPTConfig(50257, block_size=1024, n_layer=12, n_head=12, n_embd=768, **GPT2_SHAPE)
HEADS = 144


def findings_of(config: GPTConfig) -> Findings:
    """No weights; the k-th head gives k / 144 of its attention to the previous token, but 2.2 (k = 26) all of it."""
    with torch.device("meta"):
        model = GPT(config)
    names = head_names(model)
    rising = torch.arange(len(names)) / len(names)
    mass = dict.fromkeys(ATTENTION_PATTERNS, torch.zeros(len(names))) | {"previous_token": rising.clone()}
    mass["previous_token"][26] = 1.0
    uniform = dict.fromkeys(ATTENTION_PATTERNS, torch.zeros(len(names)))
    attention_patterns = AttentionPatterns(
        names, mass, uniform, torch.ones(len(names), dtype=torch.int64), torch.ones(len(names))
    )
    quotes = {name: SimpleNamespace(mass=float(1 - k / 200), looks=False) for k, name in enumerate(names)}
    lists = SimpleNamespace(name="random_lists", quotes=quotes, resolved=False, effects={})
    return Findings(model, {}, [lists], (), attention_patterns, None)


def with_tasks(findings: Findings, resolved: bool = True) -> Findings:
    """IOI, in which the k-th head gives k / 200 of its attention to the answer, and continuations; in both, patching
    the k-th head costs k nats, and the last layer's heads have no effect.
    """
    names = head_names(findings.model)
    quotes = {name: SimpleNamespace(mass=k / 200, looks=False) for k, name in enumerate(names)}
    effects = {name: SimpleNamespace(drop=float(k)) for k, name in enumerate(names[:-12])}
    made = [
        SimpleNamespace(name=name, quotes=quotes, resolved=resolved, effects={kind: effects} if resolved else {})
        for name, kind in (("ioi", "activation_patching"), ("gender_continuation", "pattern_patching"))
    ]
    for task in made:
        task.matters = lambda head: False
    return replace(findings, tasks=[*findings.tasks, *made])


def test_each_known_head_has_its_score_its_rank_and_our_role():
    rows = {row.head: row for row in known_heads(findings_of(SMALL))}
    assert set(rows) >= {"4.11", "2.2", "5.5", "7.10", "6.9", "5.1", "7.2", "0.1", "3.0"}
    assert rows["2.2"][1:] == ("previous token", 1.0, 1, "previous_token")
    k = 4 * 12 + 11
    assert rows["4.11"][1:] == ("previous token", pytest.approx(k / HEADS), HEADS - k + 1, "previous_token")
    assert rows["5.5"].score == pytest.approx(1 - 65 / 200)
    assert (rows["5.5"].rank, rows["5.5"].role) == (66, "previous_token")
    assert (rows["0.1"].score, rows["0.1"].rank, rows["0.1"].role) == (0.0, 1, None)


def test_heads_of_ioi_and_of_gender_are_scored_on_their_own_cases():
    rows = {row.head: row for row in known_heads(with_tasks(findings_of(SMALL)))}
    number = {name: k for k, name in enumerate(head_names(findings_of(SMALL).model))}
    assert rows["9.9"][1:4] == ("name mover", pytest.approx(number["9.9"] / 200), HEADS - number["9.9"])
    assert rows["8.10"][1:4] == ("S-inhibition", number["8.10"], 132 - number["8.10"])
    assert rows["5.8"][1:4] == ("gender", number["5.8"], 132 - number["5.8"])
    assert {head for head, row in rows.items() if row.literature == "gender"} == {"5.8", "5.10", "4.6", "5.9", "6.0"}


def test_effects_are_missing_where_the_model_does_not_resolve_the_task():
    rows = {row.head: row for row in known_heads(with_tasks(findings_of(SMALL), resolved=False))}
    assert rows["9.9"].score is not None
    assert (rows["7.3"].score, rows["5.8"].rank) == (None, None)


def test_what_was_not_measured_is_said_to_be_missing():
    rows = {row.head: row for row in known_heads(replace(findings_of(SMALL), tasks=[], attention_patterns=None))}
    assert all((row.score, row.rank, row.role) == (None, None, None) for row in rows.values())


@pytest.mark.parametrize(
    "changes", [{"n_layer": 11}, {"vocab_size": 2048}, {"position": "rope"}, {"attention": "FW"}, {"n_head": 6}]
)
def test_no_other_shape_is_compared(changes):
    assert known_heads(findings_of(replace(SMALL, n_kv_head=None, **changes))) == []
