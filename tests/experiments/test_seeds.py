"""The table over seeds, on findings written by hand."""

import json
from pathlib import Path

import pytest

from common.errors import InputError
from experiments import seeds

SHAPE = {"n_layer": 2, "n_head": 2, "vocab_size": 7}


def task(head: str, again: int, *, looks: bool = True, matters: bool = True) -> dict:
    best = {"head": head, "site": "A-1", "looks": looks, "matters": matters}
    stability = {"same_head": again, "resamples": 200, "runner_up": None if again == 200 else "0.1"}
    return {"resolved": True, "best": best, "stability": stability}


def roles(head: str, matters: bool) -> list:
    layers = [[[], []], [[], []]]
    layer, k = map(int, head.split("."))
    layers[layer][k] = [{"role": "pronoun", "matters": matters}]
    return layers


def write(folder: Path, head: str = "1.0", seed: int | None = None, **more: object) -> str:
    (folder / "probe").mkdir(parents=True)
    cue = task(head, 196, matters=head == "1.0")
    lists = task("0.0", 200, looks=False, matters=False) | {"resolved": False}
    heads = {"model": SHAPE, "tasks": {"cue": cue, "lists": lists}, "all_roles": roles(head, head == "1.0")} | more
    (folder / "probe" / "heads.json").write_text(json.dumps(heads))
    if seed is not None:
        (folder / "config.yaml").write_text(f"seed: {seed}\n")
    return str(folder)


def test_what_recurs_over_runs_is_printed(tmp_path, capsys):
    seeds.main([write(tmp_path / name, head) for name, head in (("a", "1.0"), ("b", "1.1"), ("c", "1.0"))])
    out = capsys.readouterr().out
    again = "196 of 200 (then 0.1)"
    one, other = f"1.0 A-1, {again}, looks, matters", f"1.1 A-1, {again}, looks"
    assert f"| cue | {one} | {other} | {one} | 1 in all |" in out
    assert "| lists | 0.0 A-1, 200 of 200, not interpreted |" in out
    assert "Tasks in which the chosen head looks in all 3 runs: 1; from the same layer: 1." in out
    assert "| pronoun | 0 | 3 (matters in 2) |" in out


def test_another_layer_in_another_run_is_named(tmp_path, capsys):
    seeds.main([write(tmp_path / name, head) for name, head in (("a", "1.0"), ("b", "0.1"))])
    out = capsys.readouterr().out
    assert "| no: 1, 0 |" in out
    assert "in all 2 runs: 1; from the same layer: 0." in out
    assert "| pronoun | 1 | 1 (matters in 1) |" in out


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (None, r"run=\S*b: there is no such run"),
        ({"tasks": {"cue": {}}}, r"b/probe/heads\.json is of an earlier version, without stability: python probe\.py"),
        ({"tasks": {}}, r"b/probe/heads\.json has no task: python probe\.py"),
        ({"model": SHAPE | {"n_head": 4}}, r"b has n_head=4, \S*a 2: give runs of one shape$"),
        ({"seed": 3}, r"b and \S*a were both trained with seed=3: give runs of other seeds$"),
    ],
)
def test_bad_input_is_one_line(tmp_path, broken, message):
    one, other = write(tmp_path / "a", seed=3), tmp_path / "b"
    if broken is not None:
        write(other, **broken)
    with pytest.raises(InputError, match=message) as error:
        seeds.main([one, str(other)])
    assert "\n" not in str(error.value)


def test_one_run_says_nothing_about_seeds(tmp_path):
    with pytest.raises(InputError, match=r"name at least two runs"):
        seeds.main([write(tmp_path / "a")])


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"model": {}}'])
def test_a_damaged_file_is_one_line(tmp_path, content):
    write(tmp_path / "a")
    (tmp_path / "b/probe").mkdir(parents=True)
    (tmp_path / "b/probe/heads.json").write_bytes(content)
    with pytest.raises(InputError, match=r"b/probe/heads\.json is damaged: python probe\.py run=\S*b overwrites it$"):
        seeds.main([str(tmp_path / "a"), str(tmp_path / "b")])
