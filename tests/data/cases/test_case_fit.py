"""What a tokenizer makes of annotated sentences: reported in plain words, or refused by name."""

from copy import copy
from dataclasses import replace

import pytest

from common.errors import InputError
from data import Tokenizer
from data.cases.case import Case, Spans
from data.cases.fit import encode_cases, explain_fit
from data.stories import cases
from data.text.tokenizers import CharacterTokenizer, IdTokenizer, byte_tokenizer, train_bpe

TEXT = "Tom met Anna. He said, my name is Tom."
SPANS = Spans(gold=((0, 3),), distractors=((8, 12),), pronoun=(14, 16), answer=(34, 37))
CASE = Case("good", TEXT, task="names", template="met", split="", spans=SPANS, foil="Anna")


def changed(text: str = TEXT, foil: str = "Anna", **spans) -> Case:
    return replace(CASE, id="changed", text=text, foil=foil, spans=replace(SPANS, **spans))


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return train_bpe([TEXT, "Anna met Tom."] * 20, 300)


def sentences(reported: list[str], part: str) -> list[str]:
    return [sentence for sentence in reported if part in sentence]


def test_answers_are_found_where_they_part_from_the_foil(bpe):
    (encoded,) = encode_cases([CASE], bpe)
    assert bpe.decode([encoded.answer]) == " Tom"
    assert bpe.decode([encoded.foil]) == " Anna"


@pytest.mark.parametrize(
    ("kind", "case", "reason"),
    [
        ("bytes", changed(TEXT[:-1], "Toms"), "answer 'Tom' and foil 'Toms' differ only after the end of the text"),
        ("bytes", changed(foil="Tim", pronoun=(35, 37)), "answer 'Tom' and foil 'Tim' part before site P is read"),
        ("bytes", changed(foil="Tim", cue=(35, 36)), "answer 'Tom' and foil 'Tim' part before site C is read"),
        ("bpe", changed(gold=((0, 1),), distractors=((1, 3),)), "'T' and 'om' share a token"),
        ("bpe", changed(gold=((34, 35),), answer=(35, 37), foil="im"), "belongs to 'T' as well"),
    ],
)
def test_a_case_that_cannot_be_measured_is_named(bpe, kind, case, reason):
    with pytest.raises(InputError) as caught:
        encode_cases([CASE, case], bpe if kind == "bpe" else byte_tokenizer())
    reported = str(caught.value)
    assert reported.startswith("1 of 2 cases cannot be measured with this tokenizer: case 'changed': ")
    assert reason in reported
    assert "\n" not in reported


def test_what_cannot_be_measured_can_still_be_explained(bpe):
    assert sentences(explain_fit([changed(gold=((34, 35),), answer=(35, 37), foil="im")], bpe, 100), "inside a token")


IDS_AS_TEXT = changed("10 11 12 13", "14", gold=((0, 2),), distractors=((6, 8),), pronoun=None, answer=(9, 11))
LETTERS = CharacterTokenizer(sorted(set(TEXT)))


@pytest.mark.parametrize(
    ("case", "tokenizer"),
    [(IDS_AS_TEXT, IdTokenizer([*"abcdefghijklmnop"])), (changed(TEXT.replace("name", "näme")), LETTERS)],
)
def test_what_cannot_be_read_is_refused_by_name_and_not_explained(case, tokenizer):
    assert explain_fit([case], tokenizer, 100) == []
    with pytest.raises(InputError, match=r"^1 of 1 cases cannot be measured with this tokenizer: case 'changed': "):
        encode_cases([case], tokenizer)


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_what_fits_needs_no_explanation(story_tokenizer, kind):
    tokenizer, block_size = {"bytes": (byte_tokenizer(), 512), "bpe": (story_tokenizer, 128)}[kind]
    tasks = ("cue", "subject_verb", "sense", "translation")  # whose words are never spelled anew
    known = cases("report", 20, 0, tasks)
    assert explain_fit(known, tokenizer, block_size) == []


def test_long_cases_are_counted_with_their_counterfactuals(bpe):
    one = replace(CASE, id="one", counterfactual="longer")
    longer = replace(changed("Now " + TEXT, answer=(38, 41)), id="longer", counterfactual="one")
    size = len(encode_cases([one], bpe)[0].tokens)
    (reported,) = sentences(explain_fit([one, longer, CASE], bpe, size), "left out")
    assert reported.startswith("2 of 3 cases are left out")
    assert "(longer has" in reported
    assert not sentences(explain_fit([one, longer, CASE], bpe, 100), "left out")


def test_spans_inside_tokens_are_counted_and_the_space_before_a_word_is_none(bpe):
    (reported,) = explain_fit([CASE, changed(distractors=((8, 10),))], bpe, 100)
    assert reported.startswith("in 1 of 2 cases a span begins or ends inside a token (changed: 'An')")


def test_answers_that_begin_like_their_foils_are_counted(bpe):
    apart = changed(TEXT.replace(" Tom.", "-Tom."))  # the token before the answer ends where the answer begins
    (reported,) = sentences(explain_fit([CASE, changed(foil="Tomcat")], bpe, 100), "begin with")
    assert not sentences(explain_fit([CASE, apart], bpe, 100), "begin with")
    assert reported.startswith("in 1 of 2 cases answer and foil begin with the same token (changed: 'Tom', 'Tomcat')")


def test_what_is_put_before_a_text_is_no_part_of_it(bpe):
    begun = copy(bpe)
    begun.start = " "
    apart = changed(TEXT.replace(" Tom.", "-Tom."))  # the token before the answer ends where the answer begins
    assert not sentences(explain_fit([apart], begun, 100), "begin with")
    (reported,) = sentences(explain_fit([changed(gold=((1, 3),))], begun, 100), "inside a token")
    assert "'om'" in reported


def test_words_that_can_only_be_spelled_in_pieces_are_counted(bpe):
    (reported,) = explain_fit([CASE, changed(foil="Q Xaver")], bpe, 100)
    assert reported.startswith("1 of 2 cases contain words")
    assert "(e.g. 'Xaver' as 5 tokens)" in reported
