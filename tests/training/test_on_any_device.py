"""What a step may not do, so that it is fast on a GPU and right on a Mac: seen on a CPU, where all operations are."""

from contextlib import ExitStack
from unittest.mock import patch

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from trainers import make_trainer

from data import ReadingOptions
from model import GPT, GPTConfig, Sampling, documents_of, generate
from training import OptimizerConfig

WAITS = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "equal",
    "is_nonzero",
    "_unique2",
    "unique_dim",
    "repeat_interleave",
}
BY_MASK = {"index", "index_put", "index_put_"}  # how many a mask chooses is known on the device alone
TO_HOST = ("tolist", "cpu", "numpy", "item")  # of a tensor on a CPU, no operations
TYPES = ["F", "W", "S", "L", "FR"]


class Watch(TorchDispatchMode):
    """Lists the operations for which a device has to be waited for, and those that make float64."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.double, self.patches = [], [], ExitStack()

    def __enter__(self):
        for name in TO_HOST:
            self.patches.enter_context(patch.object(torch.Tensor, name, self.noted(name)))
        return super().__enter__()

    def __exit__(self, *error) -> None:
        super().__exit__(*error)
        self.patches.close()

    def noted(self, name: str):
        method = getattr(torch.Tensor, name)

        def noted(tensor, *arguments, **keywords):
            self.waits.append(name)
            return method(tensor, *arguments, **keywords)

        return noted

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result, name = function(*arguments, **(keywords or {})), function.overloadpacket.__name__
        by_mask = name in BY_MASK and any(index is not None and index.dtype == torch.bool for index in arguments[1])
        if name in WAITS or by_mask:
            self.waits.append(name)
        results = result if isinstance(result, (tuple, list)) else [result]
        if any(torch.is_tensor(one) and one.dtype == torch.float64 for one in results):
            self.double.append(name)
        return result


def watch_step(trainer) -> Watch:
    """A step as a CUDA device is given it: the device decides by itself whether it counts."""
    trainer.optimizers.device_decides = True
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


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.sum().item(),
        lambda x: bool(x.all()),
        lambda x: x[x > 2],
        lambda x: x.masked_select(x > 2),
        lambda x: x.__setitem__(x > 2, 0),
        lambda x: x.nonzero(),
        lambda x: x.repeat_interleave(x),
        lambda x: x.unique(),
    ],
)
def test_a_wait_is_seen(wait):
    with Watch() as watch:
        wait(torch.arange(5))
    assert watch.waits


@pytest.mark.parametrize("attention", ["F", "W", "S", "L"])
def test_nor_does_a_step_in_which_documents_do_not_see_each_other(tmp_path, stories, attention):
    reading = ReadingOptions(document_mask=True)
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
