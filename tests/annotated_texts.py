"""Sentences whose mentions are marked by hand, [Emma@e], as documents and as files in LitBank's form."""

import re
from pathlib import Path

from data.cases.annotated import Document, Mention
from data.cases.names import People

PRONOUNS = {*People().pronouns, "i", "you", "they"}


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
