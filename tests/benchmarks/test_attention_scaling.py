"""Attention against length: what is measured is attention, growth is found where there is some, memory is a step's."""

import math
import sys

import pytest
import torch
from tolerance import assert_near

from benchmarks import attention
from benchmarks.attention import Variant, fit, make_step, variants
from benchmarks.attention_figure import APART, moved_apart
from common.errors import InputError
from model.attention import rotary_table

CPU = torch.device("cpu")
linux = pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")


def test_the_definition_and_the_fused_kernel_are_one_function():
    x = torch.randn(1, 48, 128, generator=torch.Generator().manual_seed(0), requires_grad=True)
    outputs = [variant.layer(48)(x, rotary_table(48, 64)) for variant in variants("F")]
    assert_near(*outputs, n_terms=3 * 128 + 48)
    gradients = [torch.autograd.grad(output.square().sum(), x)[0] for output in outputs]
    assert_near(*gradients, n_terms=2 * (3 * 128 + 48))


def test_every_attention_type_can_be_measured():
    for variant in variants("".join(attention.ATTENTION)):
        make_step(variant, 300, CPU)()
    assert [variant.name for variant in variants("SF")] == ["explicit", "S", "S, √T", "F"]


def test_exponents_are_those_of_the_upper_half():
    bent = {n: [max(n, 64) ** 1.5] * 2 for n in (8, 16, 32, 64, 128, 256, 512)}
    found = fit(bent)
    assert found.lengths == (64, 128, 256, 512)
    assert found.exponent == pytest.approx(1.5)
    assert found.margin == pytest.approx(0, abs=1e-6)
    assert str(found) == "1.50 ± 0.00"
    assert str(fit({2: [1.0], 4: [4.0]})) == "2.00"
    assert fit({4: [1.0]}) is None


def test_the_interval_of_an_exponent_covers_it_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(400):
        noise = torch.randn(4, 5, generator=generator) * 0.1
        found = fit({2**i: [2**i * math.exp(e) for e in row] for i, row in enumerate(noise.tolist())})
        points = found.lengths  # two of four lengths
        assert len(points) == 2
        hits += abs(found.exponent - 1) <= found.margin
    assert 0.92 < hits / 400 < 0.98


def test_labels_that_would_meet_are_moved_apart_and_no_others():
    heights = moved_apart([0.1, 0.5, 0.5, 0.9])
    assert heights == pytest.approx([0.1, 0.5 - APART / 2, 0.5 + APART / 2, 0.9])


@linux
def test_a_matrix_of_weights_costs_memory_that_the_fused_kernel_does_not_need():
    explicit, fused = (attention.in_own_process(variant, 1024, CPU) for variant in variants("F"))
    matrix = 4 * 2 * 1024**2  # bytes
    assert 3 * matrix < explicit < 6 * matrix
    assert 4 * 1024 * 128 < fused < 2 * matrix


@linux
def test_the_whole_table_at_toy_size(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(attention, "in_own_process", attention.added_memory)
    monkeypatch.setattr(attention, "BURST", 0.0)
    picture = tmp_path / "scaling.png"
    attention.main(["--lengths", "64", "128", "256", "--types", "FW", "--rounds", "2", "--figure", str(picture)])
    lines = capsys.readouterr().out.splitlines()
    header = lines.index("| ms, forward and backward | explicit | F | W |")
    assert [line.split(" | ")[0] for line in lines[header + 2 : header + 6]] == ["| 64", "| 128", "| 256", "| exponent"]
    assert "| MiB added at the peak | explicit | F | W |" in lines
    assert "exponents of explicit; F; W: over lengths 128, 256" in lines
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_would_not_fit_is_left_out_and_said(monkeypatch, capsys):
    monkeypatch.setattr(attention, "in_own_process", lambda variant, length, device: length**2)
    monkeypatch.setattr(attention, "available_memory", lambda device: 100**2)
    one = [Variant("F", "F", "F")]
    assert attention.measure_memory(one, [64, 128], CPU) == {"F": {64: 64**2}}
    assert "F at 128: left out; it may need 0 MiB of 0" in capsys.readouterr().out
    monkeypatch.setattr(attention, "in_own_process", lambda *_: None)
    assert attention.measure_memory(one, [64], CPU) == {"F": {}}
    assert "F at 64: left out; 0 MiB of memory were not enough" in capsys.readouterr().out


def test_an_unknown_attention_type_is_answered():
    with pytest.raises(InputError, match=r"--types FX: X is none of F"):
        attention.main(["--types", "FX"])
