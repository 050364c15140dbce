"""GAP, WinoBias and CoNLL files become cases; all sentences here are invented."""

import json
from pathlib import Path

import pytest
from annotated_texts import marked_words

from common.errors import InputError
from common.one_line import run
from data.cases import conll, gap, gender, ioi, winobias
from data.cases.case import Case, encode_case
from data.cases.conll import read_file
from data.cases.coreference import PRONOUN, READ, cases_of
from data.cases.files import parse_cases
from data.cases.gap import read_examples
from data.cases.splits import split_cases
from data.cases.winobias import read_pairs
from data.languages import load_language
from data.text.tokenizers import byte_tokenizer

PEOPLE = load_language("en").people


def read_again(cases: list[Case]) -> list[Case]:
    return parse_cases("\n".join(json.dumps(case.to_json()) for case in cases).encode(), "cases")


TEXT = 'Zoë "Z" Lee met Ida Roth in Köln. Later she moved to Bonn.'


def gap_line(**changes: str) -> str:
    fields = {"ID": "x-1", "Text": TEXT, "Pronoun": "she", "Pronoun-offset": str(TEXT.index("she")), "A": "Zoë"}
    fields |= {
        "A-offset": "0",
        "A-coref": "FALSE",
        "B": "Ida Roth",
        "B-offset": str(TEXT.index("Ida")),
        "B-coref": "TRUE",
    }
    return "\t".join((fields | {"URL": "http://pages/Zoe"} | changes).values())


def gap_file(folder: Path, *lines: str) -> Path:
    path = folder / "gap.tsv"
    header = "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def test_a_gap_example_asks_which_of_two_names_the_pronoun_means(tmp_path: Path) -> None:
    neither = gap_line(ID="x-2", **{"B-coref": "FALSE"})
    case, nothing = read_examples(gap_file(tmp_path, gap_line(), neither))
    assert nothing is None
    assert case.text == f'{TEXT} Here "she" refers to Ida Roth.'
    assert marked_words(case, "pronoun") == {
        "gold": ["Ida Roth"],
        "distractors": ["Zoë"],
        "answer": ["Ida Roth"],
        "pronoun": ["she"],
    }
    assert (case.foil, case.template, case.id) == ("Zoë", "http://pages/Zoe", "x-1")
    assert read_again([case]) == [case]


@pytest.mark.parametrize(
    ("names", "marked"),
    [
        (("Zoë Lee Jr.", "Ida"), {"distractors": ["Zoë Lee Jr."] * 2, "gold": ["Ida"] * 3}),
        (("Zoë", "Ida"), {"distractors": ["Zoë"] * 2, "gold": ["Ida"] * 3}),  # no Zoës, Zoë Lee
        (("Zoë Lee Jr.", "Roth"), {"distractors": ["Zoë Lee Jr."] * 2, "gold": ["Roth"]}),
        (("Ida", "Ida Roth"), {"distractors": ["Ida"] * 3, "gold": ["Ida Roth"]}),
    ],
)
def test_a_gap_name_is_marked_wherever_it_stands_again(tmp_path: Path, names: tuple[str, str], marked: dict) -> None:
    text = "Zoë Lee Jr. saw Ida. Zoë left Ida-Zoë and Zoës for Ida Roth, and she saw Zoë Lee Jr., Ida and Eva Roth."
    text += " Then Ida sat."
    changes = {"Text": text, "Pronoun-offset": str(text.index("she"))}
    for name, words in zip("AB", names, strict=True):
        changes |= {name: words, f"{name}-offset": str(text.index(words))}
    (case,) = read_examples(gap_file(tmp_path, gap_line(**changes)))
    assert {name: marked_words(case)[name] for name in marked} == marked
    assert read_again([case]) == [case]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"A-offset": "3"}, r"line 2: A 'Zoë' does not stand at character '3' of the text; give GAP's .tsv"),
        ({"A-offset": "9" * 5000}, "line 2: A 'Zoë' does not stand at character"),
        ({"Pronoun-offset": "-1"}, "line 2: Pronoun 'she' does not stand at character '-1'"),
        ({"B-coref": "yes"}, "line 2: A-coref and B-coref must be TRUE or FALSE"),
        ({"A-coref": "TRUE"}, "and not both TRUE"),
        ({"A": "Ida", "A-offset": str(TEXT.index("Ida"))}, "line 2: Pronoun, A and B overlap"),
        ({"URL": "a\tb"}, "line 2: has 12 columns instead of 11"),
    ],
)
def test_a_gap_line_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_examples(gap_file(tmp_path, gap_line(**changes)))
    assert "\n" not in str(caught.value)


def test_a_gap_file_without_examples_is_refused(tmp_path: Path) -> None:
    path = gap_file(tmp_path)
    with pytest.raises(InputError, match=r"gap\.tsv: has no examples; give GAP's \.tsv files as they are"):
        read_examples(path)


WINOBIAS = """1 [The potter] paid the dentist because [she] was in debt.
2 The potter paid [the dentist] because [she] had pulled a tooth and [her] bill was due.

[The dentist] called [ the potter] after [he] woke.
"""


def winobias_file(folder: Path, text: str) -> Path:
    path = folder / "pro_stereotyped_type1.txt.dev"
    path.write_text(text, encoding="utf-8")
    return path


def test_two_winobias_lines_are_each_others_counterfactual(tmp_path: Path) -> None:
    (one, other), left_out = read_pairs(winobias_file(tmp_path, "\n".join(WINOBIAS.splitlines()[:2])))
    assert left_out == 0
    assert one.text == 'The potter paid the dentist because she was in debt. Here "she" refers to the potter.'
    assert marked_words(one, "pronoun") == {
        "gold": ["potter"],
        "distractors": ["dentist"],
        "answer": ["potter"],
        "pronoun": ["she"],
    }
    assert marked_words(other)["gold"] == [one.foil] == ["dentist"]
    assert (one.counterfactual, other.counterfactual) == (other.id, one.id)
    assert (one.counterfactual_kind, one.task, one.template) == (
        "cue",
        "winobias_pro_stereotyped_type1",
        "dentist, potter",
    )
    assert one.text.encode()[slice(*one.spans.subject)] == b"potter"
    assert "P" in encode_case(other, byte_tokenizer()).sites


def test_a_winobias_pair_in_the_other_order_differs_in_the_order(tmp_path: Path) -> None:
    (one, _), _ = read_pairs(
        winobias_file(tmp_path, "The cook saw [the clerk] and hit [him].\nThe clerk saw [the cook] and hit [her].")
    )
    assert one.counterfactual_kind == "order"


def test_a_winobias_occupation_has_no_article(tmp_path: Path) -> None:
    text = "[An usher] saw a clerk when [she] ran.\nAn usher saw [a clerk] when [she] fell."
    (one, other), _ = read_pairs(winobias_file(tmp_path, text))
    assert one.text.endswith('Here "she" refers to the usher.')
    assert marked_words(one, "subject")["gold"] == marked_words(other, "subject")["subject"] == ["usher"]
    assert marked_words(other)["gold"] == [one.foil] == ["clerk"]


def test_a_winobias_pair_with_a_slip_in_a_name_is_left_out(tmp_path: Path) -> None:
    text = "The tailor saw [the tailor] and hit [him].\nThe cook saw [the tailor] and hit [her]."
    assert read_pairs(winobias_file(tmp_path, text)) == ([], 1)


def test_a_winobias_occupation_inside_the_other_is_no_candidate(tmp_path: Path) -> None:
    text = "[The art teacher] saw [her] friend.\nThe art teacher saw [the teacher] and [her] friend."
    assert read_pairs(winobias_file(tmp_path, text)) == ([], 1)


def test_a_file_that_is_given_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = str(winobias_file(tmp_path, "\n".join(WINOBIAS.splitlines()[:2])))
    with pytest.raises(InputError, match="line 1' stands twice among the cases; give each file"):
        winobias.main([path, path])
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The cook saw the clerk.\n", "dev, line 1: has 0 occupations and 0 pronouns in brackets"),
        (WINOBIAS, "dev, line 4: has 2 occupations and 1 pronouns in brackets"),
        ("[The cook] saw the clerk while [she] ate.", "has 1 lines; two lines are a pair"),
        ("\n", "dev: has no sentences; give WinoBias' sentences, such as"),
    ],
)
def test_a_winobias_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_pairs(winobias_file(tmp_path, text))


def test_winobias_files_are_written_as_cases_that_can_be_split(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pairs = "\n".join(
        f"[The potter] paid the {who} because [she] was late.\nThe potter paid [the {who}] because [she] was early."
        for who in ("dentist", "clerk")
    )
    winobias.main([str(winobias_file(tmp_path, pairs))])
    written = capsys.readouterr()
    assert [len(part) for part in split_cases(parse_cases(written.out.encode(), "cases"))] == [2, 2]
    assert "4 cases of 2 templates; nearest 50.0%, first 50.0%" in written.err


CONLL = """#begin document (made/up/0001); part 000
made/up/0001 0 0 Mrs. NNP - - - - - (PERSON* (1
made/up/0001 0 1 Voss NNP - - - - - *) 1)
made/up/0001 0 2 , , - - - - - * -
made/up/0001 0 3 her PRP$ - - - - - * (2|(1)
made/up/0001 0 4 son NN - - - - - * 2)
made/up/0001 0 5 and CC - - - - - * -
made/up/0001 0 6 Ulm NNP - - - - - (GPE) (3)
made/up/0001 0 7 -LRB- -LRB- - - - - - * -
made/up/0001 0 8 `` `` - - - - - * -
made/up/0001 0 9 old JJ - - - - - * -
made/up/0001 0 10 '' '' - - - - - * -
made/up/0001 0 11 -RRB- -RRB- - - - - - * -
made/up/0001 0 12 /. . - - - - - * -

made/up/0001 0 0 He PRP - - - - - * (2)
made/up/0001 0 1 did VBD - - - - - * -
made/up/0001 0 2 n't RB - - - - - * -
made/up/0001 0 3 stay VB - - - - - * -
made/up/0001 0 4 . . - - - - - * -

#end document
"""


def conll_file(folder: Path, text: str) -> Path:
    path = folder / "a.v4_gold_conll"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_conll_document_is_read_with_usual_spaces(tmp_path: Path) -> None:
    (document,) = read_file(conll_file(tmp_path, CONLL), PEOPLE)
    assert document.name == "made/up/0001 000"
    assert document.text == 'Mrs. Voss, her son and Ulm ("old").\nHe didn\'t stay.\n'
    found = {(document.text[m.start : m.end], m.entity, m.kind, m.type) for m in document.mentions}
    assert found == {
        ("Mrs. Voss", "1", "PROP", "PER"),
        ("her", "1", "PRON", "PER"),
        ("her son", "2", "NOM", "PER"),
        ("Ulm", "3", "PROP", "GPE"),
        ("He", "2", "PRON", "PER"),
    }


def test_a_conll_mention_may_stand_inside_another_of_its_entity(tmp_path: Path) -> None:
    nested = CONLL.replace("did VBD - - - - - * -", "did VBD - - - - - * (2").replace(
        "stay VB - - - - - * -", "stay VB - - - - - * 2)"
    )
    (document,) = read_file(
        conll_file(tmp_path, nested.replace("n't RB - - - - - * -", "n't RB - - - - - * (2)")), PEOPLE
    )
    assert [document.text[m.start : m.end] for m in document.mentions][-2:] == ["n't", "didn't stay"]


def test_conll_coreference_becomes_the_cases_of_all_annotated_corpora(tmp_path: Path) -> None:
    made = cases_of(read_file(conll_file(tmp_path, CONLL), PEOPLE))
    assert [case.task for case in made] == [PRONOUN, READ]
    assert marked_words(made[0], "pronoun") == {
        "gold": ["son"],
        "distractors": ["Mrs. Voss"],
        "answer": ["He"],
        "pronoun": ["He"],
    }
    assert made[1].text.endswith('He didn\'t stay. Here "He" refers to the son.')


@pytest.mark.parametrize("converter", [conll, gap, gender, ioi], ids=lambda module: module.__name__)
def test_what_a_converter_prints_are_cases(tmp_path: Path, monkeypatch, capsys, converter) -> None:
    files = {conll: conll_file(tmp_path, CONLL), gap: gap_file(tmp_path, gap_line())}
    monkeypatch.setattr("sys.argv", ["converter", *([str(files[converter])] if converter in files else [])])
    run(converter.main)  # which raises SystemExit for a status that is not 0
    written = capsys.readouterr()
    cases = parse_cases(written.out.encode(), "cases")
    assert len(cases) == written.out.count("\n") > 0
    assert f": {len([case for case in cases if case.task == cases[0].task])} cases of " in written.err


def test_conll_of_another_language_is_noted(tmp_path: Path, monkeypatch, capsys) -> None:
    german = CONLL.replace("NNP", "NE").replace("her PRP$", "ihr PPOSAT").replace("He PRP", "Er PPER")
    for text, n in ((CONLL, 0), (german, 1)):
        monkeypatch.setattr("sys.argv", ["conll", str(conll_file(tmp_path, text))])
        run(conll.main)
        assert capsys.readouterr().err.count("note: no mention is a name or a pronoun; only English words") == n


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("* (2)", "* 2)", r"line 16: 2\) ends no mention; write \(2 before it"),
        ("* 2)", "* -", r"line 5: \(2 does not end in its sentence; write 2\) after it"),
        ("* (2)", "* 2", "line 16: '2' is no mention"),
        ("#end document\n", "", r"a.v4_gold_conll: made/up/0001 000 does not end; put #end document"),
        ("#begin document (made/up/0001); part 000\n", "", "line 1: needs #begin document before it"),
        ("* (2)\n", "* (2)\nHe\n", "line 17: needs #begin document before it, and document, part, number, word"),
        ("#end document\n", "#begin document (b); part 000\n", "line 22: made/up/0001 000 has not ended"),
        (CONLL, "# nothing\n", "has no documents"),
    ],
)
def test_a_conll_line_that_cannot_be_used_is_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_file(conll_file(tmp_path, CONLL.replace(old, new, 1)), PEOPLE)


NEWS = """#begin document (made/up/0002); part 001
made/up/0002 1 0 U.S. NNP - - - - - (GPE) (1
made/up/0002 1 1 President NNP - - - - - * -
made/up/0002 1 2 Bush NNP - - - - - (PERSON) 1)
made/up/0002 1 3 sold VBD - - - - - * -
made/up/0002 1 4 Anna NNP - - - - - (PERSON) (2
made/up/0002 1 5 's POS - - - - - * 2)
made/up/0002 1 6 Titanic NNP - - - - - * (3)
made/up/0002 1 7 . . - - - - - * -

#end document
"""


def test_a_conll_name_has_the_type_of_its_last_word_and_a_name_without_one_is_of_no_person(tmp_path: Path) -> None:
    (document,) = read_file(conll_file(tmp_path, NEWS), PEOPLE)
    types = {document.text[m.start : m.end]: (m.kind, m.type) for m in document.mentions}
    assert types == {
        "U.S. President Bush": ("PROP", "PER"),
        "Anna's": ("PROP", "PER"),
        "Titanic": ("PROP", ""),
    }
    called_she = NEWS.replace(". . - - - - - * -", "she PRP - - - - - * (3)")
    (document,) = read_file(conll_file(tmp_path, called_she), PEOPLE)
    assert {m.type for m in document.mentions if m.entity == "3"} == {"PER"}


def test_without_types_of_names_every_name_in_conll_is_of_a_person(tmp_path: Path) -> None:
    without = NEWS.replace("(GPE)", "*").replace("(PERSON)", "*")
    (document,) = read_file(conll_file(tmp_path, without), PEOPLE)
    assert {m.type for m in document.mentions} == {"PER"}


def test_parts_of_a_conll_document_are_one_cluster(tmp_path: Path) -> None:
    twice = CONLL + CONLL.replace("part 000", "part 001")
    made = cases_of(read_file(conll_file(tmp_path, twice), PEOPLE))
    assert len({case.id for case in made}) == 4
    assert {case.template for case in made} == {"made/up/0001"}
