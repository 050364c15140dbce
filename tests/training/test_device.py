"""Which device and which precision are chosen where the machine decides."""

import pytest
import torch

from training import TrainConfig
from training.device import pick_device, uses_bf16


@pytest.mark.parametrize(
    ("cuda", "mps", "local_rank", "name", "expected"),
    [
        (True, True, None, "auto", "cuda:0"),
        (True, False, "3", "auto", "cuda:3"),
        (True, False, "1", "cuda", "cuda:1"),
        (True, False, "1", "cuda:0", "cuda:0"),
        (True, True, None, "cpu", "cpu"),
        (False, True, None, "auto", "mps"),
        (False, False, "1", "auto", "cpu"),
    ],
)
def test_auto_is_the_best_device_and_of_several_processes_each_has_its_own(
    monkeypatch, cuda, mps, local_rank, name, expected
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)  # by which a device is tried that is not there
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert pick_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("precision", "device", "has_bf16", "expected"),
    [
        ("auto", "cuda", True, True),
        ("auto", "cuda", False, False),
        ("auto", "cpu", True, False),
        ("auto", "mps", True, False),
        ("fp32", "cuda", True, False),
        ("bf16", "cpu", False, True),
    ],
)
def test_auto_is_bfloat16_on_cuda_devices_that_have_it_without_emulation(
    monkeypatch, precision, device, has_bf16, expected
):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation or has_bf16)
    assert uses_bf16(TrainConfig(precision=precision), torch.device(device)) == expected
