"""Cases of token ids: read, refused and encoded as cases of text are."""

import pytest
from annotated_texts import changed, parse
from inputs_of_ids import cases_of_letters, in_ids

from common.errors import InputError
from data import EncodedCase, encode_case, split_cases
from data.cases.fit import encode_cases, explain_fit
from data.text.tokenizers import IdTokenizer, byte_tokenizer

BYTES = byte_tokenizer()
SPANS = {"gold": [[0, 1]], "distractors": [[1, 2]], "pronoun": [2, 3], "answer": [3, 4]}
GOOD = {"tokens": [3, 0, 7, 3], "task": "letters", "template": "x", "foil": 0, "spans": SPANS}


def record(**changes) -> dict:
    return changed(GOOD, changes)


def numbers(case: EncodedCase) -> tuple:
    """All of an encoded case but what it was encoded from."""
    return tuple(value for name, value in vars(case).items() if name != "case")


def test_a_case_of_ids_is_the_case_of_text_that_has_these_ids():
    texts = cases_of_letters(12)
    of_ids = parse(*(case.to_json() for case in map(in_ids, texts)))
    assert all(case.tokens and not case.text for case in of_ids)
    for one, other in zip(encode_cases(texts, BYTES), encode_cases(of_ids, BYTES), strict=True):
        assert numbers(one) == numbers(other)
        assert one.rivals == other.rivals
        assert len(one.case.candidates.split(" | ")) == len(other.case.candidates.split(" | ")) == 2
    select, report = split_cases(of_ids)
    assert [case.id for case in (*select, *report)] == [case.id for half in split_cases(texts) for case in half]


def test_a_foil_may_have_several_ids_and_the_first_that_differs_counts():
    (case,) = parse(record(tokens=[3, 0, 7, 5, 3, 8], foil=[5, 0], spans_answer=[3, 5]))
    encoded = encode_case(case, IdTokenizer(9))
    assert (encoded.tokens, encoded.sites["A"], encoded.answer, encoded.foil) == ((3, 0, 7, 5, 3), 4, 3, 0)
    assert parse(case.to_json()) == [case]
    assert explain_fit([case], IdTokenizer(9), 8) == [
        "in 1 of 1 cases answer and foil begin with the same token (line-1: '5 3', (5, 0)): the model is asked where "
        "they part"
    ]


def test_a_text_of_ids_whose_names_are_longer_cannot_have_spans():
    spans = {"spans_pronoun": None, "spans_gold": [[0, 1]], "spans_distractors": [[2, 3]], "spans_answer": [6, 7]}
    (case,) = parse(record(tokens=None, text="3 0 7 3", foil="0", **spans))
    with pytest.raises(InputError, match="its text is ids"):
        encode_case(case, IdTokenizer([f"move {i}" for i in range(9)]))


def test_nothing_is_put_in_front_so_that_a_first_token_has_no_token_before_it():
    (case,) = parse(
        record(spans_pronoun=[0, 1], spans_gold=[[1, 2]], spans_distractors=[[2, 3]], foil=7, tokens=[3, 0, 7, 0])
    )
    assert encode_case(case, IdTokenizer(9)).sites == {"P": 0, "A-1": 2, "A": 3}


REFUSED = {
    "tokens must be a list of token ids, whole numbers from 0 on, not []": {"tokens": []},
    "tokens must be a list of token ids, whole numbers from 0 on, not [0, 1, True, 3]": {"tokens": [0, 1, True, 3]},
    "tokens must be a list of token ids, whole numbers from 0 on, not 'e4 e5'": {"tokens": "e4 e5"},
    "foil must be a token id or a list of them, whole numbers from 0 on, not 'e4'": {"foil": "e4"},
    "foil must be a token id or a list of them, whole numbers from 0 on, not -1": {"foil": -1},
    "foil [3] is the answer itself; give what the answer would be if the other candidate were meant": {"foil": 3},
    "text and tokens are both there; a case has one of them": {"text": "e4 e5"},
    "text is missing": {"tokens": None},
    "spans.answer [3, 5] ends after the tokens (4 tokens)": {"spans_answer": [3, 5]},
    "spans.answer [3, 3] is empty; the end is the token after the last": {"spans_answer": [3, 3]},
    "spans.gold must be [start, end] in tokens, not [0]": {"spans_gold": [[0]]},
    "spans.gold [3, 4] does not end before spans.answer [3, 4] begins": {"spans_gold": [[3, 4]]},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_wrong_with_a_line_of_ids_is_reported_in_one(reason):
    with pytest.raises(InputError) as caught:
        parse(record(**REFUSED[reason]))
    assert str(caught.value) == f"cases=mine.jsonl: 1 of 1 lines cannot be used: line 1: {reason}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tokens": [3, 0, 9, 3]}, "tokens has 9; the ids of this run's tokens are 0 to 8"),
        ({"foil": 99}, "foil has 99; the ids of this run's tokens are 0 to 8"),
        (
            {"foil": [3, 0]},
            "answer '3' and foil (3, 0) differ only after the end of the tokens; put one more after the answer",
        ),
    ],
)
def test_what_a_tokenizer_cannot_read_is_reported_with_the_case(changes, reason):
    with pytest.raises(InputError) as caught:
        encode_cases(parse(record(**changes)), IdTokenizer(9))
    assert str(caught.value) == f"1 of 1 cases cannot be measured with this tokenizer: case 'line-1': {reason}"
