"""The race to nanoGPT as far as it runs without a clone."""

from benchmarks.race import Result, take_turns


def test_an_interrupted_race_goes_on_from_its_file(tmp_path, capsys):
    ran = []

    def side(name: str):
        def run(repeat: int) -> Result:
            ran.append((name, repeat))
            return Result(60.0, 70.0, 1.5 + repeat, 1_000, 10)

        return run

    sides = {name: side(name) for name in ("theirs", "ours")}
    keep = tmp_path / "race.jsonl"
    first = take_turns(sides, 1, keep, minutes=5.0)
    again = take_turns(sides, 2, keep, minutes=5.0)
    assert ran == [("theirs", 0), ("ours", 0), ("theirs", 1), ("ours", 1)]
    assert [run.loss for run in again["ours"]] == [1.5, 2.5]
    assert again["ours"][:1] == first["ours"]
    take_turns({"ours": sides["ours"]}, 1, keep, minutes=15.0)
    assert ran[4:] == [("ours", 0)], "other minutes are another race"
    assert "minutes" in capsys.readouterr().out
