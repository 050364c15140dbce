"""LitBank's files, in an invented novel of that form; and LitBank itself where it is there."""

import subprocess
import sys
from pathlib import Path

import inputs
import pytest
from conftest import ROOT

from common.errors import InputError
from data.cases.annotated import AnnotatedText
from data.cases.coreference import PRONOUN, cases_of
from data.cases.litbank import as_printed, read_annotated, read_folder, write_rest
from data.languages import load_language

LITBANK = inputs.REAL / "litbank"
TOKENS = "Anna knew the smith 's wife .\nHe was “ a fool , ” she said .\n"
ORIGINAL = "Anna knew the\nsmith's wife.  He was “a fool,” she said. And then\nit rained.\n"
MENTIONS = (
    (0, 0, 0, 0, "Anna", "PER", "PROP", "Anna-1"),
    (0, 2, 0, 3, "the smith", "PER", "NOM", "smith-2"),
    (0, 2, 0, 5, "the smith 's wife", "PER", "NOM", "wife-3"),
    (1, 0, 1, 0, "He", "PER", "PRON", "smith-2"),
    (1, 3, 1, 4, "a fool", "PER", "NOM", None),  # says what he is
    (1, 7, 1, 7, "she", "PER", "PRON", "Anna-1"),
)


def write_book(folder: Path, name: str = "1_forge") -> Path:
    lines = []
    for i, (*fields, entity) in enumerate(MENTIONS):
        lines.append("\t".join(map(str, ("MENTION", f"T{i}", *fields))))
        lines += [f"COREF\tT{i}\t{entity}"] if entity else ["COP\tT3\tT4"]
    for kind in ("coref", "original"):
        (folder / kind).mkdir(exist_ok=True)
    (folder / f"coref/{name}_brat.txt").write_text(TOKENS)
    (folder / f"coref/{name}_brat.ann").write_text("\n".join(lines) + "\n")
    (folder / f"original/{name}.txt").write_text(ORIGINAL)
    return folder


def test_mentions_stand_in_the_novel_as_it_is_printed(tmp_path: Path) -> None:
    ((document, rest),) = read_folder(write_book(tmp_path))
    assert (document.name, rest) == ("1_forge", " And then\nit rained.\n")
    found = [document.text[mention.start : mention.end] for mention in document.mentions]
    assert found == ["Anna", "the\nsmith", "the\nsmith's wife", "He", "she"]
    assert [document.text[at : at + 2] for at in document.sentences] == ["An", "He"]


def test_a_clone_of_litbank_has_its_annotation_one_folder_deeper(tmp_path: Path) -> None:
    as_copied = read_folder(write_book(tmp_path))
    (tmp_path / "coref").rename(tmp_path / "brat")
    (tmp_path / "coref/tsv").mkdir(parents=True)
    (tmp_path / "brat").rename(tmp_path / "coref/brat")
    assert read_folder(tmp_path) == as_copied


def test_the_cases_are_excerpts_of_the_novel(tmp_path: Path) -> None:
    ((document, _),) = read_folder(write_book(tmp_path))
    he, she = (case for case in cases_of([document]) if case.task == PRONOUN)
    assert he.text == "Anna knew the\nsmith's wife.  He was"
    assert [he.text[start:end] for start, end in he.spans.gold] == ["the\nsmith"]
    assert [he.text[start:end] for start, end in he.spans.distractors] == ["Anna", "wife"]
    assert she.text.endswith("she said.")


def test_the_rest_of_the_novels_is_written(tmp_path: Path) -> None:
    write_rest(read_folder(write_book(tmp_path)), tmp_path / "a/rest")
    assert (tmp_path / "a/rest/1_forge.txt").read_text() == " And then\nit rained.\n"


def test_the_rest_replaces_no_novel(tmp_path: Path) -> None:
    novels = read_folder(write_book(tmp_path))
    with pytest.raises(InputError, match=r"original: has 1_forge\.txt already; give another folder"):
        write_rest(novels, tmp_path / "original")
    assert (tmp_path / "original/1_forge.txt").read_text() == ORIGINAL


def test_an_annotated_text_without_words_is_refused(tmp_path: Path) -> None:
    write_book(tmp_path)
    (tmp_path / "coref/1_forge_brat.txt").write_text(" \n")
    (tmp_path / "coref/1_forge_brat.ann").write_text("")
    with pytest.raises(InputError, match="1_forge: the annotated text is empty"):
        read_folder(tmp_path)


def test_an_original_of_another_book_is_refused(tmp_path: Path) -> None:
    write_book(tmp_path)
    (tmp_path / "original/1_forge.txt").write_text("Anne knew the smith.")
    with pytest.raises(InputError, match="1_forge: the annotated text is not how the original begins"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("MENTION\tT9\t0\t0\t0\t99\tAnna\tPER\tPROP", r"1_forge_brat\.ann, line 13: needs MENTION, id"),
        ("MENTION\tT9\t0\t0", r"line 13: needs MENTION"),
        ("COREF\tT77\tAnna-1", "COREF T77 has no MENTION"),
        ("MENTION\tT9\t-1\t-1\t-1\t-1\tAnna\tPER\tPROP", "line 13: needs MENTION"),
        ("MENTION\tT9\t0\t3\t0\t1\tAnna\tPER\tPROP", "line 13: needs MENTION"),
        ("MENTION\tT9\t2\t0\t2\t0\tAnna\tPER\tPROP", "line 13: needs MENTION"),  # after the last line break
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = write_book(tmp_path) / "coref/1_forge_brat.ann"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=reason):
        read_annotated(path.with_suffix(".txt"))


def test_annotation_as_brat_itself_writes_it_is_refused(tmp_path: Path) -> None:
    path = write_book(tmp_path) / "coref/1_forge_brat.ann"
    path.write_text("T1\tPER 0 4\tAnna\nT2\tPER 10 19\tthe smith\n*\tEquiv T1 T2\n")
    with pytest.raises(InputError, match=r"1_forge_brat\.ann: has no MENTION; its lines must be MENTION, id, sentence"):
        read_folder(tmp_path)


def test_a_folder_without_litbank_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "data.cases.litbank", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert (
        done.stderr
        == f"error: {tmp_path}: has no coref/brat/*.txt nor coref/*.txt; give the folder of a clone of LitBank\n"
    )


@pytest.mark.skipif(not LITBANK.exists(), reason="LitBank is not there")
def test_litbanks_persons_seldom_have_a_gender_that_their_pronouns_do_not() -> None:
    people, agree, n = load_language("en").people, 0, 0
    for path in sorted((LITBANK / "coref").glob("*.txt"))[:8]:
        document = read_annotated(path)
        document, _ = as_printed(document, (LITBANK / "original" / f"{document.name}.txt").read_text())
        reader = AnnotatedText(document, people)
        pronouns = [person for person in reader.persons if reader.gender_of_word(person)]
        n += len(pronouns)
        agree += sum(reader.gender_of_word(person) == person.gender for person in pronouns)
    assert n > 500
    assert agree > 0.98 * n
