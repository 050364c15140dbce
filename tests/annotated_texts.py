"""Sentences whose mentions are marked by hand, [Emma@e], as documents and in LitBank's form; and words of cases."""

import json
import re
from pathlib import Path

from data.cases.annotated import Document, Mention
from data.cases.case import Case, Span
from data.cases.files import parse_cases
from data.languages import load_language

PRONOUNS = {*load_language("en").people.pronouns, "i", "you", "they"}


def words(case: Case, *spans: Span) -> list[str]:
    """What stands in the text of a case at these spans."""
    return [case.text.encode()[start:end].decode() for start, end in spans]


def marked_words(case: Case, *others: str) -> dict[str, list[str]]:
    """What stands at gold, distractors and answer, and at spans of ``others``' names."""
    found = {name: getattr(case.spans, name) for name in ("gold", "distractors", "answer", *others)}
    return {
        name: words(case, *(spans if not spans or isinstance(spans[0], tuple) else [spans]))
        for name, spans in found.items()
    }


def changed(good: dict, changes: dict) -> dict:
    """A line of a file of cases after ``changes``: spans_gold is a span's new value, None takes a key away."""
    spans = good["spans"] | {key[6:]: value for key, value in changes.items() if key.startswith("spans_")}
    spans = {key: value for key, value in spans.items() if value is not None}
    others = {key: value for key, value in changes.items() if not key.startswith("spans_")}
    return {key: value for key, value in (good | {"spans": spans} | others).items() if value is not None}


def parse(*records: dict) -> list[Case]:
    return parse_cases("\n".join(map(json.dumps, records)).encode(), "cases=mine.jsonl")


def document(marked: str, name: str = "book") -> Document:
    """Mentions are [words@entity], one inside another too; the kind follows from the words."""
    text, opened, mentions = "", [], []
    for part in re.split(r"(\[|@\w+\])", marked):
        if part == "[":
            opened.append(len(text))
        elif part.startswith("@"):
            start = opened.pop()
            words = text[start:]
            kind = "PRON" if words.lower() in PRONOUNS else "PROP" if words[0].isupper() else "NOM"
            mentions.append(Mention(start, len(text), part[1:-1], kind))
        else:
            text += part
    sentences = [0, *(match.end() for match in re.finditer(r"[.?!]\s+", text))]
    return Document(name, text, sentences, mentions)


def write_litbank(folder: Path, name: str, lines: list[str]) -> None:
    """A book of marked ``lines``, each a sentence with its tokens parted by blanks; the original is one line."""
    annotation, texts = [], []
    for i, line in enumerate(lines):
        sentence = document(line)
        texts.append(sentence.text)
        for k, mention in enumerate(sentence.mentions):
            first = sentence.text[: mention.start].count(" ")
            last = sentence.text[: mention.end].count(" ")
            words = sentence.text[mention.start : mention.end]
            fields = ("MENTION", f"T{i}-{k}", i, first, i, last, words, mention.type, mention.kind)
            annotation += ["\t".join(map(str, fields)), f"COREF\tT{i}-{k}\t{mention.entity}"]
    for kind in ("coref", "original"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    (folder / f"coref/{name}_brat.txt").write_text("\n".join(texts) + "\n")
    (folder / f"coref/{name}_brat.ann").write_text("\n".join(annotation) + "\n")
    (folder / f"original/{name}.txt").write_text(" ".join(texts).replace(" .", ".") + " The rest.\n")
