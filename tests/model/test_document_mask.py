"""Several documents in one window: each gives the loss, the gradients and the patterns that it gives alone."""

import pytest
import torch
from networks import loud_model
from tolerance import additions, assert_near, largest
from torch import Tensor

from model import GPT, GPTConfig, documents_of
from model.documents import positions_within
from model.linear import LinearAttention
from probing.patterns import PatternRecorder

END, LENGTH = 39, 150
# Where documents begin in each row: the first goes on from an earlier window, one is an end token alone, and some are
# longer than a window or stride of attention and than the chunks of L.
STARTS = ((0, 7, 8, 20, 90), (0, 70, 75, 137))
TYPES = ["F", "W", "S", "L", "R", "FWSLR"]


def network(attention: str, **shape: object) -> GPT:
    config = GPTConfig(
        40, LENGTH, max(2, len(attention)), 4, n_embd=32, attention=attention, window=6, stride=5, **shape
    )
    model = loud_model(config, queries=0.5).double()
    for block in model.blocks:
        if isinstance(block.attention, LinearAttention):
            torch.nn.init.constant_(block.attention.gate.bias, 5.0)  # or nothing is left of what is far
    return model


def windows() -> Tensor:
    """[2, LENGTH + 1] tokens, with END at STARTS, but for the first."""
    ids = torch.randint(END, (2, LENGTH + 1), generator=torch.Generator().manual_seed(0))
    for row, starts in zip(ids, STARTS, strict=True):
        row[list(starts[1:])] = END
    return ids


def alone(ids: Tensor) -> list[Tensor]:
    """Each document of the windows and the token after it, [1, n + 1]."""
    return [
        row[None, start : after + 1]
        for row, starts in zip(ids, STARTS, strict=True)
        for start, after in zip(starts, (*starts[1:], LENGTH), strict=True)
    ]


@pytest.mark.parametrize("shape", [{}, {"n_kv_head": 2}, {"position": "learned"}], ids=["rotary", "grouped", "learned"])
@pytest.mark.parametrize("attention", TYPES)
def test_loss_and_gradients_of_a_window_are_those_of_its_documents_alone(attention, shape):
    model, ids = network(attention, **shape), windows()
    together = model(ids[:, :-1], ids[:, 1:], documents=documents_of(ids[:, :-1], END))
    parts = [(model(part[:, :-1], part[:, 1:]), part.size(1) - 1) for part in alone(ids)]
    apart = torch.stack([loss * n for loss, n in parts]).sum() / (2 * LENGTH)
    n_terms = additions(model.config, LENGTH) + 2 * LENGTH
    assert_near(together, apart, n_terms)
    with pytest.raises(AssertionError):  # where they see each other
        assert_near(model(ids[:, :-1], ids[:, 1:]), apart, n_terms)
    gradients, expected = (torch.autograd.grad(loss, [*model.parameters()]) for loss in (together, apart))
    scale = max(map(largest, expected))
    for one, other in zip(gradients, expected, strict=True):
        assert_near(one.float(), other.float(), 2 * n_terms, scale)  # logits are float32


@pytest.mark.parametrize("attention", ["F", "W", "S", "L"])
@torch.inference_mode()
def test_hooks_see_the_patterns_of_documents_alone(attention):
    model, ids = network(attention), windows()[:, :-1]
    documents, recorder = documents_of(ids, END), PatternRecorder()
    watched = model(ids, hooks=recorder, documents=documents)
    assert_near(watched, model(ids, documents=documents), additions(model.config, LENGTH))
    second = PatternRecorder()
    start, after = STARTS[1][2:]
    model(ids[1:, start:after], hooks=second)
    for layer, pattern in recorder.patterns.items():
        own = pattern[1, :, start:after]  # [H, R, T]
        assert not own[..., :start].any()
        assert_near(own[..., start:after], second.patterns[layer][0], additions(model.config, LENGTH), scale=1)


def test_a_document_begins_with_the_end_token_before_it():
    tokens = torch.tensor([[5, 6, END, 7, END, END, 8]])
    documents = documents_of(tokens, END)
    assert documents.tolist() == [[0, 0, 1, 1, 2, 3, 3]]
    assert positions_within(documents).tolist() == [[0, 1, 0, 1, 0, 0, 1]]
    assert documents_of(tokens, None) is None


def test_a_context_is_of_one_document():
    model, ids = network("F"), windows()[:, :4]
    with pytest.raises(ValueError, match="a context is of one document"):
        model(ids, context=model.new_context(2), documents=documents_of(ids, END))
