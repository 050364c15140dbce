"""What a step may not do, so that it is fast on a GPU and right on a Mac: seen on a CPU, where all operations are."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from trainers import make_trainer

from data import Reading
from model import GPT, GPTConfig, Sampling, documents_of, generate
from training import OptimizerConfig

WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_dim"}
TYPES = ["F", "W", "S", "L", "FR"]


class Watch(TorchDispatchMode):
    """Lists the operations for which a device has to be waited for, and those that make float64."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.double = [], []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result, name = function(*arguments, **(keywords or {})), function.overloadpacket.__name__
        if name in WAITS:
            self.waits.append(name)
        found = result if isinstance(result, (tuple, list)) else [result]
        if any(torch.is_tensor(one) and one.dtype == torch.float64 for one in found):
            self.double.append(name)
        return result


def watch_step(trainer, device_decides: bool = True) -> Watch:
    """A step as a CUDA device is given it: the device decides by itself whether it counts."""
    trainer.optimizers.device_decides = device_decides
    trainer.train_step()
    with Watch() as watch:
        trainer.train_step()
    return watch


@pytest.mark.parametrize("attention", TYPES)
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_step_never_waits_for_the_device_nor_makes_float64(tmp_path, stories, attention, optimizer):
    settings = {"clip": 0.5, "weight_decay": 0.1, "average": "ema" if optimizer == "muon" else "last"}
    settings |= {} if optimizer == "muon" else {"matrix_lr": 1e-3}
    settings = {"optimizer": OptimizerConfig(name=optimizer, **settings), "micro_batch": 128}
    watch = watch_step(make_trainer(tmp_path, stories, shape={"attention": attention}, dropout=0.1, **settings))
    assert watch.waits == []
    assert watch.double == []


def test_a_wait_would_be_seen(tmp_path, stories):
    """On a CPU the host asks whether the loss is finite."""
    assert "_local_scalar_dense" in watch_step(make_trainer(tmp_path, stories), device_decides=False).waits


@pytest.mark.parametrize("attention", ["F", "W", "S", "L"])
def test_nor_does_a_step_in_which_documents_do_not_see_each_other(tmp_path, stories, attention):
    reading = Reading(document_mask=True)
    watch = watch_step(make_trainer(tmp_path, stories, shape={"attention": attention}, reading=reading))
    assert (watch.waits, watch.double) == ([], [])


@pytest.mark.parametrize("attention", TYPES)
def test_generating_makes_no_float64(attention):
    model = GPT(GPTConfig(vocab_size=50, block_size=16, n_layer=2, n_head=2, n_embd=16, attention=attention)).eval()
    with Watch() as watch:
        list(generate(model, torch.tensor([1, 2, 3]), 2, 20, Sampling(top_k=5), seed=0))
    assert watch.double == []


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "documents"])
def test_a_step_is_one_graph(masked):
    """Of all attention types that can be; a recurrent layer breaks it."""
    import torch._dynamo

    model = GPT(GPTConfig(vocab_size=50, block_size=16, n_layer=4, n_head=2, n_embd=16, attention="FWSL")).train()
    ids = torch.arange(34).view(2, 17)
    documents = documents_of(ids[:, :-1], 20) if masked else None
    torch._dynamo.reset()
    found = torch._dynamo.explain(model)(ids[:, :-1], ids[:, 1:], documents=documents)
    assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons
