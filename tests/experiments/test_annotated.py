"""The tables of heads in annotated English, of a small run and invented books."""

from annotated_texts import write_litbank

from experiments import annotated

SCENES = ["[{0}@e] met [{1}@t] .", "[She@e] sat .", "[He@t] ran , and [she@e] saw ."]
COUPLES = (("Emma", "Tom"), ("Anna", "Jack"), ("Mary", "Paul"), ("Kate", "Peter"))


def test_heads_are_measured_beside_simple_rules_at_and_before_the_pronoun(finished_run, tmp_path, capsys):
    for i in range(8):
        scenes = [line.format(*couple) for couple in COUPLES for line in SCENES]
        named = [
            line.replace("@e", f"@e{k}").replace("@t", f"@t{k}") for k, line in enumerate(scenes) for k in [k // 3]
        ]
        write_litbank(tmp_path, f"{i}_book", named)
    annotated.main([str(finished_run), str(tmp_path), "--window", "12"])
    out = capsys.readouterr().out
    lines = out.splitlines()
    row = next(line for line in lines if line.startswith("| annotated_he_or_she |"))
    header = next(line for line in lines if line.startswith("| task |"))
    assert row.count("|") == header.count("|")
    assert " of 4 |" in row
    assert "heads choose the antecedent more often than both rules" in out
    table = lines[next(k for k, line in enumerate(lines) if line.startswith("| head |")) :]
    assert len({line.count("|") for line in table}) == 1
    assert lines[-2].startswith("| nearest | ")
    assert lines[-1].startswith("| last pronoun | ")
