"""Cases of indirect objects and of gender stereotypes: balanced, and each as long as its counterfactual."""

import json

import inputs
import pytest
from annotated_texts import marked_words

from data.cases import gender, ioi
from data.cases.case import aligned, counterfactual_groups
from data.cases.converters import RULES
from data.cases.files import parse_cases
from data.cases.fit import encode_cases
from data.cases.splits import split_cases
from data.text.tokenizers import gpt2_tokenizer

ALL = {"ioi": ioi.cases(), "gender": gender.cases()}


def test_the_second_subject_decides_whose_name_follows() -> None:
    one, other = ioi.cases(pairs=1)[:2]
    first, second = marked_words(one)["gold"][0], one.foil
    assert marked_words(one) == {"gold": [first], "distractors": [second] * 2, "answer": [first]}
    assert marked_words(other) == {"gold": [second], "distractors": [first] * 2, "answer": [second]}
    assert one.text.split(", ")[0] == other.text.split(", ")[0]
    assert one.text.endswith(f", {second} handed the keys to {first}.")


def test_more_pairs_than_a_machine_can_draw_are_refused(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["ioi", "--pairs", "9" * 20])
    with pytest.raises(SystemExit):
        ioi.main()
    assert "must be from 1 to 10,000" in capsys.readouterr().err


def test_two_names_stand_in_both_orders() -> None:
    names = {case.id.split("-", 1)[1].rsplit("-", 1)[0] for case in ioi.cases(pairs=1)}
    number, one, other = min(names).split("-")
    assert f"{number}-{other}-{one}" in names
    assert len(names) == 2 * len(ioi.TEMPLATES)


def test_a_stereotype_expects_the_pronoun_of_the_one_who_speaks() -> None:
    one, other = gender.cases()[:2]
    assert one.text == "The soldier listened while the nurse said that she was tired."
    assert other.text == "The soldier listened while the man said that he was tired."
    assert marked_words(one) == {"gold": ["nurse"], "distractors": ["soldier"], "answer": ["she"]}
    assert (one.foil, other.foil) == ("he", "she")


def test_a_stereotype_expects_the_reason_of_the_one_whom_the_pronoun_means() -> None:
    one, other = [case for case in gender.cases() if case.task == gender.CONTINUATION][:2]
    assert one.text == "The nurse visited the soldier because she wanted company."
    assert other.text == "The nurse visited the soldier because he felt lonely."
    assert marked_words(other) == {"gold": ["soldier"], "distractors": ["nurse"], "answer": ["felt lonely"]}
    assert other.foil == "wanted company"


@pytest.mark.parametrize("name", ALL)
def test_the_first_mention_is_right_in_one_half_and_so_is_every_answer(name: str) -> None:
    for task in {case.task for case in ALL[name]}:
        own = [case for case in ALL[name] if case.task == task]
        assert RULES["first"](own) == 0.5
        answers = [tuple(marked_words(case)["answer"]) for case in own]
        foils = [(case.foil,) for case in own]
        assert sorted(answers) == sorted(foils)


@pytest.mark.parametrize("name", ALL)
def test_written_cases_can_be_read_and_split(name: str) -> None:
    lines = "\n".join(json.dumps(case.to_json()) for case in ALL[name])
    select, report = split_cases(parse_cases(lines.encode(), "cases"))
    assert len(select) == len(report) == len(ALL[name]) / 2


@pytest.mark.skipif("real" not in inputs.KINDS, reason="GPT-2's vocabulary is not there")
@pytest.mark.parametrize("name", ALL)
def test_counterfactuals_have_their_words_at_the_same_tokens_of_gpt2(name: str) -> None:
    with inputs.gpt2_from(inputs.REAL):
        encoded = encode_cases(ALL[name], gpt2_tokenizer(inputs.REAL))
    assert aligned(encoded)
    assert all(end - start == 1 for case in encoded for start, end in (*case.gold, *case.distractors))
    assert all((one.answer, one.foil) == (other.foil, other.answer) for one, other in counterfactual_groups(encoded))
    for case in encoded:
        if case.case.task == gender.CONTINUATION:
            assert case.sites["P"] == case.sites["A-1"]
