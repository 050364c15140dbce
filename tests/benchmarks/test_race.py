"""The race to nanoGPT as far as it runs without a clone."""

import pytest

from benchmarks.race import Result, Side, digest, main, take_turns
from common.errors import InputError


def test_an_interrupted_race_goes_on_from_its_file(tmp_path, capsys):
    ran = []

    def side(name: str):
        def run(repeat: int) -> Result:
            ran.append((name, repeat))
            return Result(60.0, 70.0, 1.5 + repeat, 1_000, 10)

        return run

    sides = {name: Side(side(name), "one") for name in ("theirs", "ours")}
    keep = tmp_path / "race.jsonl"
    first = take_turns(sides, 1, keep, minutes=5.0)
    again = take_turns(sides, 2, keep, minutes=5.0)
    assert ran == [("theirs", 0), ("ours", 0), ("theirs", 1), ("ours", 1)]
    assert [run.loss for run in again["ours"]] == [1.5, 2.5]
    assert again["ours"][:1] == first["ours"]
    take_turns({"ours": sides["ours"]}, 1, keep, minutes=15.0)
    assert ran[4:] == [("ours", 0)], "other minutes are another race"
    assert "minutes" in capsys.readouterr().out
    take_turns({"theirs": sides["theirs"], "ours": Side(side("ours"), ["seed=1"])}, 1, keep, minutes=5.0)
    assert ran[5:] == [("ours", 0)], "other settings are another side"


def test_a_clone_is_known_by_its_code(tmp_path):
    clones = [tmp_path / name for name in ("one", "same", "other")]
    for clone in clones:
        (clone / "config").mkdir(parents=True)
        (clone / "train.py").write_text("import model")
        (clone / "config" / "train_shakespeare_char.py").write_text(f"dropout = {0.2 if clone.name == 'other' else 0}")
    one, same, other = map(digest, clones)
    assert one == same != other


@pytest.mark.parametrize("minutes", ["0", "-5", "inf", "nan"])
def test_minutes_that_are_none_are_refused(tmp_path, minutes):
    with pytest.raises(InputError, match=rf"^--minutes {minutes}: must be above 0 and finite$"):
        main(["--nanogpt", str(tmp_path), "--minutes", "5", minutes])
