"""Parts of a mixture on the command line: one short key for a share, any key of a corpus beside it, and every slip."""

import sys

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import cli
from cli.paths import decode_text, encode_text
from cli.schema import TrainCommand
from cli.swept_text import encode_swept, readable
from common.errors import InputError
from data.mixture import FilesPart, StoriesPart

BOOK = ("data=files", "data.path=book.txt")
LETTERS = ("mix.letters=0.2", "mix.letters.name=files", "mix.letters.path=my letters, all/*.txt")


def read(*arguments: str) -> TrainCommand:
    OmegaConf.register_new_resolver("text", decode_text, replace=True)  # as cli.launch does
    return cli.read("train", TrainCommand, [encode_text(argument) for argument in arguments])


def test_one_short_key_adds_stories():
    assert read(*BOOK, "mix.stories=0.1").mix == {"stories": StoriesPart(share=0.1)}


def test_a_part_has_every_key_of_its_corpus():
    command = read(*BOOK, *LETTERS, "mix.letters.separator=1e3", "mix.stories=0.1", "mix.stories.tasks=[cue]")
    letters = FilesPart("my letters, all/*.txt", share=0.2, separator="1e3")
    assert command.mix == {"letters": letters, "stories": StoriesPart(share=0.1, tasks=("cue",))}
    assert list(command.corpora) == ["files", "letters", "stories"]


def test_without_parts_the_corpus_is_alone():
    assert read(*BOOK).corpora == {"files": (1.0, read(*BOOK).data)}


def test_snapshots_are_kept_where_there_are_stories():
    assert read(*BOOK, "mix.stories=0.1").snapshots == read("data=stories").snapshots > 0
    assert read(*BOOK, *LETTERS).snapshots == read(*BOOK, "mix.stories=0").snapshots == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["mix.stories=-0.1"], "mix.stories.share=-0.1: must be at least 0 and below 1"),
        (["mix.stories=1"], "mix.stories.share=1.0: must be at least 0 and below 1"),
        (["mix.stories=nan"], "mix.stories.share=nan: must be at least 0 and below 1"),
        (["mix.stories=much"], "mix.stories.share=much: must be a number"),
        (["mix.stories.tasks=[cue]"], "mix.stories.share is missing; give mix.stories.share=..."),
        (["mix.stories=0.1", "mix.stories.n_tran=9"], "mix.stories.n_tran: there is no such key; did you mean "),
        (["mix.stories=0.1", "mix.stories.n_train=0"], "mix.stories.n_train=0: must be 1 to 100,000,000"),
        (["mix.storys=0.1"], "mix.storys=storys: there is no such corpus; known are enwik8, files, "),
        (["mix.files=0.1", "mix.files.path=x"], "mix.files: data=files is this corpus already; name another with"),
        (["mix.x=0.1", "mix.x.name=files"], "mix.x.path is missing; give mix.x.path=..."),
        (
            ["mix.stories=0.1", "mix.stories.document_mask=true"],
            "mix.stories.document_mask: all parts are read as data is",
        ),
        (["mix.a/b=0.1"], "mix.a/b=0.1: the value cannot be read"),
        (["mix.stories=[0"], "mix.stories=[0: the value cannot be read; a list is written mix.stories=[A,B]"),
        (["mix.stories=0,1"], "mix.stories=0,1: a list is written mix.stories=[0,1], and a sweep begins with -m"),
        (["mix.x.tasks=cue,sense"], "mix.x.tasks=cue,sense: a list is written mix.x.tasks=[cue,sense], and a sweep "),
        (["mix=stories"], "mix=stories: parts have shares, as in mix.stories=0.1"),
        (
            [*LETTERS, "mix.stories=0.8"],
            "mix: the shares come to 1, and data=files has the rest; they must ",
        ),
    ],
)
def test_a_slip_gets_one_line(given, message):
    with pytest.raises(InputError) as caught:
        read(*BOOK, *given)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("data", "path"), [("tokens", "x.bin"), ("answers", "x.jsonl")])
def test_nothing_is_mixed_with_ids_or_answers(data, path):
    with pytest.raises(InputError, match=rf"^mix\.stories: no other corpus can be mixed with data={data}"):
        read(f"data={data}", f"data.path={path}", "mix.stories=0.1")


def test_a_sweep_takes_shares_and_paths_and_shows_them_as_typed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    received = []
    swept = ("mix.stories=0,0.05", "mix.letters=0.2", "mix.letters.name=files", "mix.letters.path=a b,c.txt")
    monkeypatch.setattr(sys, "argv", ["train.py", "-m", *BOOK, *swept, "run='r/${mix.stories.share}-${hydra:job.num}'"])
    GlobalHydra.instance().clear()
    cli.launch(received.append, "train", TrainCommand)
    assert [(command.mix["stories"].share, command.mix["letters"].path, command.run) for command in received] == [
        (0.0, "a b", "r/0-0"),
        (0.0, "c.txt", "r/0-1"),
        (0.05, "a b", "r/0.05-2"),
        (0.05, "c.txt", "r/0.05-3"),
    ]
    assert "0    mix.stories=0 mix.letters.path=a b " in capsys.readouterr().out
    assert readable(encode_swept("mix.stories=0.1", set())) == "mix.stories=0.1"
