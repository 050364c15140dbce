"""Cases from annotated coreference, in sentences whose mentions are marked by hand: [Emma@e]."""

import json

import pytest
from annotated_texts import document, marked_words

from data.cases.annotated import AnnotatedText, Document
from data.cases.case import Case, encode_case
from data.cases.converters import LAST, RULES, describe
from data.cases.coreference import NAME, PRONOUN, READ, cases_of, exchanged, he_or_she, names_again
from data.cases.exchanged import AFTER_PRONOUNS, HE_OR_SHE, REPEATED_NAME, write_pair
from data.cases.files import parse_cases
from data.languages import load_language
from data.text.tokenizers import byte_tokenizer
from probing.heads import mark_spans
from probing.predictions import first, last_pronoun, nearest

PEOPLE = load_language("en").people


def reader(marked: str, window: int = 60) -> AnnotatedText:
    return AnnotatedText(document(marked), PEOPLE, window)


def only(cases: list[Case], task: str) -> list[Case]:
    return [case for case in cases if case.task == task]


SCENE = (
    "Café. [Emma@e] saw [[her@e] old father@f] and [a boy [she@e] knew@b]. [He@f] smiled. Then [she@e] left. So it was."
)


def test_gold_is_who_the_pronoun_means_and_rivals_are_persons_of_the_other_gender() -> None:
    _, he, she = only(list(he_or_she(reader(SCENE))), PRONOUN)
    assert marked_words(he, "chain") == {"gold": ["old father"], "distractors": ["Emma"], "chain": [], "answer": ["He"]}
    assert marked_words(she, "chain") == {
        "gold": ["Emma"],
        "distractors": ["old father", "a boy"],
        "chain": ["her", "she"],
        "answer": ["she"],
    }
    assert (he.foil, she.foil) == ("She", "he")
    assert she.entities == ("book/e", "book/f", "book/b")
    assert she.template == "book"


def test_a_person_of_unknown_gender_is_no_rival() -> None:
    assert not list(he_or_she(reader("[Evelyn@s] saw [Emma@e]. [She@e] left.")))


def test_the_last_pronoun_speaks_for_whoever_has_its_gender() -> None:
    _, he, she = only(list(he_or_she(reader(SCENE))), PRONOUN)
    assert he.spans.last_pronoun in he.spans.distractors  # she
    assert she.spans.last_pronoun in she.spans.distractors  # He


def test_a_person_has_the_gender_of_its_pronouns_and_else_of_its_title_name_or_noun() -> None:
    text = "[Mary@a] lost [his@a] hat. [Mrs. Hay@b], [John@c], [the young girl@d], [Evelyn@e], [the men@f] came."
    genders = {person.entity: person.gender for person in reader(text).persons}
    assert genders == {"a": "he", "b": "she", "c": "he", "d": "she", "e": "", "f": ""}


def test_the_own_words_of_a_mention_are_no_possessive_and_no_word_between_others() -> None:
    found = reader("[[Tom@a] and [Anna@b]@c] saw [James '@d] dog and [Emma's@e] cat.").persons
    text = reader("[[Tom@a] and [Anna@b]@c] saw [James '@d] dog and [Emma's@e] cat.").document.text
    assert [text[person.start : person.end] for person in found] == ["Tom", "Anna", "James", "Emma"]


def test_a_pronoun_that_is_read_is_asked_about_after_its_sentence() -> None:
    she = only(list(he_or_she(reader(SCENE))), READ)[-1]
    assert she.text.endswith('Then she left. Here "she" refers to Emma.')
    assert (marked_words(she)["answer"], she.foil) == (["Emma"], "the boy")
    sites = encode_case(she, byte_tokenizer()).sites
    assert she.text.encode()[: sites["P"]].endswith(b" she")  # the end token stands before the text
    assert sites["P"] < sites["A-1"]


def test_candidates_named_after_a_pronoun_that_is_read_are_marked_up_to_the_question() -> None:
    begun = "[Emma@e] saw [Tom@t]. Then [she@e] met [Jim@j], "
    scene = f"{begun}and [Miss Hay@e] told [[her@e] friend@f] of [Tom@t]. [Tom@t] sat."
    predicted, read = list(he_or_she(reader(scene)))[:2]
    assert marked_words(predicted, "chain")["distractors"] == ["Tom"]
    assert marked_words(read, "chain") == {
        "gold": ["Emma", "Miss Hay"],
        "distractors": ["Tom", "Tom"],
        "chain": ["her"],
        "answer": ["Emma"],
    }
    assert len(read.entities) == 3


def test_an_excerpt_has_at_most_the_windows_words_and_begins_with_a_sentence() -> None:
    far = reader("[John@j] sat. " + "It rained. " * 5 + "[Tom@t] saw [Emma@e]. [He@t] left.", window=10)
    (case,) = only(list(he_or_she(far)), PRONOUN)
    assert case.text == "It rained. It rained. It rained. Tom saw Emma. He left."


def test_a_name_again_has_all_other_named_persons_as_rivals() -> None:
    (case,) = names_again(reader("[Tom@t] met [Ann Lee@a] and [Jim@j]. [He@t] left, and [Ann@a] stayed."))
    assert marked_words(case, "chain") == {
        "gold": ["Ann Lee"],
        "distractors": ["Tom", "Jim"],
        "chain": [],
        "answer": ["Ann"],
    }
    assert (case.task, case.foil) == (NAME, "Jim")
    assert case.spans.last_pronoun == case.spans.distractors[0]


def test_a_name_again_has_no_line_break_and_its_foil_is_another_name() -> None:
    names = "[Ann Lee@a] met [Jim Roe@j], [Ann\nLee@b] and [Jo Ray@c]. "
    *_, case = names_again(reader(names + "[Ann\nLee@a] left."))
    assert case.text.endswith(" Ann Lee left.")
    assert (marked_words(case)["answer"], case.foil) == (["Ann Lee"], "Jo Ray")
    two = "[Ann Lee@a] met [Ann\nLee@b]. [Ann Lee@a] left."
    assert not list(names_again(reader(two)))


def pairs(marked: str) -> list[tuple[Case, Case]]:
    read = reader(marked)
    return [tuple(write_pair(read.text, find, "book", str(i))) for i, find in enumerate(exchanged(read))]


def test_two_names_are_exchanged_where_the_persons_have_no_other_words() -> None:
    ((one, other),) = pairs("[Tom@t] met [Ann@a]. Then [she@a] left.")
    assert (one.task, one.foil) == (HE_OR_SHE, "he")
    assert other.text == "Ann met Tom. Then he left."
    assert marked_words(other) == {"gold": ["Tom"], "distractors": ["Ann"], "answer": ["he"]}


def test_of_two_exchanged_names_the_answer_has_no_line_break() -> None:
    ((one, other),) = pairs("[Kim Ray@t] met [Ann\nLee@a], and [Kim\nRay@t] left.")
    assert one.text == "Kim Ray met Ann\nLee, and Kim Ray left."
    assert other.text == "Ann Lee met Kim Ray, and Ann Lee left."


@pytest.mark.parametrize(
    ("marked", "tasks"),
    [
        ("[Tom@t] met [Ann@a]. [He@t] saw that [she@a] left.", [HE_OR_SHE, AFTER_PRONOUNS]),
        ("[Kim@t] met [Ann@a], and [Kim@t] left.", [REPEATED_NAME]),
        ("[Tom@t] met [Ann@a]. [He@t] and [Ann@a] left.", [HE_OR_SHE]),  # he would no longer be Tom
        ("[Ann@t] met [Ann Lee@a]. [Ann@t] left.", []),  # the names share a word
        ("Ah, TOM! [TOM@t] met [Ann@a]. TOM was ill, and [she@a] left.", []),  # a name that is no mention
        ("[Tom@t] met [Ann@a]. Then [the boy@t] saw [Ann@a], and [he@t] left.", []),  # a noun means him
        ("Then [the boy@t] came. [Tom@t] met [Ann@a]. [She@a] left.", [HE_OR_SHE]),  # after the noun
        ("[Tom@t], [Ann@a] and [Jim@j] met. [She@a] left.", [HE_OR_SHE]),
        ("[Tom@t], [Ann@a] and [Sue@s] met. [She@a] left.", []),  # after the exchange, two may be he
    ],
)
def test_names_are_exchanged_only_where_the_text_permits_it(marked: str, tasks: list[str]) -> None:
    assert [one.task for one, _ in pairs(marked)] == tasks


def test_rivals_are_candidates_by_their_entities_and_not_by_their_words() -> None:
    case = only(list(he_or_she(reader("[Tom@t], [the boy@t], saw [Jim@j] and [Ann@a]. [She@a] left."))), PRONOUN)[0]
    encoded = encode_case(case, byte_tokenizer())
    assert [len(mentions) for mentions in encoded.rivals] == [2, 1]
    assert mark_spans([encoded], len(encoded.tokens), "cpu").shape[1] == 3


def books(n: int) -> list[Document]:
    return [document(SCENE.replace("a boy", f"a boy {i}"), f"book {i}") for i in range(n)]


def test_written_cases_are_read_again_with_splits_by_document() -> None:
    made = cases_of(books(4))
    lines = "\n".join(json.dumps(case.to_json()) for case in made)
    assert parse_cases(lines.encode(), "cases") == made
    assert all(len({case.split for case in made if case.template == f"book {i}"}) == 1 for i in range(4))


def test_the_baselines_are_stated() -> None:
    assert describe(only(cases_of(books(2)), PRONOUN)) == (
        f"{PRONOUN}: 6 cases of 2 templates (3 in select, 3 in report); nearest 33.3%, first 66.7%, last pronoun 33.3%"
    )


def test_a_rule_is_right_as_often_as_the_baseline_of_its_name() -> None:
    scene = "[Tom@t] met [Ann@a]. [Tom@t] left. [Ann@a] saw, and [she@a] left. [Tom@t] sat."
    cases = list(names_again(reader(scene)))
    assert {case.spans.last_pronoun is None for case in cases} == {True, False}
    encoded = [encode_case(case, byte_tokenizer()) for case in cases]
    baselines = {"nearest": nearest, "first": first, LAST: last_pronoun}
    assert {name: rule(cases) for name, rule in RULES.items()} == {
        name: make(encoded, ("A-1",)).accuracy().item() for name, make in baselines.items()
    }


def test_cases_about_the_same_two_persons_are_one_group() -> None:
    he, she, *_ = only(list(he_or_she(reader("[Tom@t] met [Ann@a]. [He@t] saw. [She@a] left."))), PRONOUN)
    assert he.candidates == she.candidates == "book/a | book/t"
