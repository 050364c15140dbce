"""The sentences that no model is tuned to, and what is measured on names that none has seen."""

import re
from types import SimpleNamespace

import pytest

from data.stories import write
from data.stories.names import is_unseen
from experiments import heads_on_unseen_names, unseen_names

SENTENCES = unseen_names.read_sentences()
NAME = re.compile(r"[A-Z]\w+")


def test_there_are_at_least_sixty_of_five_tasks_in_pairs_that_exchange_the_answer():
    assert len(SENTENCES) >= 60
    assert len({sentence.task for sentence in SENTENCES}) == 5
    for one, other in zip(SENTENCES[::2], SENTENCES[1::2], strict=True):
        assert (one.task, one.answer, one.other) == (other.task, other.other, other.answer)
        assert one.sentence != other.sentence


def test_no_name_in_them_is_ever_trained_on():
    trained = set(NAME.findall(" ".join(write("train", 5_000, seed=0))))
    for sentence in SENTENCES:
        if sentence.answer[0].isupper():
            assert is_unseen(sentence.answer)
            assert sentence.answer not in trained


def test_a_name_of_a_woman_ends_in_a_or_e_and_no_name_of_a_man_does():
    for sentence in SENTENCES:
        if sentence.task == "agreement":
            pronoun = re.search(r"\b(He|She)\b", sentence.sentence)[1]
            assert (sentence.answer[-1] in "ae") == (pronoun == "She")


def test_the_share_that_is_right_is_counted_by_task(finished_run, capsys, monkeypatch):
    answers = iter([sentence.answer if i % 2 else sentence.other for i, sentence in enumerate(SENTENCES)])
    monkeypatch.setattr(unseen_names, "says", lambda model, tokenizer, sentence: next(answers))
    unseen_names.main([str(finished_run), "--wrong"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"| run | all | {len(SENTENCES) // 2} of {len(SENTENCES)} |"
    assert lines[0] == f"run: {SENTENCES[0].sentence} **{SENTENCES[0].other}** ({SENTENCES[0].answer})"


def test_heads_are_quoted_on_unseen_names_and_their_attention_divided_by_token(finished_run, capsys):
    heads_on_unseen_names.main([str(finished_run), "--cases", "40"])
    tables = capsys.readouterr().out.split("\n\n")
    for table in (tables[0], tables[2]):
        rows = table.strip().splitlines()[2:]
        assert [row.split(" | ")[0].strip("| ") for row in rows] == list(heads_on_unseen_names.OPEN)
    for row in tables[2].strip().splitlines()[2:]:
        shares = [int(cell.strip(" %|")) for cell in row.split(" | ")[-3:]]
        assert sum(shares) == pytest.approx(100, abs=1)


def test_the_shares_of_first_and_last_tokens_are_of_all_that_names_get(monkeypatch):
    """A name at tokens 1 to 4, one that is too short, and one at 0 to 2."""
    monkeypatch.setattr(heads_on_unseen_names, "attention_row", lambda *_: [0.1, 0.4, 0.1, 0.1, 0.2, 0.1])
    names = [SimpleNamespace(tokens=(), gold=[span], sites={"A-1": 5}) for span in ((1, 5), (2, 4), (0, 3))]
    result = SimpleNamespace(cases=names, best="1.2", quotes={"1.2": SimpleNamespace(site="A-1")})
    shares = heads_on_unseen_names.shares_of_parts(None, result)
    assert shares == pytest.approx({"first": 0.5 / 1.4, "in between": 0.6 / 1.4, "last": 0.3 / 1.4})
