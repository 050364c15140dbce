"""Cases from LitBank's coreference: ``python -m data.cases.litbank DIR > cases.jsonl``.

Bamman, Lewke and Mansoor (2020), "An Annotated Dataset of Coreference in English Literature". DIR has ``coref`` (the
beginnings of novels with their annotation) and ``original`` (the whole novels); the cases are excerpts of the novels as
they are printed. With ``--rest OUT`` the novels are written without their annotated beginnings, to train on.
"""

import argparse
import os
import re
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

from common.atomic import replace_durably
from common.errors import InputError
from common.one_line import run
from data.cases.annotated import WINDOW, Document, Mention
from data.cases.converters import add_window, write_cases
from data.cases.coreference import cases_of

SUFFIX = "_brat"
TEXTS = "[!.]*.txt"  # not what macOS hides beside each file
MENTION_FIELDS = "MENTION, id, sentence, first token, sentence, last token, text, type and kind"


def read_annotated(path: Path) -> Document:
    """One text, a sentence a line, tokens parted by blanks, with the annotation beside it (``.ann``)."""
    text = read(path)
    sentences, positions = [], []  # of sentences, and of each sentence's tokens
    start = 0
    for line in text.split("\n"):
        tokens, at = [], start
        for token in line.split(" "):
            tokens.append((at, at + len(token)))
            at += len(token) + 1
        sentences.append(start)
        positions.append(tokens)
        start += len(line) + 1
    annotation = path.with_suffix(".ann")
    mentions: dict[str, Mention] = {}
    entities: dict[str, str] = {}
    lines = read(annotation).split("\n")
    for number, line in enumerate(lines, start=1):
        kind, *fields = line.split("\t")
        try:
            if kind == "MENTION":
                name, *where, _, entity_type, how = fields
                sentence, first, last_sentence, last = map(int, where)
                span = positions[sentence][first][0], positions[last_sentence][last][1]
                words = text[slice(*span)]
                if min(sentence, first, last_sentence, last) < 0 or not words or words != words.strip():
                    raise ValueError(where)
                mentions[name] = Mention(*span, entity=name, kind=how, type=entity_type)
            elif kind == "COREF":
                name, entities[name] = fields
        except (ValueError, IndexError):
            raise InputError(
                f"{annotation}, line {number}: needs {MENTION_FIELDS}, with tokens of {path.name}, or COREF, id and "
                "entity; give LitBank's files as they are"
            ) from None
    # A mention without entity says of another what it is: *a boy* in *he was a boy*.
    if unknown := entities.keys() - mentions.keys():
        raise InputError(f"{annotation}: COREF {min(unknown)} has no MENTION; give LitBank's files as they are")
    if not mentions and any(map(str.strip, lines)):
        raise InputError(
            f"{annotation}: has no MENTION; its lines must be {MENTION_FIELDS}, parted by tabs; BRAT's own form is "
            "not read; give LitBank's files as they are"
        )
    known = [mentions[name]._replace(entity=whom) for name, whom in entities.items()]
    return Document(path.stem.removesuffix(SUFFIX), text, sentences, sorted(known))


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def characters(text: str, most: int | None = None) -> list[int]:
    """Where the first characters of a text are that are not blank."""
    return [match.start() for match in islice(re.finditer(r"\S", text), most)]


def as_printed(document: Document, original: str) -> tuple[Document, str]:
    """The document with the text of the novel in which it stands, line breaks and all; and the rest of the novel.

    The tokens of LitBank are the beginning of the novel but for white space; raises InputError where they are not.
    """
    own = characters(document.text)
    if not own:
        raise InputError(f"{document.name}: the annotated text is empty; give LitBank's files as they are")
    printed = characters(original, len(own))
    if [document.text[i] for i in own] != [original[j] for j in printed]:
        raise InputError(f"{document.name}: the annotated text is not how the original begins; give both of one book")
    moved = dict(zip(own, printed, strict=True))
    mentions = [m._replace(start=moved[m.start], end=moved[m.end - 1] + 1) for m in document.mentions]
    sentences = [moved[at] for at in document.sentences if at in moved]
    end = printed[-1] + 1
    return replace(document, text=original[:end], sentences=sentences, mentions=mentions), original[end:]


def annotated_files(folder: Path) -> list[Path]:
    """The texts in a clone of LitBank, which has them in coref/brat, or in a folder that has them in coref."""
    texts = sorted((folder / "coref/brat").glob(TEXTS)) or sorted((folder / "coref").glob(TEXTS))
    if not texts:
        raise InputError(f"{folder}: has no coref/brat/*.txt nor coref/*.txt; give the folder of a clone of LitBank")
    return texts


def read_folder(folder: Path) -> list[tuple[Document, str]]:
    """The annotated beginnings in a folder, as printed, each with the rest of its novel."""
    documents = map(read_annotated, annotated_files(folder))
    return [as_printed(document, read(folder / "original" / f"{document.name}.txt")) for document in documents]


def write_rest(novels: list[tuple[Document, str]], folder: Path) -> None:
    """The rest of each novel as a file of its name; raises InputError where one of them is there, such as a novel."""
    rests = {folder / f"{document.name}.txt": rest for document, rest in novels}
    if there := [path for path in rests if os.path.lexists(path)]:
        raise InputError(f"--rest {folder}: has {there[0].name} already; give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, rest in rests.items():
        replace_durably(path, rest.encode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.cases.litbank", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder with LitBank's coref and original")
    parser.add_argument("--rest", type=Path, metavar="OUT", help="write the novels without what is annotated, instead")
    add_window(parser, WINDOW)
    arguments = parser.parse_args()
    novels = read_folder(arguments.folder)
    if arguments.rest is None:
        write_cases(cases_of([document for document, _ in novels], window=arguments.window))
        return
    write_rest(novels, arguments.rest)
    print(f"{len(novels)} novels without their annotated beginnings: {arguments.rest}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
