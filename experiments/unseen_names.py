"""Sentences about people whose names no story has: ``python -m experiments.unseen_names RUN [RUN ...]``.

unseen_names.tsv has 64 sentences of five tasks, each followed by its counterfactual. Their names are real first names
of many cultures that training never has (data/stories/names.py: ``is_unseen``); each woman's ends in *a* or *e*, each
man's in a consonant, *o* or *u*. A sentence is right if the likeliest continuation, token by token, spells exactly the
answer.
"""

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from common import one_line
from common.markdown import Table
from data import Tokenizer
from model import GPT
from probing.sentence import encode_sentence, next_words
from storage.weights import load_model

FILE = Path(__file__).with_suffix(".tsv")


@dataclass(frozen=True)
class Sentence:
    """What a model reads, the word that comes next, and the one that would if the other candidate were meant."""

    task: str
    sentence: str
    answer: str
    other: str


def read_sentences() -> list[Sentence]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return [Sentence(**row) for row in csv.DictReader(file, delimiter="\t")]


def says(model: GPT, tokenizer: Tokenizer, sentence: Sentence) -> str:
    """The likeliest next word."""
    (word,) = next_words(model, tokenizer, encode_sentence(sentence.sentence, model, tokenizer), 1)
    return tokenizer.decode(word.pieces).strip()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.unseen_names", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--wrong", action="store_true", help="print the sentences that are not right, too")
    options = parser.parse_args(arguments)
    sentences, rows = read_sentences(), []
    for run in options.runs:
        model, tokenizer, _ = load_model(run, "best", torch.device("cpu"))
        said = [says(model, tokenizer, sentence) for sentence in sentences]
        wrong = {sentence: word for sentence, word in zip(sentences, said, strict=True) if word != sentence.answer}
        for task in (*dict.fromkeys(sentence.task for sentence in sentences), "all"):
            own = [sentence for sentence in sentences if task in (sentence.task, "all")]
            rows.append([run.name, task, f"{sum(sentence not in wrong for sentence in own)} of {len(own)}"])
        if options.wrong:
            for sentence, word in wrong.items():
                print(f"{run.name}: {sentence.sentence} **{word}** ({sentence.answer})")
    print(Table(["run", "task", "right"], rows).markdown())


if __name__ == "__main__":
    one_line.run(main)
