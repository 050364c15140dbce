"""Users' annotated sentences: what is read, what is refused, and how they are split."""

import codecs
import json
import re
from collections.abc import Callable

import pytest
from annotated_texts import changed, marked_words, parse
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from data import Tokenizer, read_cases, split_cases
from data.cases.files import parse_cases
from data.cases.fit import encode_cases, explain_fit
from data.stories import COUNTERFACTUAL_KINDS, TASKS, cases
from data.text.tokenizers import byte_tokenizer, train_bpe

TEXT = "Tom met Anna. He said, my name is Tom."
SPANS = {"gold": [[0, 3]], "distractors": [[8, 12]], "pronoun": [14, 16], "answer": [34, 37]}
GOOD = {"text": TEXT, "task": "names", "template": "met", "foil": "Anna", "spans": SPANS}


def record(**changes) -> dict:
    return changed(GOOD, changes)


def lines(*records: dict) -> bytes:
    return "\n".join(map(json.dumps, records)).encode()


def pair(template: str, **changes) -> tuple[dict, dict]:
    one, other = f"{template}a", f"{template}b"
    return record(template=template, id=one, counterfactual=other, **changes), record(
        template=template, id=other, counterfactual=one, **changes
    )


def message(call: Callable, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return train_bpe([TEXT, "Anna met Tom."] * 20, 300)


def test_a_record_without_optional_keys_becomes_a_case():
    (case,) = parse(record())
    assert (case.id, case.split, case.counterfactual, case.chance_loss) == ("line-1", "", None, None)
    assert (case.spans.gold, case.spans.answer, case.spans.cue) == (((0, 3),), (34, 37), None)


def test_a_case_that_was_not_split_can_be_written_and_read_again():
    read = parse(*pair("x"))
    assert parse(*(case.to_json() for case in read)) == read


@pytest.mark.parametrize("kind", COUNTERFACTUAL_KINDS)
def test_every_story_survives_being_written_and_read(kind):
    stories = cases("report", 20, 0, tuple(TASKS), kind)
    assert parse(*(case.to_json() for case in stories)) == stories


def test_the_example_in_the_documentation_can_be_pasted(tmp_path):
    page = (ROOT / "docs" / "your-own-sentences.md").read_text()
    (tmp_path / "mine.jsonl").write_text(re.search(r"```jsonl\n(.*?)```", page, re.S)[1])
    one, other = read_cases(tmp_path / "mine.jsonl")
    assert (one.counterfactual, other.counterfactual) == (other.id, one.id)
    assert marked_words(one, "pronoun", "cue") == {
        "gold": ["dog"],
        "distractors": ["road"],
        "pronoun": ["it"],
        "cue": ["tired"],
        "answer": ["dog"],
    }
    assert (marked_words(other)["gold"], marked_words(other, "cue")["cue"]) == (["road"], ["wide"])


def test_the_snippet_in_the_documentation_counts_bytes():
    page = (ROOT / "docs" / "your-own-sentences.md").read_text()
    place: dict = {"re": re}
    exec(re.search(r"```python\n(.*?)```", page, re.S)[1], place)
    assert place["span"]("Zoë saw Zoë.", "Zoë", n=1) == [9, 13]
    assert place["span"]("Robert Jr. met Roberta.", "Robert Jr.") == [0, 10]
    assert place["span"]("Tommy met Tom.", "Tom") == [10, 13]


def test_byte_order_marks_windows_line_ends_and_blank_lines_do_no_harm():
    content = codecs.BOM_UTF8 + lines(record(), record()).replace(b"\n", b"\r\n\r\n  \r\n") + b"\r\n"
    assert [case.id for case in parse_cases(content, "")] == ["line-1", "line-4"]


def test_a_line_separator_inside_a_string_ends_no_line():
    (case,) = parse_cases(json.dumps(record(task="a\u2028b"), ensure_ascii=False).encode(), "")
    assert case.task == "a\u2028b"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"text": None}, "text is missing"),
        ({"spans_gold": None}, "spans.gold is missing"),
        ({"foils": "Anna"}, "unknown key 'foils'; did you mean foil?"),
        ({"gold": [[0, 3]]}, "unknown key 'gold'; it belongs into spans, as spans.gold"),
        ({"spans_distractor": [[8, 12]]}, "unknown key 'spans.distractor'; did you mean spans.distractors?"),
        ({"task": 3}, "task must be a text that is not empty, not 3"),
        ({"template": ""}, "template must be a text that is not empty, not ''"),
        ({"foil": "\ud800"}, "foil has half of a surrogate pair"),
        ({"split": "train"}, "split 'train' is none of select, report"),
        ({"chance_loss": float("nan")}, "chance_loss must be nats"),
        ({"chance_loss": True}, "chance_loss must be nats"),
        ({"entities": ["one", "one"]}, "entities name 'one' for gold and for a distractor"),
        ({"entities": ["one"]}, "entities must be a list of 2 names, gold's, then one for each of spans.distractors"),
        ({"entities": ["one", 2]}, "entities must be a text that is not empty, not 2"),
        ({"chance_loss": 10**400}, "chance_loss must be nats"),
        ({"foil": "Tom"}, "foil 'Tom' is the answer itself"),
        ({"spans": [1]}, "spans must be a JSON object"),
        ({"spans_gold": [0, 3]}, "spans.gold must be a list of [start, end], not [0, 3]"),
        ({"spans_gold": []}, "spans.gold names no candidate"),
        ({"spans_answer": [[34, 37]]}, "spans.answer must be [start, end] in bytes, not [[34, 37]]"),
        ({"spans_answer": [34, 37.0]}, "spans.answer must be [start, end] in bytes"),
        ({"spans_links": [[[0, 3]]]}, "spans.links must be a list of [word, original]"),
        ({"spans_gold": [[10, 99]]}, "spans.gold [10, 99] ends after the text (38 bytes)"),
        ({"spans_gold": [[-1, 3]]}, "spans.gold [-1, 3] begins before the text"),
        ({"spans_gold": [[3, 3]]}, "spans.gold [3, 3] is empty"),
        (
            {"text": TEXT.replace("Anna", "Änna"), "spans_gold": [[9, 13]]},
            "spans.gold [9, 13] begins inside a character",
        ),
        ({"text": TEXT.replace("Anna", "Annä"), "spans_gold": [[8, 12]]}, "spans.gold [8, 12] ends inside a character"),
        ({"spans_distractors": [[2, 4]]}, "spans.gold [0, 3] and spans.distractors [2, 4] overlap"),
        ({"spans_distractors": [[36, 38]]}, "spans.distractors [36, 38] does not end before spans.answer [34, 37]"),
        ({"spans_answer": [0, 3], "foil": "Ben"}, "spans.gold [0, 3] does not end before spans.answer [0, 3] begins"),
        ({"spans_pronoun": [36, 38]}, "spans.pronoun [36, 38] does not end before spans.answer"),
        ({"spans_cue": [37, 38]}, "spans.cue [37, 38] does not end before spans.answer"),
        ({"spans_cue": [34, 37]}, "spans.cue [34, 37] does not end before spans.answer [34, 37] begins"),
        ({"spans_chain": [[34, 37]]}, "spans.chain [34, 37] does not end before spans.answer [34, 37] begins"),
        ({"spans_subject": [0, 2]}, "spans.subject [0, 2] must be a candidate, one of spans.gold or spans.distractors"),
        ({"spans_last_pronoun": [14, 16]}, "spans.last_pronoun [14, 16] must be a candidate"),
        (
            {"spans_gold": [[0, 3], [14, 16]]},
            "spans.pronoun [14, 16] and spans.gold [14, 16] overlap; leave the pronoun out of spans.gold",
        ),
        ({"spans_chain": [[7, 9]]}, "spans.chain [7, 9] and spans.distractors [8, 12] overlap; leave the pronoun out"),
        (
            {"spans_links": [[[14, 16], [0, 3]], [[8, 12], [34, 37]]]},
            "spans.links [[8, 12], [34, 37]]: the original does not end before its translation begins; give [word of",
        ),
        ({"counterfactual": "b"}, "counterfactual 'b' is not there"),
        ({"id": "a", "counterfactual": "a"}, "counterfactual 'a' is the case itself"),
    ],
)
def test_a_record_that_cannot_be_used_is_answered_with_its_line_and_the_reason(changes, reason):
    reported = message(parse, record(), record(**changes))
    assert reported.startswith("cases=mine.jsonl: 1 of 2 lines cannot be used: line 2: ")
    assert reason in reported


@pytest.mark.parametrize("line", ["{", "[" * 100_000, "9" * 5_000, "[]", "null", '"text"', "NaN"])
def test_a_line_that_is_no_json_object_is_named(line):
    assert re.search(
        r"line 2: not (JSON|a JSON object)", message(parse_cases, lines(record()) + b"\n" + line.encode(), "")
    )


def test_many_bad_lines_are_counted_and_the_first_are_told():
    reported = message(parse, *[record(template="") for _ in range(8)], record())
    assert "8 of 9 lines" in reported
    assert "line 5: " in reported
    assert "line 6: " not in reported
    assert reported.endswith("; and 3 more")


def test_a_counterfactual_that_could_not_be_read_is_not_reported_as_missing():
    one, other = pair("x")
    assert "1 of 2 lines cannot be used: line 2: template" in message(parse, one, other | {"template": ""})


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([record(id="a"), record(id="a")], "line 2: id 'a' stands twice"),
        ([record(id="line-2"), record()], "line 2: id 'line-2' stands twice"),
        ([record(id="a", counterfactual="b"), record(id="b")], "line 1: counterfactual 'b' names no counterfactual"),
        ([*pair("x"), record(id="c", counterfactual="xa")], "line 3: counterfactual 'xa' names 'xb'"),
        ([pair("x")[0], pair("x")[1] | {"task": "other"}], "line 1: counterfactual 'xb' is of another task, 'other'"),
        ([pair("x")[0], pair("x")[1] | {"template": "other"}], "line 1: counterfactual 'xb' has another template"),
        (
            [pair("x", split="select")[0], pair("x", split="report")[1]],
            "line 1: counterfactual 'xb' is in another split",
        ),
        ([record(split="select"), record(), record()], "2 of 3 lines cannot be used: line 2: no split, though others"),
    ],
)
def test_cases_that_do_not_go_together_are_named(records, reason):
    assert reason in message(parse, *records)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        (b"", "has no cases"),
        (b"\n \n", "has no cases"),
        (lines(record()) + b"\n\xff", "line 2 is not UTF-8"),
        (json.dumps(record()).encode("utf-16"), "line 1 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, reason):
    path = tmp_path / "mine.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert message(read_cases, path).startswith(f"cases={path}: {reason}")


def test_a_folder_is_no_file_of_cases(tmp_path):
    assert "cannot be read" in message(read_cases, tmp_path)


def survive(content: bytes, tokenizer: Tokenizer) -> None:
    """What a file may say, it is used or refused in one line; nothing else is raised."""
    try:
        read = parse_cases(content, "cases=mine.jsonl")
        assert all(isinstance(sentence, str) for sentence in explain_fit(read, tokenizer, 16))
        encode_cases(read, tokenizer)
        split_cases(read)
    except InputError as error:
        reported = str(error)
    else:
        return
    assert "\n" not in reported


@given(st.binary())
def test_any_bytes_are_cases_or_a_message(bpe, content):
    survive(content, bpe)


PLACES = st.integers(-1, 12)
SPANS = st.lists(PLACES, min_size=2, max_size=2)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3), st.lists, max_leaves=4
)
SPAN_VALUES = st.lists(SPANS, min_size=1, max_size=2) | SPANS | ANY
KEYS = st.sampled_from(["gold", "distractors", "answer", "pronoun", "cue", "subject", "chain", "links"])


@given(
    st.text("aé\n ö.T", min_size=8, max_size=12),
    SPANS,
    SPANS,
    SPANS,
    st.text("aé T", min_size=1, max_size=2),
    st.dictionaries(KEYS, SPAN_VALUES, max_size=2),
    st.dictionaries(
        st.sampled_from(["id", "counterfactual", "split", "chance_loss", "template", "foil", "text", "x"]),
        ANY,
        max_size=1,
    ),
)
def test_any_record_is_a_case_or_a_message(bpe, text, gold, distractor, answer, foil, spans, others):
    spans = {"gold": [sorted(gold)], "distractors": [sorted(distractor)], "answer": sorted(answer)} | spans
    made = {"text": text, "task": "f", "template": "g", "foil": foil, "spans": spans} | others
    survive(lines(made), bpe)


@given(
    st.text("aéT. \n", min_size=9, max_size=15),
    st.sets(st.integers(0, 9), min_size=6, max_size=6),
    st.text("aT .", min_size=1),
)
def test_any_well_placed_spans_are_measured_or_refused_by_name(bpe, text, places, foil):
    """Whatever the words, and wherever tokens begin and end among them."""
    a, b, c, d, e, f = (len(text[:place].encode()) for place in sorted(places))
    spans = {"gold": [[c, d]], "distractors": [[a, b]], "pronoun": [b, c], "answer": [e, f]}
    spans = {name: span for name, span in spans.items() if name != "pronoun" or b < c}
    for tokenizer in (bpe, byte_tokenizer()):
        survive(lines(record(text=text, foil=foil) | {"spans": spans}), tokenizer)


def test_given_splits_are_kept_and_counterfactuals_brought_together():
    a, b, c = pair("a", split="select"), pair("b", split="report"), pair("c", split="select")
    select, report = split_cases(parse(a[0], c[1], b[0], c[0], b[1], a[1]))
    assert [case.id for case in select] == ["aa", "ab", "cb", "ca"]
    assert [case.id for case in report] == ["ba", "bb"]


def test_counterfactuals_of_different_templates_are_allowed_where_splits_are_given():
    one, other = pair("a", split="select")
    select, _ = split_cases(parse(one, other | {"template": "another"}, record(split="report")))
    assert [case.template for case in select] == ["a", "another"]


def test_whole_templates_are_dealt_in_halves_task_by_task():
    made = [counterfactual for i in range(7) for task in "qp" for counterfactual in pair(f"{task}{i}", task=task)]
    select, report = split_cases(parse(*made))
    templates = [{case.template for case in part} for part in (select, report)]
    assert not templates[0] & templates[1]
    assert [len(part) for part in templates] == [8, 6]
    for split, part in (("select", select), ("report", report)):
        assert all(case.split == split for case in part)
        assert [case.task for case in part] == sorted((case.task for case in part), reverse=True)
        assert all(one.counterfactual == other.id for one, other in zip(part[::2], part[1::2], strict=True))


def test_the_same_templates_are_dealt_the_same_way_whatever_the_order_of_the_file():
    made = [counterfactual for i in range(6) for counterfactual in pair(f"template {i}")]
    one, other = (split_cases(parse(*records)) for records in (made, made[::-1]))
    assert [{case.template for case in part} for part in one] == [{case.template for case in part} for part in other]
    always = {"template 1", "template 2", "template 4"}  # on every machine
    assert {case.template for case in one[0]} == always


def test_cases_without_counterfactuals_keep_their_order():
    select, report = split_cases(parse(*(record(template=f"{i}", id=f"{i}") for i in range(6))))
    assert [case.id for case in select] == sorted(case.id for case in select)
    assert len(select) == len(report) == 3


def test_a_task_in_one_split_only_is_named():
    assert "task 'names' has no cases in split report" in message(split_cases, parse(*pair("x")))
    only = parse(record(split="report"))
    assert "has no cases in split select" in message(split_cases, only)


def test_a_split_that_no_file_can_have_is_refused():
    assert "split 'train' is none of select, report" in message(split_cases, cases("train", 2, 0, ("cue",)))
