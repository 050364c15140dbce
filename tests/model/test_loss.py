"""The loss in chunks is torch's cross-entropy, and never holds the logits of all tokens."""

import pytest
import torch
from networks import loud_model
from tolerance import additions, assert_near
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model import GPTConfig, loss
from model.loss import NO_TARGET, head_loss

N, VOCAB, WIDTH = 50, 301, 16


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N, WIDTH, generator=generator, requires_grad=True)
    weight = torch.randn(VOCAB, WIDTH, generator=generator, requires_grad=True)
    targets = torch.randint(VOCAB, (N,), generator=generator)
    return x, weight, targets, torch.randn(VOCAB, generator=generator, requires_grad=True)


def plain_loss(x: Tensor, weight: Tensor, targets: Tensor, softcap: float, bias: Tensor | None = None) -> Tensor:
    logits = F.linear(x, weight, bias)
    return F.cross_entropy((softcap * torch.tanh(logits / softcap) if softcap else logits).float(), targets)


def loss_and_gradients(function, softcap: float, biased: bool = False) -> list[Tensor]:
    x, weight, targets, bias = inputs()
    value = function(x, weight, targets, softcap, bias if biased else None)
    (3 * value).backward()
    return [value.detach(), x.grad, weight.grad, *([bias.grad] if biased else [])]


def in_chunks(monkeypatch) -> None:
    monkeypatch.setattr(loss, "FEW_LOGITS", {"cpu": 0})


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("softcap", [0.0, 2.0, 15.0])
@pytest.mark.parametrize("rows", [1, 7, N, 20 * N, None])
def test_value_and_gradients_are_those_of_cross_entropy(monkeypatch, softcap, rows, biased):
    """``rows`` of None: so few logits that they are made together."""
    if rows is not None:
        in_chunks(monkeypatch)
        monkeypatch.setattr(loss, "chunk_rows", lambda weight: rows)
    both = (loss_and_gradients(function, softcap, biased) for function in (head_loss, plain_loss))
    for ours, theirs in zip(*both, strict=True):
        assert_near(ours, theirs, n_terms=WIDTH + VOCAB + N)


@pytest.mark.parametrize("chunked", [True, False])
def test_where_there_is_no_target_nothing_counts_and_nothing_is_learned(monkeypatch, chunked):
    if chunked:
        in_chunks(monkeypatch)
    x, weight, targets, _ = inputs()
    learned = torch.arange(N) % 3 == 0
    head_loss(x, weight, targets.masked_fill(~learned, NO_TARGET), 15.0).backward()
    assert not x.grad[~learned].any()
    (gradients, weight_gradient), (x.grad, weight.grad) = (x.grad, weight.grad), (None, None)
    plain_loss(x[learned], weight, targets[learned], 15.0).backward()
    for ours, theirs in ((gradients, x.grad), (weight_gradient, weight.grad)):
        assert_near(ours, theirs, n_terms=WIDTH + VOCAB + N)


@pytest.mark.parametrize("chunked", [True, False])
def test_under_autocast_it_is_as_close_as_bfloat16_allows(monkeypatch, chunked):
    if chunked:
        in_chunks(monkeypatch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = loss_and_gradients(head_loss, 15.0), loss_and_gradients(plain_loss, 15.0)
    exact = loss_and_gradients(plain_loss, 15.0)
    for a, b, c in zip(ours, theirs, exact, strict=True):
        assert (a - c).norm() < 1.5 * (b - c).norm() + 1e-3 * c.norm()


class Operations(TorchDispatchMode):
    """Notes how many numbers the results of operations hold that are no view of what was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if not function.is_view:
            self.numbers |= {leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)}
        return result


def test_the_logits_of_all_tokens_never_exist_at_once(monkeypatch):
    in_chunks(monkeypatch)
    monkeypatch.setattr(loss, "CHUNK_LOGITS", {"cpu": 5 * VOCAB})
    for function, all_at_once in ((plain_loss, True), (head_loss, False)):
        with Operations() as operations:
            loss_and_gradients(function, 15.0)
        assert (max(operations.numbers) >= N * VOCAB) == all_at_once


def test_without_gradients_none_are_made(monkeypatch):
    in_chunks(monkeypatch)
    x, weight, targets, _ = inputs()
    weight = torch.nn.Parameter(weight.detach())
    for context, made in ((torch.enable_grad(), True), (torch.no_grad(), False), (torch.inference_mode(), False)):
        with context, Operations() as operations:
            head_loss(x.detach(), weight, targets, 15.0)
        assert (VOCAB * WIDTH in operations.numbers) == made


@pytest.mark.parametrize("chunked", [True, False])
def test_the_compiled_loss_is_the_same(monkeypatch, chunked):
    if chunked:
        in_chunks(monkeypatch)
    model = loud_model(GPTConfig(97, block_size=16, n_layer=1, n_head=2, n_embd=16))
    tokens = torch.randint(97, (3, 17), generator=torch.Generator().manual_seed(0))
    results = []
    for function in (model, torch.compile(model, backend="aot_eager")):
        model.zero_grad()
        value = function(tokens[:, :-1], tokens[:, 1:])
        value.backward()
        results.append([value.detach(), *(parameter.grad.clone() for parameter in model.parameters())])
    for ours, theirs in zip(*results, strict=True):
        assert_near(ours, theirs, 2 * additions(model.config, 16))
